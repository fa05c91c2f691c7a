//! The named kinds of schedules: those of this crate, and those that other crates register.

use std::any::Any;
use std::sync::{PoisonError, RwLock};

use super::kind::{Chunks, ScheduleKind};
use super::slices;
use super::table::Schedule;
use super::{dual_pipe_v, gpipe, interleaved, one_f_one_b, v_block, zb_h, zb_v};
use crate::{PlanError, validate};

/// The kinds of this crate.
const BUILT_IN: &[&dyn ScheduleKind] = &[
    &gpipe::GPipe,
    &one_f_one_b::OneFOneB,
    &interleaved::Interleaved,
    &zb_h::ZbH1,
    &zb_h::ZbH2,
    &zb_v::ZB_V,
    &v_block::V_HALF,
    &v_block::V_MIN,
    &dual_pipe_v::DUAL_PIPE_V,
];

/// The kinds of other crates, in the order of their registration.
static REGISTERED: RwLock<Vec<&'static dyn ScheduleKind>> = RwLock::new(Vec::new());

/// Most ranks of a named schedule.
const MAX_RANKS: usize = 1 << 10;

/// Ranks and micro-batches of the schedules that are tried when a kind is registered: fewer and more
/// micro-batches than fill the pipeline.
const TRIED_RANKS: usize = 4;
const TRIED_MICRO_BATCHES: usize = 6;

impl Schedule {
    /// Adds a kind of schedule to those that [`Self::named`], run files and the planner know, for
    /// this process. Its schedules are validated for a few sizes now, and whenever one is built.
    /// Registering the same kind again changes nothing.
    ///
    /// # Errors
    /// [`PlanError::BadPlan`] for a name that is taken, empty or `auto`, and for a placement or a
    /// number in flight that is not what the schedule does; [`PlanError::BadSchedule`] for a schedule
    /// that is not sound.
    pub fn register(kind: &'static dyn ScheduleKind) -> Result<(), PlanError> {
        let name = kind.name();
        let bad = |reason: &str| {
            Err(PlanError::BadPlan { reason: format!("the schedule '{name}' {reason}") })
        };
        if name.is_empty() || name == Schedule::SEARCHED || name != name.to_lowercase() {
            return bad("cannot be registered; give it a name of its own, in lower case");
        }
        for ranks in 1..=TRIED_RANKS {
            for micro_batches in 1..=TRIED_MICRO_BATCHES {
                try_out(kind, ranks, micro_batches)?;
            }
        }
        let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
        match BUILT_IN.iter().chain(registered.iter()).find(|known| known.name() == name) {
            None => registered.push(kind),
            Some(known) if is_same(*known, kind) => {}
            Some(_) => return bad("is there already; give this one another name"),
        }
        Ok(())
    }

    /// The schedule of a kind (see [`Schedule::names`]) for this number of ranks and micro-batches,
    /// with the kind's default number of stages a rank.
    ///
    /// # Errors
    /// As [`Schedule::with_chunks`].
    pub fn named(name: &str, ranks: usize, micro_batches: usize) -> Result<Self, PlanError> {
        Self::with_chunks(name, ranks, Self::default_chunks(name)?, micro_batches)
    }

    /// The schedule of a kind with `chunks` stages a rank.
    ///
    /// # Errors
    /// [`PlanError::UnknownSchedule`] for another name; [`PlanError::BadNumber`] for a count of 0,
    /// more than 2¹⁰ ranks, more than 2²⁰ of ranks × chunks × micro-batches, or a number of chunks
    /// that the schedule cannot have; [`PlanError::BadSchedule`] for a registered kind whose
    /// schedule is not sound.
    pub fn with_chunks(
        name: &str,
        ranks: usize,
        chunks: usize,
        micro_batches: usize,
    ) -> Result<Self, PlanError> {
        Self::of_kind(find(name)?, ranks, chunks, micro_batches)
    }

    /// The same for micro-batches whose rows are cut along their context into `slices`; each slice counts as
    /// one of the `micro_batches`.
    ///
    /// # Errors
    /// As [`Schedule::of_kind_in_slices`].
    pub fn in_slices(
        name: &str,
        ranks: usize,
        chunks: usize,
        micro_batches: usize,
        slices: usize,
    ) -> Result<Self, PlanError> {
        Self::of_kind_in_slices(find(name)?, ranks, chunks, micro_batches, slices)
    }

    /// The schedule of a kind, registered or not.
    ///
    /// # Errors
    /// As [`Schedule::with_chunks`].
    pub fn of_kind(
        kind: &'static dyn ScheduleKind,
        ranks: usize,
        chunks: usize,
        micro_batches: usize,
    ) -> Result<Self, PlanError> {
        Self::of_kind_in_slices(kind, ranks, chunks, micro_batches, 1)
    }

    /// The schedule of a kind for micro-batches whose rows are cut along their context into `slices`;
    /// each slice counts as one of the `micro_batches`.
    ///
    /// # Errors
    /// As [`Schedule::with_chunks`]; [`PlanError::BadNumber`] where the micro-batches are not as many times
    /// the slices.
    pub fn of_kind_in_slices(
        kind: &'static dyn ScheduleKind,
        ranks: usize,
        chunks: usize,
        micro_batches: usize,
        slices: usize,
    ) -> Result<Self, PlanError> {
        validate::whole_rows(micro_batches, slices)?;
        check(kind, ranks, chunks, micro_batches.saturating_add(slices - 1))?;
        let rows = slices::build(kind, ranks, chunks, micro_batches, slices);
        let schedule = Self { slices, ..Self::new(kind.name(), rows) };
        if !is_built_in(kind) {
            validate::validate(&schedule, ranks * chunks, micro_batches)?;
        }
        Ok(schedule)
    }

    /// Rank of every stage under a kind of schedule.
    ///
    /// # Errors
    /// As [`Schedule::with_chunks`].
    pub fn placement(name: &str, ranks: usize, chunks: usize) -> Result<Vec<usize>, PlanError> {
        let kind = find(name)?;
        check(kind, ranks, chunks, 1)?;
        Ok(kind.placement(ranks, chunks))
    }

    /// Stages a rank of a kind of schedule where no number is asked for.
    ///
    /// # Errors
    /// [`PlanError::UnknownSchedule`].
    pub fn default_chunks(name: &str) -> Result<usize, PlanError> {
        Ok(find(name)?.chunks().default_count())
    }

    /// Names of all kinds: this crate's, then those registered.
    pub fn names() -> impl Iterator<Item = &'static str> {
        registered().into_iter().map(ScheduleKind::name)
    }

    /// All kinds: this crate's, then those registered.
    pub fn kinds() -> impl Iterator<Item = &'static dyn ScheduleKind> {
        registered().into_iter()
    }
}

/// All kinds: this crate's, then those registered.
pub(crate) fn registered() -> Vec<&'static dyn ScheduleKind> {
    let others = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    BUILT_IN.iter().chain(others.iter()).copied().collect()
}

/// The kind of that name.
///
/// # Errors
/// [`PlanError::UnknownSchedule`].
pub(super) fn find(name: &str) -> Result<&'static dyn ScheduleKind, PlanError> {
    registered().into_iter().find(|kind| kind.name() == name).ok_or_else(|| unknown(name))
}

/// Whether it is one of this crate's kinds, which its tests validate.
fn is_built_in(kind: &'static dyn ScheduleKind) -> bool {
    BUILT_IN.iter().any(|known| is_same(*known, kind))
}

fn is_same(a: &'static dyn ScheduleKind, b: &'static dyn ScheduleKind) -> bool {
    let (x, y): (&dyn Any, &dyn Any) = (a, b);
    x.type_id() == y.type_id() && a.name() == b.name()
}

/// Whether a kind does what it says, for one size.
fn try_out(kind: &dyn ScheduleKind, ranks: usize, micro_batches: usize) -> Result<(), PlanError> {
    let chunks = kind.chunks().default_count();
    let stages = ranks * chunks;
    let bad = |reason: String| {
        let reason = format!("the schedule '{}' of {ranks} ranks {reason}", kind.name());
        Err(PlanError::BadPlan { reason })
    };
    check(kind, ranks, chunks, micro_batches)?;
    let rows = kind.build(ranks, chunks, micro_batches);
    let schedule = Schedule::new(kind.name(), rows);
    validate::validate(&schedule, stages, micro_batches)?;
    if kind.placement(ranks, chunks) != schedule.owners() {
        return bad("has stages on other ranks than its placement says; make them agree".into());
    }
    for (stage, held) in schedule.in_flight_by_stage() {
        let said = kind.in_flight(stages - 1 - stage, micro_batches);
        if said == 0 || said > held {
            return bad(format!(
                "holds {held} of {micro_batches} micro-batches on stage {stage}, but in_flight says \
                 {said}; it must say at least 1 and no more"
            ));
        }
    }
    Ok(())
}

fn check(
    kind: &dyn ScheduleKind,
    ranks: usize,
    chunks: usize,
    micro_batches: usize,
) -> Result<(), PlanError> {
    let bad = |what: &str, value: String, must: String| {
        Err(PlanError::BadNumber { what: what.to_owned(), value, must })
    };
    let counts = [
        ("the number of ranks", ranks),
        ("the number of chunks (stages a rank)", chunks),
        ("micro_batches", micro_batches),
    ];
    for (what, value) in counts {
        if value == 0 {
            return bad(what, "0".into(), "at least 1".into());
        }
    }
    if ranks > MAX_RANKS {
        return bad("the number of ranks", ranks.to_string(), format!("at most {MAX_RANKS}"));
    }
    match kind.chunks() {
        Chunks::Exactly(count) if count != chunks => {
            let must = format!("{count} for the schedule {}", kind.name());
            return bad("the number of chunks (stages a rank)", chunks.to_string(), must);
        }
        _ => {}
    }
    if ranks.saturating_mul(chunks).saturating_mul(micro_batches) > Schedule::MAX_FORWARDS {
        let value = format!("{ranks} × {chunks} × {micro_batches}");
        return bad(
            "ranks × chunks × micro_batches",
            value,
            format!("at most {}", Schedule::MAX_FORWARDS),
        );
    }
    Ok(())
}

/// The error for a name that is not there, with the nearest one that is.
fn unknown(name: &str) -> PlanError {
    let names = || Schedule::names();
    let mut known = names().chain([Schedule::SEARCHED]).collect::<Vec<_>>().join(", ");
    let wanted = name.to_lowercase();
    let nearest = names().min_by_key(|name| strsim::levenshtein(name, &wanted));
    if let Some(nearest) = nearest.filter(|near| strsim::levenshtein(near, &wanted) <= 2) {
        known = format!("{known} (did you mean '{nearest}'?)");
    }
    PlanError::UnknownSchedule { name: name.to_owned(), known }
}
