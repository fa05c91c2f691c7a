//! The planner: stages, devices, recompute and schedule of a pipeline.
//!
//! # Three steps
//!
//! Planning is a loop of three steps; `rounds` is the loop.
//!
//! 1. **Candidates.** [`Generator`]s propose stages on devices under a schedule (`candidates`). Those of
//!    partitions come first: an exact search over cuts and devices for a closed form (below). Then come
//!    the best partitions under every other schedule, cut anew for several stages a rank, and last
//!    under schedules that are [searched for](crate::schedule_search) them.
//! 2. **Evaluation.** The [simulator](crate::simulate) scores each candidate: bytes over budget first,
//!    then the objective (`evaluate`, `score`). The number of simulated actions is limited, and each
//!    generator leaves a part of it to those after it. A `memo` remembers scores.
//! 3. **Local search.** Cuts move, stages begin or cease to recompute, ranks exchange devices, while the
//!    score improves (`local_search`).
//!
//! Where little fits, further rounds set memory aside or make the largest share of a budget small. Where
//! planning is quick (128 layers × devices), or nothing fits, `restarts` repeat the search under
//! restrictions: one schedule, recompute everywhere or nowhere, a device idle. At last the best of all
//! searches get a local search with more kinds of changes, and schedules of their own (`finish`). A step
//! of more than 2¹⁷ devices × micro-batches is searched with fewer micro-batches, and its best candidates
//! are simulated with all (`shortened`). Where a search finds nothing that fits, `least_memory` finds how
//! little of each device's memory would do; if that is there, it is a plan, and else `infeasible` says what
//! would help. Fitting is monotone in each budget so. Plans with a split or schedule that is given are made in
//! `by_hand`. Numbers of slices that rows may be cut into (`slices`) are planned one after the other, as numbers of
//! micro-batches are; of those above 1 only the named schedules are tried.
//!
//! The result is what the simulator says. No plan is returned that exceeds a budget there, or gives a
//! device a layer with a tensor larger than any that it can have ([`TensorLimits`](crate::TensorLimits)). Beyond the
//! closed form, planning is a heuristic; `benches/planner_quality` compares its plans for 1,000 random
//! profiles with those of an earlier planner, and its `planner_quality.md` has the table, with what each
//! generator is worth.
//!
//! # The closed form, and what is exact
//!
//! A pipeline is a row of *stations*: its stages, each taking tᵢ = forward + backward (+ forward
//! again under recompute) for a micro-batch, and its cuts, each with a transfer of the activation
//! there (fⱼ) and of the gradient back (bⱼ). Transfers overlap with computing, so they are stations
//! of their own; free links make them 0. With m micro-batches
//!
//! ```text
//! T = Σ tᵢ + Σ (fⱼ + bⱼ) + (m − 1) · max(tᵢ, fⱼ, bⱼ)
//! ```
//!
//! which is the step time of `GPipe` over free links where forward and backward have the same
//! bottleneck. The search (`exact_search`) finds the least T over all cuts into contiguous stages, all
//! orders of all subsets of the devices, and recompute for each stage where it may choose, among those
//! in which each stage alone fits its device: its weights, gradients and optimizer state, the
//! activations of the micro-batches that it holds at least under the schedule
//! ([`ScheduleKind::in_flight`](crate::ScheduleKind::in_flight)), and one action's workspace. It counts
//! no transfer buffers and no skips or ties, as the simulator does afterwards. [`Objective::Latency`] is
//! T with m = 1; [`Objective::Memory`] puts the largest share of a budget in T's place.
//!
//! The search is exact for T while it looks at fewer stages than its limit. Beyond that (thousands of
//! layers, a dozen unlike devices) it joins neighbouring layers into groups (`coarse_to_fine`), moves
//! the cuts of what it finds layer by layer (`refine_cuts`), and [`Planned::exact`] is false.
//!
//! Its time, on one core of a cloud machine, with unlike devices and tight budgets:
//!
//! | exact search, layers × devices | time | | layers × devices | time |
//! |---|---|---|---|---|
//! | 25 × 6 | 1.2 ms | | 100 × 2 | 0.1 ms |
//! | 50 × 6 | 1.3 ms | | 100 × 4 | 0.8 ms |
//! | 100 × 6 | 7.4 ms | | 100 × 6 | 7.4 ms |
//! | 200 × 6 | 7.2 ms | | 100 × 8 | 41 ms |
//! | 400 × 6 | 75 ms | | 100 × 10 | 379 ms |
//!
//! All of planning, every schedule included: 64 × 4 in 24 to 32 ms, 200 × 8 in 0.37 to 0.65 s, the
//! latter where memory is tight. `cargo bench -p trainyard-plan --bench plan` measures it.

mod beam_search;
mod bounds;
mod by_hand;
mod candidate;
mod candidates;
mod closed_form_optimum;
mod coarse_to_fine;
mod device_orders;
mod evaluate;
mod exact_search;
mod explain;
mod finish;
mod fixed_order_dp;
mod generator;
mod goal;
mod grid;
mod in_flight;
mod infeasible;
mod least_memory;
mod local_search;
mod memo;
mod micro_batches;
mod pareto;
mod partition;
mod planned;
mod pool;
mod ranked_plan;
mod refine_cuts;
mod request;
mod restarts;
mod rounds;
mod score;
mod shortened;
mod slices;
mod space;
mod stage_cells;
mod validated;

pub use closed_form_optimum::{ClosedFormOptimum, closed_form_optimum};
pub use explain::{
    ExplainedDevice, ExplainedStage, Explanation, IfLarger, SingleDevice, explain, text,
};
pub use generator::Generator;
pub use planned::Planned;
pub use ranked_plan::RankedPlan;
pub use request::{MicroBatches, Objective, PlanRequest, RecomputeChoice, Slices};

use crate::{PlanError, Profile};
use candidate::Candidate;
use evaluate::Evaluator;
use memo::Memo;
use pool::Pool;
use restarts::search_with_restarts;
use slices::WithoutSlices;
use validated::ValidatedRequest;

/// The best plans for a request.
///
/// ```
/// use trainyard_plan::planner::{PlanRequest, plan};
/// use trainyard_plan::{LayerProfile, ModelProfile, Profile};
///
/// let layer = |index| LayerProfile {
///     name: format!("block{index}"),
///     param_bytes: 1 << 20,
///     saved_bytes: 1 << 16,
///     ..LayerProfile::default()
/// };
/// let model = ModelProfile {
///     name: "tiny".into(),
///     optimizer_bytes_per_param_byte: 2,
///     fresh_bytes_per_param_byte: 0,
///     kernels: None,
///     layers: (0..4).map(layer).collect(),
/// };
/// // Weights, gradients and optimizer state take 16 MiB, more than either device has.
/// let profile = Profile::of_budgets(model, [("gpu", 12 << 20), ("cpu", 12 << 20)], 4);
/// let planned = plan(&PlanRequest::new(&profile))?;
/// assert_eq!(planned.candidates[0].simulation.devices.len(), 2);
///
/// // Under one schedule alone.
/// let request = PlanRequest { schedule: "1f1b".parse()?, ..PlanRequest::new(&profile) };
/// assert_eq!(plan(&request)?.candidates[0].plan.schedule.name, "1f1b");
/// # Ok::<(), trainyard_plan::PlanError>(())
/// ```
///
/// # Errors
/// [`PlanError::BadFile`] for a profile that is not sound; [`PlanError::BadNumber`] for times, counts
/// or rates that make no sense; [`PlanError::BadPlan`] for locks that cannot be kept;
/// [`PlanError::DoesNotFit`] with what would help when no plan fits; [`PlanError::TensorTooLarge`] where a
/// layer has a tensor that no device can have which may.
pub fn plan(request: &PlanRequest) -> Result<Planned, PlanError> {
    let validated = validated::check(request)?;
    if validated.by_hand {
        return by_hand::plan(request, validated);
    }
    let profiles = micro_batches::profiles(request.profile, request.micro_batches, &validated)?;
    let mut without = WithoutSlices::new(request.slices);
    let mut best: Option<(Profile, Pool)> = None;
    for profile in slices::profiles(&profiles, request.slices)? {
        let pool = search_with_restarts(&profile, &validated);
        without.note(&profile, &pool);
        let score = |pool: &Pool| pool.entries.first().map(|(_, score)| *score);
        let is_better = match (score(&pool), best.as_ref().map(|(_, best)| score(best))) {
            (Some(new), Some(Some(old))) => new.beats(&old),
            (new, old) => new.is_some() || old.is_none(),
        };
        if is_better {
            best = Some((profile, pool));
        }
    }
    let fits = |best: &Option<(Profile, Pool)>| best.as_ref().is_some_and(|(_, p)| p.fits());
    if request.micro_batches == MicroBatches::Auto && !fits(&best) {
        let profile = micro_batches::smallest(request.profile)?;
        let slices = best.as_ref().map_or(1, |(profile, _)| profile.slices);
        let profile = profile.in_slices(slices)?.into_owned();
        let pool = search_with_restarts(&profile, &validated);
        best = Some((profile, pool));
    }
    match best {
        Some((profile, pool)) if pool.fits() => rank(profile, validated, pool, &without),
        Some((profile, pool)) => Err(infeasible::error(request, &validated, &profile, pool)),
        None => Err(PlanError::NoSuchPlan { reason: "there is no number of micro-batches".into() }),
    }
}

/// The best candidates that fit, simulated in full.
fn rank(
    profile: Profile,
    request: ValidatedRequest,
    pool: Pool,
    without: &WithoutSlices,
) -> Result<Planned, PlanError> {
    let mut memo = Memo::default();
    let mut evaluator = Evaluator::new(&profile, &request, &mut memo, 0);
    let mut taken: Vec<Candidate> = Vec::new();
    for (candidate, score) in pool.entries {
        let same = |other: &Candidate| {
            other.has_same_stages(&candidate) && other.recompute == candidate.recompute
        };
        if taken.len() < request.top && score.fits() && !taken.iter().any(same) {
            taken.push(candidate);
        }
    }
    let plans = taken.iter().map(|candidate| RankedPlan::of(&mut evaluator, candidate));
    let mut candidates = plans.collect::<Result<Vec<_>, _>>()?;
    for RankedPlan { plan, simulation } in &mut candidates {
        plan.notes.extend(without.remark(&profile, simulation.step_us));
    }
    Ok(Planned { candidates, profile, exact: pool.exact, request })
}
