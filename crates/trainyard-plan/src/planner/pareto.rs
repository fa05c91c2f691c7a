//! Pareto front: the partial partitions of one state that no other beats in both sum and maximum.

use super::goal::Goal;
use crate::Recompute;

/// A suffix of a partition: the stages from some layer on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    /// Σ stations, µs.
    pub(super) sum: f64,
    /// The longest station, or what the goal puts in its place.
    pub(super) max: f64,
    /// The suffix without its first stage.
    pub(super) parent: u32,
    /// Device of its first stage.
    pub(super) device: u8,
    /// Mode of its first stage.
    pub(super) recompute: Recompute,
}

/// Labels in ascending order of their sum, so in descending order of their maximum.
#[derive(Clone, Debug, Default)]
pub(super) struct ParetoFront {
    labels: Vec<Label>,
    /// Index of the one that beat the latest label, or of that label where none did: more often than not
    /// it beats the next one. A hint: labels are compared with whatever stands there.
    strong: usize,
}

impl ParetoFront {
    pub(super) fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Adds a label unless one that is there is as good, and drops those it beats. For goals that
    /// count the sum or the maximum alone, only the best label stays; the other number breaks ties.
    pub(super) fn insert(&mut self, label: Label, goal: Goal) {
        let key = match goal {
            Goal::Time(repeats) if repeats > 0.0 => return self.insert_pareto(label),
            Goal::Time(_) => |label: &Label| (label.sum, label.max),
            Goal::Share | Goal::Need(_) => |label: &Label| (label.max, label.sum),
        };
        match self.labels.first_mut() {
            Some(best) if key(best) <= key(&label) => {}
            Some(best) => *best = label,
            None => self.labels.push(label),
        }
    }

    fn insert_pareto(&mut self, label: Label) {
        let beats = |other: &Label| other.sum <= label.sum && other.max <= label.max;
        if self.labels.get(self.strong).is_some_and(beats) {
            return;
        }
        let at = self.labels.partition_point(|other| other.sum <= label.sum);
        if at > 0 && self.labels[at - 1].max <= label.max {
            self.strong = at - 1;
            return;
        }
        // With an equal sum the one before has the larger maximum.
        let at = at - usize::from(at > 0 && self.labels[at - 1].sum >= label.sum);
        let beaten = self.labels[at..].iter().take_while(|other| other.max >= label.max).count();
        if beaten == 0 {
            self.labels.insert(at, label);
        } else {
            self.labels[at] = label;
            self.labels.drain(at + 1..at + beaten);
        }
        self.strong = at;
    }
}
