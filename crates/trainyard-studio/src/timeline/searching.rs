//! What a person looks for in a timeline, and what was found.

use super::frame::Frame;
use super::layout::Side;
use super::search::Query;

/// What is looked for.
#[derive(Default)]
pub(super) struct Search {
    pub(super) text: String,
    /// What was found, and what the scenes and the text were then.
    hits: Vec<(Side, u32)>,
    known: Option<(String, Vec<u64>)>,
    /// Which hit is shown.
    at: Option<usize>,
    /// Whether the field is to have the focus in the next frame.
    pub(super) wants_focus: bool,
}

impl Search {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What was found.
    pub(super) fn hits(&self) -> &[(Side, u32)] {
        &self.hits
    }

    /// Looks again where the scenes or the text have changed.
    pub(super) fn update(&mut self, frame: &Frame) {
        let known = Some((self.text.clone(), frame.scenes.revisions()));
        if self.known == known {
            return;
        }
        let query = Query::parse(&self.text);
        let sides = frame.scenes.sides();
        self.hits = sides
            .flat_map(|(side, scene)| query.hits(scene).into_iter().map(move |hit| (side, hit)))
            .collect();
        if let Some(foreign) = frame.scenes.foreign {
            let hits = foreign.hits(&self.text).into_iter();
            self.hits.extend(hits.map(|hit| (Side::Foreign, hit)));
        }
        self.at = None;
        self.known = known;
    }

    /// The next hit, or the one before.
    pub(super) fn turn(&mut self, ahead: bool) -> Option<(Side, u32)> {
        let count = self.hits.len();
        let at = match self.at {
            Some(at) if ahead => (at + 1) % count.max(1),
            Some(at) => at.checked_sub(1).unwrap_or(count.saturating_sub(1)),
            None if ahead => 0,
            None => count.saturating_sub(1),
        };
        self.at = Some(at);
        self.hits.get(at).copied()
    }

    /// How much was found, and which of it is shown, in words.
    pub(super) fn count(&self) -> String {
        match (self.hits.len(), self.at) {
            (0, _) => "nothing found".to_owned(),
            (count, Some(at)) => format!("{} of {count}", at + 1),
            (count, None) => format!("{count} found"),
        }
    }
}
