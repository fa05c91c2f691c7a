//! An error as people read it: title, cause with its place, remedy.

use crate::open::OpenError;
use crate::run::{End, Exit};

/// The program's exit code for a model that no plan brings within the budgets.
pub(crate) const DOES_NOT_FIT: Exit = Exit::Code(3);

/// What `trainyard` says of a device of a run file that the machine does not have.
const NO_ADAPTER: &str = "no adapter matches '";

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

    /// A run file whose costs `trainyard` did not find out. `line` is what to type to have it said in
    /// full.
    pub(crate) fn of_run_file(name: &str, end: &End, line: &str) -> Self {
        let reason = end.reason();
        let title = match &reason {
            _ if end.exit == DOES_NOT_FIT => format!("{name} does not fit its devices"),
            Some(reason) if reason.contains(NO_ADAPTER) => {
                format!("Cannot open {name}: this machine lacks one of its devices")
            }
            _ => format!("Cannot open {name}"),
        };
        let remedy = match &reason {
            _ if end.exit == DOES_NOT_FIT => "The board shows by how much.".to_owned(),
            // What is wrong is said with its place and its remedy.
            Some(_) if end.exit == Exit::Code(2) => {
                format!("Mend the run file and open it again. In a terminal: {line}")
            }
            _ => format!("In a terminal it says more: {line}"),
        };
        let text = match reason {
            Some(reason) if matches!(end.exit, Exit::Code(2)) => reason,
            _ => end.to_string(),
        };
        Self::new(title, text, remedy)
    }

    /// A file that cannot be opened.
    pub(crate) fn of_open(name: &str, error: &OpenError) -> Self {
        Self::new(format!("Cannot open {name}"), error.to_string(), error.remedy())
    }
}
