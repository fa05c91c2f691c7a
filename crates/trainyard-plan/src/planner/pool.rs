//! The candidates that a search has evaluated.

use super::candidate::Candidate;
use super::least_memory::Least;
use super::score::Score;
use crate::PlanError;

/// Share of the candidates that fit below which memory is tight.
const ROOMY: f64 = 0.97;

/// The candidates that a search has evaluated.
#[derive(Default)]
pub(super) struct Pool {
    /// Best first once [sorted](Self::sort); those that do not fit come last.
    pub(super) entries: Vec<(Candidate, Score)>,
    /// Whether the partitions came from a search that left nothing out.
    pub(super) exact: bool,
    /// Where a search found nothing that fits: the least memory of each device with which something
    /// does, the one that lacks least first.
    pub(super) least: Vec<Least>,
    /// The first error of a candidate, for when there is no other.
    pub(super) refusal: Option<PlanError>,
}

impl Pool {
    pub(super) fn sort(&mut self) {
        self.entries.sort_by(|a, b| a.1.compare(&b.1));
    }

    /// The best of each order of devices and sort of schedule, for a local search to start from: `most` at
    /// most.
    pub(super) fn starts(&self, most: usize) -> Vec<(Candidate, Score)> {
        let mut starts: Vec<(Candidate, Score)> = Vec::new();
        for (candidate, score) in &self.entries {
            let is_alike = |(other, _): &(Candidate, Score)| other.is_alike(candidate);
            if starts.len() < most && !candidate.is_searched() && !starts.iter().any(is_alike) {
                starts.push((candidate.clone(), *score));
            }
        }
        starts
    }

    /// Whether the best entry fits.
    pub(super) fn fits(&self) -> bool {
        self.entries.first().is_some_and(|(_, score)| score.fits())
    }

    /// Whether any entry fits, sorted or not.
    pub(super) fn any_fits(&self) -> bool {
        self.entries.iter().any(|(_, score)| score.fits())
    }

    /// Whether memory is tight.
    pub(super) fn is_tight(&self) -> bool {
        self.share_that_fits() < ROOMY
    }

    /// Share of the entries that fit.
    pub(super) fn share_that_fits(&self) -> f64 {
        let fitting = self.entries.iter().filter(|(_, score)| score.fits()).count();
        fitting as f64 / self.entries.len().max(1) as f64
    }
}
