//! A kind of schedule: everything that validator, planner and program ask of it.

use std::any::Any;
use std::fmt::Debug;

use crate::Action;

/// A named kind of schedule, such as 1F1B: a unit struct that implements this trait.
///
/// A schedule from outside this crate works as those inside do, once it is
/// [registered](crate::Schedule::register):
///
/// ```
/// use trainyard_plan::{Action, PlanError, Schedule, ScheduleKind};
///
/// /// One micro-batch after the other.
/// #[derive(Debug)]
/// struct OneByOne;
///
/// impl ScheduleKind for OneByOne {
///     fn name(&self) -> &'static str {
///         "one-by-one"
///     }
///     fn doc(&self) -> &'static str {
///         "each micro-batch forward and backward before the next: least memory"
///     }
///     fn in_flight(&self, _stages_after: usize, _micro_batches: usize) -> usize {
///         1
///     }
///     fn build(&self, ranks: usize, _: usize, micro_batches: usize) -> Vec<Vec<Action>> {
///         let both = |stage, m| [Action::forward(stage, m), Action::backward(stage, m)];
///         let row = |stage| (0..micro_batches).flat_map(|m| both(stage, m)).collect();
///         (0..ranks).map(row).collect()
///     }
/// }
///
/// Schedule::register(&OneByOne)?;
/// assert_eq!(Schedule::named("one-by-one", 2, 2)?.max_in_flight(0), 1);
/// # Ok::<(), PlanError>(())
/// ```
pub trait ScheduleKind: Any + Debug + Send + Sync {
    /// Name in run files and plans; unique, in lower case.
    fn name(&self) -> &'static str;

    /// One line on what it is good for.
    fn doc(&self) -> &'static str;

    /// Stages that a rank may have.
    fn chunks(&self) -> Chunks {
        Chunks::Exactly(1)
    }

    /// Rank of every stage; by default stage `s` is on rank `s mod ranks`. Both counts are at least
    /// 1, and `chunks` is one that [`Self::chunks`] allows.
    fn placement(&self, ranks: usize, chunks: usize) -> Vec<usize> {
        (0..ranks * chunks).map(|stage| stage % ranks).collect()
    }

    /// Micro-batches that a stage with `stages_after` stages after it holds at the same time, from
    /// their forward to the end of their backward: exact or a lower bound. The planner leaves out
    /// stages that do not fit with them, and leaves the rest to the simulator, so a bound too high
    /// loses plans and one too low costs time. Schedules with several stages a rank say 1.
    fn in_flight(&self, stages_after: usize, micro_batches: usize) -> usize;

    /// Actions of every rank, in order, without transfers. All counts are at least 1.
    fn build(&self, ranks: usize, chunks: usize, micro_batches: usize) -> Vec<Vec<Action>>;
}

/// Stages that a rank may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// This number alone.
    Exactly(usize),
    /// Any number, at least 1.
    Any {
        /// The number where none is asked for.
        default: usize,
    },
}

impl Chunks {
    /// The number where none is asked for.
    #[must_use]
    pub fn default_count(self) -> usize {
        match self {
            Self::Exactly(count) | Self::Any { default: count } => count,
        }
    }
}
