//! An error as people read it: title, cause with its place, remedy.

use crate::open::OpenError;

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorDialog {
    /// The failed action: "Cannot open plan.json".
    pub title: String,
    /// The cause, with its place.
    pub text: String,
    /// The remedy.
    pub remedy: String,
}

impl ErrorDialog {
    pub(crate) fn new(
        title: impl Into<String>,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { title: title.into(), text: text.into(), remedy: remedy.into() }
    }

    /// A file that cannot be opened.
    pub(crate) fn of_open(name: &str, error: &OpenError) -> Self {
        Self::new(format!("Cannot open {name}"), error.to_string(), error.remedy())
    }
}
