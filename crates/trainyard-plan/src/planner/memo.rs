//! Results of one planning: schedules that were built and candidates that were simulated.
//!
//! Searches under different restrictions come across the same candidates. A score depends on the
//! profile, the objective and whether backwards are split, which all searches of one planning share.

use std::collections::HashMap;
use std::rc::Rc;

use super::candidate::{Candidate, CandidateSchedule};
use super::score::Score;
use crate::{PlanError, Recompute, Schedule, ScheduleKind};

/// A schedule of some size, and the rank of each of its stages.
#[derive(Clone, Debug)]
pub(super) struct SizedSchedule {
    pub(super) schedule: Rc<Schedule>,
    pub(super) owners: Rc<[usize]>,
}

/// Result of a search for a schedule.
#[derive(Clone, Debug)]
pub(super) enum Searched {
    Found(Rc<Schedule>),
    /// No schedule fits.
    NothingFits,
}

/// A candidate under a named schedule.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    kind: &'static str,
    chunks: usize,
    ranks: Vec<usize>,
    /// First layer, and whether the stage recomputes.
    stages: Vec<(usize, bool)>,
}

impl Key {
    /// `None` for a searched schedule: each is simulated once.
    fn of(candidate: &Candidate) -> Option<Self> {
        let CandidateSchedule::Named(kind, chunks) = &candidate.schedule else { return None };
        let recompute = candidate.recompute.iter().map(|mode| *mode == Recompute::Full);
        Some(Self {
            kind: kind.name(),
            chunks: *chunks,
            ranks: candidate.ranks.clone(),
            stages: candidate.firsts.iter().copied().zip(recompute).collect(),
        })
    }
}

/// Results of one planning, for one profile, objective and `split_backward`.
#[derive(Default)]
pub(super) struct Memo {
    /// By kind, ranks and chunks.
    schedules: HashMap<(&'static str, usize, usize), SizedSchedule>,
    scores: HashMap<Key, Score>,
    /// By stages and effort.
    searched: HashMap<(Key, usize), Searched>,
}

impl Memo {
    /// The schedule of a kind and size; `build` makes it the first time.
    pub(super) fn schedule(
        &mut self,
        kind: &'static dyn ScheduleKind,
        ranks: usize,
        chunks: usize,
        build: impl FnOnce() -> Result<SizedSchedule, PlanError>,
    ) -> Result<SizedSchedule, PlanError> {
        let key = (kind.name(), ranks, chunks);
        if let Some(known) = self.schedules.get(&key) {
            return Ok(known.clone());
        }
        let built = build()?;
        self.schedules.insert(key, built.clone());
        Ok(built)
    }

    pub(super) fn score(&self, candidate: &Candidate) -> Option<Score> {
        self.scores.get(&Key::of(candidate)?).copied()
    }

    pub(super) fn keep_score(&mut self, candidate: &Candidate, score: Score) {
        if let Some(key) = Key::of(candidate) {
            self.scores.insert(key, score);
        }
    }

    /// Result of the search for a schedule for a candidate's stages, if there was one with this effort.
    pub(super) fn searched(&self, candidate: &Candidate, effort: usize) -> Option<&Searched> {
        self.searched.get(&(Key::of(candidate)?, effort))
    }

    pub(super) fn keep_searched(
        &mut self,
        candidate: &Candidate,
        effort: usize,
        searched: Searched,
    ) {
        if let Some(key) = Key::of(candidate) {
            self.searched.insert((key, effort), searched);
        }
    }
}
