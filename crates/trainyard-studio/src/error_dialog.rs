//! What went wrong, in words: a name, what happened and where, and what can be done.

use crate::open::OpenError;

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorDialog {
    /// What could not be done: "Cannot open plan.json".
    pub title: String,
    /// What happened, and where.
    pub text: String,
    /// What can be done about it.
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
