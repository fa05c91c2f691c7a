//! A candidate: stages on devices under a schedule, not yet simulated.

use std::rc::Rc;

use super::partition::Partition;
use super::space::Space;
use crate::{Recompute, Schedule, ScheduleKind};

/// The schedule of a candidate.
#[derive(Clone, Debug)]
pub(super) enum CandidateSchedule {
    /// One of a kind, with this number of stages a rank.
    Named(&'static dyn ScheduleKind, usize),
    /// One that was searched for this candidate.
    Searched(Rc<Schedule>),
}

impl CandidateSchedule {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Named(kind, _) => kind.name(),
            Self::Searched(schedule) => &schedule.name,
        }
    }
}

/// Stages on devices under a schedule.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Device of every rank, by index in the profile.
    pub(super) ranks: Vec<usize>,
    /// First layer of every stage.
    pub(super) firsts: Vec<usize>,
    /// Mode of every stage.
    pub(super) recompute: Vec<Recompute>,
    pub(super) schedule: CandidateSchedule,
}

impl Candidate {
    /// A partition with one stage a rank.
    pub(super) fn of(space: &Space, partition: &Partition, schedule: CandidateSchedule) -> Self {
        let mut devices = partition.stage_devices();
        space.sort_interchangeable(&mut devices);
        Self {
            ranks: devices.into_iter().map(|device| space.index(device)).collect(),
            firsts: partition.stages.iter().map(|stage| stage.first).collect(),
            recompute: partition.stages.iter().map(|stage| stage.recompute).collect(),
            schedule,
        }
    }

    /// Layers of every stage, half-open, for a model of `count` layers.
    pub(super) fn layers(&self, count: usize) -> impl Iterator<Item = (usize, usize)> {
        let ends = self.firsts.iter().skip(1).copied().chain([count]);
        self.firsts.iter().copied().zip(ends)
    }

    /// Whether it has the same stages on the same devices, whatever the schedule and recompute.
    pub(super) fn has_same_stages(&self, other: &Self) -> bool {
        (&self.ranks, &self.firsts) == (&other.ranks, &other.firsts)
    }

    /// Whether it is one of the same sort to a search that starts from it: the same order of devices under
    /// the same kind of schedule, or under one for several stages a rank that lie alike.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        let lie_alike = || match (&self.schedule, &other.schedule) {
            (CandidateSchedule::Named(one, chunks), CandidateSchedule::Named(other, others)) => {
                let ranks = self.ranks.len();
                *chunks > 1
                    && chunks == others
                    && one.placement(ranks, *chunks) == other.placement(ranks, *chunks)
            }
            _ => false,
        };
        self.ranks == other.ranks && (self.schedule.name() == other.schedule.name() || lie_alike())
    }

    /// Whether its schedule was searched for it.
    pub(super) fn is_searched(&self) -> bool {
        matches!(self.schedule, CandidateSchedule::Searched(_))
    }
}
