//! The planner: which layers run where, in which order, under which schedule.
//!
//! # The stated objective
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
//! which is exact for `GPipe` over free links where forward and backward have the same bottleneck.
//! The search finds the least T over all cuts into contiguous stages, all orders of all subsets of
//! the devices, and recompute for each stage where it may choose, among those in which each stage
//! alone fits its device: its weights, gradients and optimizer state, the activations of the
//! micro-batches it holds under the schedule (`GPipe` m, 1F1B min(m, stages after it + 1)), and one
//! action's work. It counts no transfer buffers and no skips or ties, as the simulator does
//! afterwards. [`Objective::Latency`] is T with m = 1; [`Objective::Memory`] puts the largest share
//! of a budget in T's place.
//!
//! The search is exact for this objective within its budget of work. Beyond that (thousands of
//! layers, a dozen unlike devices) it joins neighbouring layers into groups, moves the cuts of what
//! it finds layer by layer, and [`Planned::exact`] is false.
//!
//! How it grows, on one core of a cloud machine, with unlike devices and tight budgets:
//!
//! | exact search, layers × devices | time | | layers × devices | time |
//! |---|---|---|---|---|
//! | 25 × 6 | 1.2 ms | | 100 × 2 | 0.1 ms |
//! | 50 × 6 | 1.3 ms | | 100 × 4 | 0.8 ms |
//! | 100 × 6 | 7.4 ms | | 100 × 6 | 7.4 ms |
//! | 200 × 6 | 7.2 ms | | 100 × 8 | 41 ms |
//! | 400 × 6 | 75 ms | | 100 × 10 | 379 ms |
//!
//! All of planning, every schedule included: 64 × 4 in 20 to 29 ms, 200 × 8 in 0.3 to 0.55 s, the
//! latter where memory is tight. `cargo bench -p trainyard-plan --bench plan` measures it anew.
//!
//! # What is planned in the end
//!
//! T is not the time of a step: that depends on the schedule, and on what waits for what. So the
//! partitions with the least T compete in the [simulator](crate::simulate) under every schedule that
//! may be used, and a local search refines the best of them; what a plan claims is what the
//! simulator says. This part is a heuristic: where planning is quick (128 layers × devices), or
//! nothing fits, it is done again with less freedom (a certain schedule, no recompute or all, a device
//! idle), because what promises most by T can lead it astray. No plan is offered that exceeds a budget there. Of more than 2¹⁷ devices ×
//! micro-batches the contest simulates fewer micro-batches and judges its winners with all.

mod bounds;
mod chain;
mod check;
mod contest;
mod draft;
mod explain;
mod explore;
mod freedom;
mod front;
mod lineup;
mod micro_batches;
mod orders;
mod refine;
mod repair;
mod search;
mod several;
mod space;
mod squeeze;

use serde::{Deserialize, Serialize};

use crate::simulate::Simulation;
use crate::{Plan, PlanError, Profile, Recompute, Stage};
use contest::Outcome;
use draft::{Draft, Judge};
pub use explain::{
    ExplainedDevice, ExplainedStage, Explanation, IfLarger, SingleDevice, explain, text,
};
use freedom::contest;

/// What a plan is to be best at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// The shortest step.
    #[default]
    Time,
    /// The smallest largest share of a device's budget.
    Memory,
    /// The shortest way of one micro-batch through the pipeline and back.
    Latency,
}

/// How many micro-batches a step has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MicroBatches {
    /// As many as the profile says.
    #[default]
    AsProfiled,
    /// So many: see [`Profile::with_micro_batches`].
    Count(usize),
    /// The best of [`Profile::micro_batch_choices`].
    Auto,
}

/// Whether stages may, must or must not recompute their activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecomputeChoice {
    /// No stage recomputes.
    None,
    /// Every stage recomputes.
    Full,
    /// Each stage does as is best.
    #[default]
    Auto,
}

impl RecomputeChoice {
    /// What a stage may do, the fastest first.
    fn modes(self) -> &'static [Recompute] {
        match self {
            Self::None => &[Recompute::None],
            Self::Full => &[Recompute::Full],
            Self::Auto => &[Recompute::None, Recompute::Full],
        }
    }
}

/// What to plan.
#[derive(Clone, Debug)]
pub struct PlanRequest<'a> {
    /// The model, the devices and the links.
    pub profile: &'a Profile,
    /// A name of [`Schedule::names`](crate::Schedule::names), or `auto` for the best of all.
    pub schedule: &'a str,
    /// Whether a backward may run as I and W apart. Where not, schedules that have them are used
    /// with whole backwards, and the plan's notes say so.
    pub split_backward: bool,
    /// Micro-batches a step.
    pub micro_batches: MicroBatches,
    /// Whether stages recompute.
    pub recompute: RecomputeChoice,
    /// What to be best at.
    pub objective: Objective,
    /// Layers that must lie on a device: (layer, device), by index.
    pub locks: Vec<(usize, usize)>,
    /// Devices that must stay idle, by index.
    pub excluded: Vec<usize>,
    /// How many candidates to give.
    pub top: usize,
}

impl<'a> PlanRequest<'a> {
    /// The fastest plan for a profile, with every freedom.
    #[must_use]
    pub fn new(profile: &'a Profile) -> Self {
        Self {
            profile,
            schedule: "auto",
            split_backward: true,
            micro_batches: MicroBatches::AsProfiled,
            recompute: RecomputeChoice::Auto,
            objective: Objective::Time,
            locks: Vec::new(),
            excluded: Vec::new(),
            top: 1,
        }
    }
}

/// A plan that fits, and what the simulator says of it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The plan, with its prediction.
    pub plan: Plan,
    /// The whole prediction.
    pub simulation: Simulation,
}

/// What the planner found.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Best first. No two have the same stages.
    pub candidates: Vec<Candidate>,
    /// The profile they were planned with: rescaled where another number of micro-batches was
    /// asked for.
    pub profile: Profile,
    /// Whether the search for the stated objective left nothing out.
    pub exact: bool,
    /// What was asked for, to ask again with a change.
    ask: Ask,
}

/// A request apart from its profile, checked.
#[derive(Clone, Debug, PartialEq)]
struct Ask {
    schedule: String,
    split_backward: bool,
    recompute: RecomputeChoice,
    objective: Objective,
    locks: Vec<(usize, usize)>,
    excluded: Vec<usize>,
    top: usize,
}

/// The best plans for a request.
///
/// # Errors
/// [`PlanError::BadFile`] for a profile that is not sound; [`PlanError::BadNumber`] for times, counts
/// or rates that make no sense; [`PlanError::UnknownSchedule`]; [`PlanError::BadPlan`] for locks that
/// cannot be kept; [`PlanError::DoesNotFit`] with what would help when no plan fits.
pub fn plan(request: &PlanRequest) -> Result<Planned, PlanError> {
    let ask = check::check(request)?;
    let profiles = micro_batches::profiles(request.profile, request.micro_batches, &ask)?;
    let mut best: Option<(Profile, Outcome)> = None;
    for profile in profiles {
        let outcome = contest(&profile, &ask);
        let verdict = |outcome: &Outcome| outcome.entries.first().map(|(_, verdict)| *verdict);
        let better = match (verdict(&outcome), best.as_ref().map(|(_, best)| verdict(best))) {
            (Some(new), Some(Some(old))) => new.beats(&old),
            (new, old) => new.is_some() || old.is_none(),
        };
        if better {
            best = Some((profile, outcome));
        }
    }
    match best {
        Some((profile, outcome)) if outcome.fits() => finish(profile, ask, outcome),
        Some((profile, outcome)) => Err(repair::error(request, &ask, &profile, outcome)),
        None => Err(PlanError::BadPlan { reason: "there is no number of micro-batches".into() }),
    }
}

/// The plans that came out on top, simulated in full.
fn finish(profile: Profile, ask: Ask, outcome: Outcome) -> Result<Planned, PlanError> {
    let mut judge = Judge::new(&profile, &ask, 0);
    let mut taken: Vec<Draft> = Vec::new();
    for (draft, verdict) in outcome.entries {
        let same = |other: &Draft| {
            (&other.ranks, &other.firsts) == (&draft.ranks, &draft.firsts)
                && other.recompute == draft.recompute
        };
        if taken.len() < ask.top && verdict.fits() && !taken.iter().any(same) {
            taken.push(draft);
        }
    }
    let candidates = taken.iter().map(|draft| judge.candidate(draft));
    let candidates = candidates.collect::<Result<_, _>>()?;
    drop(judge);
    Ok(Planned { candidates, profile, exact: outcome.exact, ask })
}

/// The partition with the least of the stated objective, whatever the simulator says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stated {
    /// T in µs, or for [`Objective::Memory`] the share.
    pub cost: f64,
    /// The stages, one a device.
    pub stages: Vec<Stage>,
    /// Whether the search left nothing out.
    pub exact: bool,
}

/// The best of the stated objective, as this module's page has it; none where nothing fits.
///
/// # Errors
/// As [`plan`], except that what does not fit is no error.
pub fn stated(request: &PlanRequest) -> Result<Option<Stated>, PlanError> {
    let ask = check::check(request)?;
    let profile = match request.micro_batches {
        MicroBatches::Count(count) => request.profile.with_micro_batches(count)?,
        _ => request.profile.clone(),
    };
    let space = contest::space(&profile, &ask, contest::goal(&profile, ask.objective));
    let within = |cost: f64| ask.objective != Objective::Memory || cost <= 1.0;
    let best = explore::least(&space).filter(|(best, _)| within(best.cost));
    Ok(best.map(|(best, exact)| {
        let stage = |stage: &search::Placed| Stage {
            device: profile.devices[space.index(stage.device)].id.clone(),
            layers: (stage.first, stage.end),
            recompute: stage.recompute,
        };
        let stages = best.stages.iter().map(stage).collect();
        Stated { cost: best.cost, stages, exact }
    }))
}
