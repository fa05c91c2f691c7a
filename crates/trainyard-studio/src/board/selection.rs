//! Which layers are selected.

use std::collections::BTreeSet;

/// Which layers are selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    layers: BTreeSet<usize>,
    /// Where a range begins.
    anchor: Option<(usize, usize)>,
}

impl Selection {
    /// Nothing but this run.
    pub(super) fn only(&mut self, run: (usize, usize)) {
        self.layers = (run.0..run.1).collect();
        self.anchor = Some(run);
    }

    /// Everything from where the range begins to this run.
    pub(super) fn extend_to(&mut self, run: (usize, usize)) {
        let (first, end) = self.anchor.unwrap_or(run);
        self.layers = (first.min(run.0)..end.max(run.1)).collect();
        self.anchor.get_or_insert(run);
    }

    /// This run too, or no longer.
    pub(super) fn toggle(&mut self, run: (usize, usize)) {
        if self.holds(run) {
            self.layers.retain(|layer| *layer < run.0 || run.1 <= *layer);
        } else {
            self.layers.extend(run.0..run.1);
        }
        self.anchor = Some(run);
    }

    /// Nothing.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets layers that the model does not have.
    pub(super) fn retain_below(&mut self, layers: usize) {
        self.layers.retain(|layer| *layer < layers);
        self.anchor = self.anchor.filter(|(_, end)| *end <= layers);
    }

    /// Whether all layers of a run are selected.
    #[must_use]
    pub(super) fn holds(&self, run: (usize, usize)) -> bool {
        (run.0..run.1).all(|layer| self.layers.contains(&layer))
    }

    /// The selected layers as runs, half-open.
    #[must_use]
    pub(super) fn runs(&self) -> Vec<(usize, usize)> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for layer in &self.layers {
            match runs.last_mut() {
                Some((_, end)) if end == layer => *end += 1,
                _ => runs.push((*layer, layer + 1)),
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clicks_ranges_and_toggles() {
        let mut selection = Selection::default();
        selection.only((3, 4));
        selection.extend_to((6, 7));
        assert_eq!(selection.runs(), [(3, 7)]);
        selection.extend_to((1, 2));
        assert_eq!(selection.runs(), [(1, 4)]);
        selection.toggle((2, 3));
        selection.toggle((8, 9));
        assert_eq!(selection.runs(), [(1, 2), (3, 4), (8, 9)]);
        assert!(selection.holds((3, 4)) && !selection.holds((1, 4)));
        selection.retain_below(4);
        assert_eq!(selection.runs(), [(1, 2), (3, 4)]);
    }
}
