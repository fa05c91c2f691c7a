//! Refusals of edits.

use std::fmt::Display;

/// A refused edit's reason, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

impl Refusal {
    pub(super) fn new(reason: &impl Display) -> Self {
        Self(reason.to_string())
    }
}
