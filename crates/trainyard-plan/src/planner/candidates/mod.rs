//! Step 1, candidates: the generators, each a function from what a round has found so far.

mod closed_form;
mod context;
mod locked_orders;
mod min_memory;
mod multi_stage;
mod schedules;

use super::candidate::Candidate;
use super::generator::Generator;
pub(super) use context::Context;
pub(super) use min_memory::min_memory;
pub(super) use multi_stage::{chunks_to_try, cut_anew};
pub(super) use schedules::searched;

/// Generators of partitions, which are compared under the first schedule.
pub(super) const PARTITIONS: [Generator; 2] = [Generator::ClosedForm, Generator::SingleDevice];

/// Generators that put the best partitions under other schedules.
pub(super) const SCHEDULES: [Generator; 3] =
    [Generator::OtherSchedules, Generator::MultiStage, Generator::LockedOrders];

/// The candidates of a generator of [`PARTITIONS`] or [`SCHEDULES`].
pub(super) fn candidates(generator: Generator, context: &mut Context) -> Vec<Candidate> {
    match generator {
        Generator::ClosedForm => closed_form::closed_form(context),
        Generator::SingleDevice => closed_form::single_device(context),
        Generator::OtherSchedules => schedules::other_schedules(context),
        Generator::MultiStage => multi_stage::multi_stage(context),
        Generator::LockedOrders => locked_orders::locked_orders(context),
        _ => Vec::new(),
    }
}

/// Part of a round's budget that a generator leaves to those after it. Partitions come first and may
/// be many, so that they leave most.
pub(super) fn reserve(generator: Generator, budget: u64) -> u64 {
    match generator {
        Generator::ClosedForm | Generator::SingleDevice => budget / 3 * 2,
        Generator::OtherSchedules => budget / 2,
        _ => budget / 3,
    }
}
