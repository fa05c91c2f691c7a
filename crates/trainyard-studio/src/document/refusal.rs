//! Why an edit is not done.

use std::fmt::Display;

/// Why something is not done, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

impl Refusal {
    pub(super) fn new(reason: &impl Display) -> Self {
        Self(reason.to_string())
    }
}
