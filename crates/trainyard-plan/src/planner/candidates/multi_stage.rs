//! Several stages a rank, which the exact search does not know: the devices are taken in an order that
//! was good with one stage each, and cut anew.

use std::collections::BTreeSet;

use super::super::candidate::{Candidate, CandidateSchedule};
use super::super::evaluate::Evaluator;
use super::super::fixed_order_dp::{best_cuts, starts_near};
use super::super::goal::Goal;
use super::super::grid::grid;
use super::super::in_flight::InFlight;
use super::super::memo::SizedSchedule;
use super::super::partition::{Partition, PlacedStage};
use super::super::refine_cuts::refine_cuts;
use super::super::request::Objective;
use super::super::space::Space;
use super::context::Context;
use crate::{Chunks, Recompute, ScheduleKind, ScheduleRequest};

/// Orders of devices that are cut for each schedule: each takes as long as a beam search, and the best
/// with one stage a rank is among the first.
pub(super) const ORDERS: usize = 3;

/// Numbers of stages a rank that are tried beyond a schedule's default, where it allows any: each
/// further stage a rank makes the bubble smaller by less, and adds as many transfers.
const MORE_CHUNKS: usize = 2;

/// Groups of layers to cut between where cuts near those by speed do not fit.
const COARSE: usize = 64;

/// The best orders of devices under all schedules with several stages a rank.
pub(super) fn multi_stage(context: &mut Context) -> Vec<Candidate> {
    let mut orders: Vec<Vec<usize>> = Vec::new();
    for base in context.bases {
        if orders.len() < ORDERS && !orders.contains(&base.ranks) {
            orders.push(base.ranks.clone());
        }
    }
    of_orders(context.evaluator, context.space, &orders)
}

/// These orders of devices (by index in the profile) under all schedules with several stages a rank.
pub(super) fn of_orders(
    evaluator: &mut Evaluator,
    space: &Space,
    orders: &[Vec<usize>],
) -> Vec<Candidate> {
    let request = evaluator.request;
    // Kinds for stages that lie alike hold less, and take longer, one after the other. The later ones are
    // for those who ask for them, and for where memory is tight, where each has a search of its own.
    let first_alone =
        request.schedule == ScheduleRequest::Search && request.objective == Objective::Time;
    let mut candidates = Vec::new();
    let mut placements = BTreeSet::new();
    for kind in request.multi_stage_kinds() {
        for chunks in chunks_to_try(kind) {
            for ranks in orders {
                let is_first = placements.insert((ranks, kind.placement(ranks.len(), chunks)));
                if is_first || !first_alone {
                    let schedule = CandidateSchedule::Named(kind, chunks);
                    candidates.extend(cut_anew(evaluator, space, ranks, schedule));
                }
            }
        }
    }
    candidates
}

/// Numbers of stages a rank that are tried.
pub(in crate::planner) fn chunks_to_try(
    kind: &dyn ScheduleKind,
) -> std::ops::RangeInclusive<usize> {
    match kind.chunks() {
        Chunks::Exactly(count) => count..=count,
        Chunks::Any { default } => default..=default + MORE_CHUNKS,
    }
}

/// A candidate with several stages a rank, cut so that the stages take about as long.
pub(in crate::planner) fn cut_anew(
    evaluator: &mut Evaluator,
    space: &Space,
    ranks: &[usize],
    schedule: CandidateSchedule,
) -> Option<Candidate> {
    let empty =
        Candidate { ranks: ranks.to_vec(), firsts: Vec::new(), recompute: Vec::new(), schedule };
    let SizedSchedule { owners, .. } = evaluator.schedule(&empty).ok()?;
    let request = evaluator.request;
    // On one device several stages gain nothing; they are for those who ask for them.
    let gains_nothing = ranks.len() < 2 && request.schedule == ScheduleRequest::Search;
    if gains_nothing || owners.len() > space.layer_count() {
        return None;
    }
    let numbers = owners.iter().map(|rank| space.number(ranks[*rank]));
    let stage_devices = numbers.collect::<Option<Vec<usize>>>()?;
    let chunks = owners.len() / ranks.len();
    let mut space = Space::new(evaluator.profile, request, space.goal);
    space.in_flight = InFlight::one();
    space.chunks = chunks as u64;
    if let Goal::Time(repeats) = &mut space.goal {
        *repeats *= chunks as f64;
    }
    let mut cut = cut_by_speed(&space, &stage_devices);
    // The gradients of a single micro-batch are the sums. With one in flight, several need as much as
    // many.
    if cut.is_none() && evaluator.profile.micro_batches == 1 {
        space.micro_batches = 1;
        cut = cut_by_speed(&space, &stage_devices);
    }
    let Partition { stages, .. } = cut?;
    let firsts = stages.iter().map(|stage| stage.first).collect();
    let recompute: Vec<Recompute> = stages.iter().map(|stage| stage.recompute).collect();
    Some(Candidate { firsts, recompute, ..empty })
}

/// Cuts for given devices of the stages: by the devices' speeds at first, then moved to where they are
/// best.
fn cut_by_speed(space: &Space, stage_devices: &[usize]) -> Option<Partition> {
    let layers = space.layer_count();
    let whole = |device| (0..layers).map(|layer| space.layer_time(device, layer)).sum::<f64>();
    let speeds: Vec<f64> =
        stage_devices.iter().map(|device| 1.0 / whole(*device).max(1e-9)).collect();
    let all: f64 = speeds.iter().sum();
    let mut before = 0.0;
    let mut stages: Vec<PlacedStage> = Vec::new();
    for (stage, (device, speed)) in stage_devices.iter().zip(&speeds).enumerate() {
        // Every earlier stage has a layer, and so has every later one.
        let first = (before / all * layers as f64).round() as usize;
        let least = stages.last().map_or(0, |stage| stage.first + 1);
        let first = first.clamp(least, layers - (stage_devices.len() - stage));
        let (device, recompute) = (*device, Recompute::None);
        stages.push(PlacedStage { device, first, end: layers, recompute });
        before += speed;
    }
    // Two stages' width to either side, as far as the programme stays quick.
    let reach = (2 * layers / stage_devices.len()).clamp(2, 32);
    let near = best_cuts(space, stage_devices, &starts_near(&stages, layers, reach));
    let far = || {
        let grid = grid(space, COARSE);
        let starts = vec![grid[1..grid.len() - 1].to_vec(); stage_devices.len() - 1];
        let starts: Vec<Vec<usize>> = [vec![0]].into_iter().chain(starts).collect();
        best_cuts(space, stage_devices, &starts)
    };
    Some(refine_cuts(space, near.or_else(far)?, reach / 4 + 1))
}
