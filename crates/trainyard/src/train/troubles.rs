//! Writes that fail while a training goes on: said once, tried again, and remembered.

use std::collections::BTreeMap;

use crate::cli::say;
use crate::error::RunError;

/// What could not be written, as it stands.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    by_what: BTreeMap<&'static str, Trouble>,
    has_ended: bool,
}

#[derive(Debug)]
struct Trouble {
    error: String,
    is_over: bool,
}

impl Troubles {
    /// Takes the outcome of a write. What fails is said the first time, and so is that it works again.
    pub(super) fn note(&mut self, what: &'static str, outcome: Result<(), RunError>) -> bool {
        match (outcome, self.by_what.get_mut(what)) {
            (Ok(()), Some(trouble)) if !trouble.is_over => {
                trouble.is_over = true;
                say(format_args!("{what}: it works again"));
                true
            }
            (Ok(()), _) => true,
            (Err(_), Some(Trouble { is_over: false, .. })) => false,
            (Err(error), _) => {
                let error = error.to_string();
                let then =
                    if self.has_ended { "" } else { ". The training goes on, and tries again" };
                say(format_args!("{what}: {error}{then}"));
                self.by_what.insert(what, Trouble { error, is_over: false });
                false
            }
        }
    }

    /// Says that nothing is tried again.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    /// What is still not written, in words; `None` if all is.
    pub(super) fn at_end(&self) -> Option<String> {
        let open = self.by_what.iter().filter(|(_, trouble)| !trouble.is_over);
        let words: Vec<String> =
            open.map(|(what, trouble)| format!("{what}: {}", trouble.error)).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}
