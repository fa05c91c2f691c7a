//! The schedules that can be asked for by name.

use super::{Schedule, gpipe, interleaved, one_f_one_b, zb_h, zb_v};
use crate::{Action, PlanError};

/// A schedule that can be asked for by name.
struct Named {
    name: &'static str,
    chunks: Chunks,
    /// From ranks and chunks to the rank of every stage.
    placement: fn(usize, usize) -> Vec<usize>,
    /// From ranks, chunks and micro-batches (each at least 1) to the actions of every rank.
    build: fn(usize, usize, usize) -> Vec<Vec<Action>>,
}

/// How many stages a rank may have.
#[derive(Clone, Copy)]
enum Chunks {
    /// So many, no more and no fewer.
    Just(usize),
    /// At least one; so many if nobody says.
    Any { default: usize },
}

/// Every schedule that can be asked for by name.
const NAMED: &[Named] = &[
    Named { name: "gpipe", chunks: Chunks::Just(1), placement: round_robin, build: gpipe::actions },
    Named {
        name: "1f1b",
        chunks: Chunks::Just(1),
        placement: round_robin,
        build: one_f_one_b::actions,
    },
    Named {
        name: "interleaved",
        chunks: Chunks::Any { default: 2 },
        placement: round_robin,
        build: interleaved::actions,
    },
    Named { name: "zb-h1", chunks: Chunks::Just(1), placement: round_robin, build: zb_h::h1 },
    Named { name: "zb-h2", chunks: Chunks::Just(1), placement: round_robin, build: zb_h::h2 },
    Named {
        name: "zb-v",
        chunks: Chunks::Just(2),
        placement: zb_v::placement,
        build: zb_v::actions,
    },
];

/// The most ranks, and the most forwards (ranks × chunks × micro-batches), of a named schedule: a
/// mistyped number in a run file must be an error, not an attempt to fill the memory with actions.
const MAX_RANKS: usize = 1 << 10;
const MAX_FORWARDS: usize = 1 << 20;

/// Stage `s` on rank `s mod p`.
fn round_robin(ranks: usize, chunks: usize) -> Vec<usize> {
    (0..ranks * chunks).map(|stage| stage % ranks).collect()
}

impl Schedule {
    /// The schedule of that name (see [`Schedule::names`]) for so many ranks and micro-batches,
    /// with its default number of stages a rank.
    ///
    /// # Errors
    /// As [`Schedule::with_chunks`].
    pub fn named(name: &str, ranks: usize, micro_batches: usize) -> Result<Self, PlanError> {
        Self::with_chunks(name, ranks, Self::default_chunks(name)?, micro_batches)
    }

    /// The schedule of that name with `chunks` stages a rank.
    ///
    /// # Errors
    /// [`PlanError::UnknownSchedule`] for another name; [`PlanError::BadNumber`] for a count of 0,
    /// more than 2¹⁰ ranks, more than 2²⁰ of ranks × chunks × micro-batches, or a number of chunks
    /// that the schedule cannot have.
    pub fn with_chunks(
        name: &str,
        ranks: usize,
        chunks: usize,
        micro_batches: usize,
    ) -> Result<Self, PlanError> {
        let named = find(name)?;
        check(named, ranks, chunks, micro_batches)?;
        let ranks = (named.build)(ranks, chunks, micro_batches);
        Ok(Self { name: name.to_owned(), ranks })
    }

    /// The rank of every stage under the schedule of that name.
    ///
    /// # Errors
    /// As [`Schedule::with_chunks`].
    pub fn placement(name: &str, ranks: usize, chunks: usize) -> Result<Vec<usize>, PlanError> {
        let named = find(name)?;
        check(named, ranks, chunks, 1)?;
        Ok((named.placement)(ranks, chunks))
    }

    /// How many stages a rank has under the schedule of that name unless somebody says otherwise.
    ///
    /// # Errors
    /// [`PlanError::UnknownSchedule`].
    pub fn default_chunks(name: &str) -> Result<usize, PlanError> {
        Ok(match find(name)?.chunks {
            Chunks::Just(chunks) | Chunks::Any { default: chunks } => chunks,
        })
    }

    /// Every name that [`Schedule::named`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|named| named.name)
    }
}

fn find(name: &str) -> Result<&'static Named, PlanError> {
    NAMED.iter().find(|named| named.name == name).ok_or_else(|| unknown(name))
}

fn check(
    named: &Named,
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
    match named.chunks {
        Chunks::Just(just) if just != chunks => {
            let must = format!("{just} for the schedule {}", named.name);
            return bad("the number of chunks (stages a rank)", chunks.to_string(), must);
        }
        _ => {}
    }
    if ranks.saturating_mul(chunks).saturating_mul(micro_batches) > MAX_FORWARDS {
        let value = format!("{ranks} × {chunks} × {micro_batches}");
        return bad("ranks × chunks × micro_batches", value, format!("at most {MAX_FORWARDS}"));
    }
    Ok(())
}

/// The error for a name that is not there, with the nearest one that is.
fn unknown(name: &str) -> PlanError {
    let mut known = Schedule::names().chain(["auto"]).collect::<Vec<_>>().join(", ");
    let wanted = name.to_lowercase();
    let nearest = Schedule::names().min_by_key(|name| strsim::levenshtein(name, &wanted));
    if let Some(nearest) = nearest.filter(|near| strsim::levenshtein(near, &wanted) <= 2) {
        known = format!("{known} (did you mean '{nearest}'?)");
    }
    PlanError::UnknownSchedule { name: name.to_owned(), known }
}
