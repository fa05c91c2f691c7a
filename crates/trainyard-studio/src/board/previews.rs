//! What edits would lead to, worked out once for each.

use std::sync::Arc;

use crate::document::{Arrangement, Assessment, Document, Edit};

/// What an edit would lead to, or why it is refused.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It would lead to this.
    Leads {
        /// The stages, to tell whether two edits come to the same.
        to: Arc<Arrangement>,
        /// What it would cost.
        costs: Arc<Assessment>,
    },
    /// It is refused, in words.
    Refused(String),
}

impl Outcome {
    /// What it would cost, where it is not refused.
    #[must_use]
    pub(super) fn assessment(&self) -> Option<&Arc<Assessment>> {
        match self {
            Self::Leads { costs, .. } => Some(costs),
            Self::Refused(_) => None,
        }
    }

    /// Why it is refused.
    #[must_use]
    pub(super) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Leads { .. } => None,
            Self::Refused(words) => Some(words),
        }
    }
}

/// The edits that were previewed from the present arrangement.
#[derive(Clone, Debug, Default)]
pub(super) struct Previews {
    /// What they start from.
    from: Option<Arc<Assessment>>,
    known: Vec<(Edit, Outcome)>,
}

impl Previews {
    /// More than a person looks at from one arrangement.
    const MOST: usize = 256;

    /// Forgets everything if the document has another arrangement than before.
    pub(super) fn follow(&mut self, document: &Document) {
        let same = self.from.as_ref().is_some_and(|from| Arc::ptr_eq(from, document.present()));
        if !same {
            self.known.clear();
            self.from = Some(Arc::clone(document.present()));
        }
    }

    /// What an edit would lead to, if that was worked out already.
    #[must_use]
    pub(super) fn known(&self, edit: &Edit) -> Option<&Outcome> {
        self.known.iter().find(|(known, _)| known == edit).map(|(_, outcome)| outcome)
    }

    /// What an edit would lead to.
    pub(super) fn of(&mut self, document: &Document, edit: &Edit) -> Outcome {
        if let Some(outcome) = self.known(edit) {
            return outcome.clone();
        }
        let outcome = match document.preview(edit) {
            Ok((to, costs)) => Outcome::Leads { to: Arc::new(to), costs: Arc::new(costs) },
            Err(refusal) => Outcome::Refused(refusal.0),
        };
        if self.known.len() >= Self::MOST {
            self.known.clear();
        }
        self.known.push((edit.clone(), outcome.clone()));
        outcome
    }
}
