//! A draft: a plan in the making, and the simulator's verdict on it.

use std::cmp::Ordering;
use std::rc::Rc;

use super::search::Partition;
use super::space::Space;
use super::{Ask, Candidate, Objective, RecomputeChoice};
use crate::costs::PipelineCosts;
use crate::simulate::{self, score};
use crate::{ActionKind, Plan, PlanError, Predicted, Profile, Recompute, Schedule, Stage, auto};

/// Which schedule a draft runs under.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// One with a name, and how many stages a rank has.
    Named(&'static str, usize),
    /// One that was made for the draft.
    Made(Rc<Schedule>),
}

/// A plan in the making.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// The device of every rank, by index in the profile.
    pub(super) ranks: Vec<usize>,
    /// The first layer of every stage.
    pub(super) firsts: Vec<usize>,
    /// Of every stage.
    pub(super) recompute: Vec<Recompute>,
    pub(super) kind: Kind,
}

impl Draft {
    /// A partition with one stage a rank.
    pub(super) fn of(space: &Space, partition: &Partition, kind: Kind) -> Self {
        let stages = || partition.stages.iter();
        let mut devices: Vec<usize> = stages().map(|stage| stage.device).collect();
        space.sort_twins(&mut devices);
        Self {
            ranks: devices.into_iter().map(|device| space.index(device)).collect(),
            firsts: stages().map(|stage| stage.first).collect(),
            recompute: stages().map(|stage| stage.recompute).collect(),
            kind,
        }
    }

    /// Half-open pairs of layers.
    pub(super) fn layers(&self, count: usize) -> impl Iterator<Item = (usize, usize)> {
        let ends = self.firsts.iter().skip(1).copied().chain([count]);
        self.firsts.iter().copied().zip(ends)
    }
}

/// What the simulator says of a draft. Less is better: first that it fits, then the objective,
/// then time, then fewer stages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    /// By how many bytes its devices are short, together.
    pub(super) excess: f64,
    /// By the objective: µs, or a share.
    pub(super) value: f64,
    pub(super) step_us: f64,
    /// The ranks that are short, as a set of bits.
    pub(super) short: u32,
    stages: usize,
}

impl Verdict {
    pub(super) fn fits(&self) -> bool {
        self.excess <= 0.0
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let by = |key: fn(&Self) -> f64| key(self).total_cmp(&key(other));
        by(|verdict| verdict.excess)
            .then_with(|| by(|verdict| verdict.value))
            .then_with(|| by(|verdict| verdict.step_us))
            .then_with(|| self.stages.cmp(&other.stages))
    }

    /// Whether it is better by more than a rounding error.
    pub(super) fn beats(&self, other: &Self) -> bool {
        let less = |a: f64, b: f64| a < b - b.abs() * 1e-9;
        less(self.excess, other.excess)
            || self.excess <= other.excess
                && (less(self.value, other.value)
                    || self.value <= other.value && less(self.step_us, other.step_us))
    }
}

/// A named schedule of some size, and the rank of each of its stages.
struct Known {
    name: &'static str,
    chunks: usize,
    ranks: usize,
    schedule: Rc<Schedule>,
    owners: Vec<usize>,
}

/// The simulator as a judge of drafts.
pub(super) struct Judge<'a> {
    pub(super) profile: &'a Profile,
    pub(super) ask: &'a Ask,
    /// How many actions it may still simulate.
    pub(super) work: u64,
    known: Vec<Known>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(profile: &'a Profile, ask: &'a Ask, work: u64) -> Self {
        Self { profile, ask, work, known: Vec::new() }
    }

    /// The schedule of a draft, and the rank of each stage.
    pub(super) fn schedule(
        &mut self,
        draft: &Draft,
    ) -> Result<(Rc<Schedule>, Vec<usize>), PlanError> {
        let ranks = draft.ranks.len();
        let (name, chunks) = match &draft.kind {
            Kind::Named(name, chunks) => (*name, *chunks),
            Kind::Made(schedule) => return Ok((schedule.clone(), schedule.owners())),
        };
        let same =
            |known: &&Known| (known.name, known.chunks, known.ranks) == (name, chunks, ranks);
        if let Some(known) = self.known.iter().find(same) {
            return Ok((known.schedule.clone(), known.owners.clone()));
        }
        let schedule = Schedule::with_chunks(name, ranks, chunks, self.profile.micro_batches)?;
        let owners = Schedule::placement(name, ranks, chunks)?;
        let split = self.ask.split_backward;
        let schedule = Rc::new(if split { schedule } else { schedule.merged() });
        let known = Known { name, chunks, ranks, schedule, owners };
        let found = (known.schedule.clone(), known.owners.clone());
        self.known.push(known);
        Ok(found)
    }

    /// The stages of a draft.
    pub(super) fn stages(&self, draft: &Draft, owners: &[usize]) -> Vec<Stage> {
        let layers = draft.layers(self.profile.model.layers.len());
        let stage = |((layers, recompute), rank): (((usize, usize), &Recompute), &usize)| Stage {
            device: self.profile.devices[draft.ranks[*rank]].id.clone(),
            layers,
            recompute: *recompute,
        };
        layers.zip(&draft.recompute).zip(owners).map(stage).collect()
    }

    /// What a draft costs its ranks, stages and links.
    pub(super) fn costs(&mut self, draft: &Draft) -> Result<PipelineCosts, PlanError> {
        let (_, owners) = self.schedule(draft)?;
        PipelineCosts::of(self.profile, &self.stages(draft, &owners), &owners)
    }

    /// The draft with recompute on the ranks that are short; none where that changes nothing.
    pub(super) fn with_recompute(&mut self, draft: &Draft, verdict: Verdict) -> Option<Draft> {
        if self.ask.recompute != RecomputeChoice::Auto {
            return None;
        }
        let (_, owners) = self.schedule(draft).ok()?;
        let mut changed = draft.clone();
        for (recompute, rank) in changed.recompute.iter_mut().zip(&owners) {
            if verdict.short & (1 << rank) != 0 {
                *recompute = Recompute::Full;
            }
        }
        (changed.recompute != draft.recompute).then_some(changed)
    }

    /// Simulates a draft.
    ///
    /// # Errors
    /// Those of schedules that cannot be had in this size, and of the simulator.
    pub(super) fn verdict(&mut self, draft: &Draft) -> Result<Verdict, PlanError> {
        let (schedule, _) = self.schedule(draft)?;
        let costs = self.costs(draft)?;
        let actions: usize = schedule.ranks.iter().map(Vec::len).sum();
        self.work = self.work.saturating_sub(actions as u64);
        let score = score(&costs, &schedule, self.profile.micro_batches)?;
        let budgets = || costs.ranks.iter().map(|rank| rank.budget_bytes);
        let deficit = |(peak, budget): (&u64, u64)| peak.saturating_sub(budget) as f64;
        let deficits: Vec<f64> = score.peak_bytes.iter().zip(budgets()).map(deficit).collect();
        let excess = deficits.iter().sum();
        let short = deficits.iter().enumerate().filter(|(_, deficit)| **deficit > 0.0);
        let short = short.map(|(rank, _)| 1 << rank).sum();
        let value = match self.ask.objective {
            Objective::Time => score.step_us,
            Objective::Memory => {
                let share = |(peak, budget): (&u64, u64)| *peak as f64 / budget.max(1) as f64;
                score.peak_bytes.iter().zip(budgets()).map(share).fold(0.0, f64::max)
            }
            Objective::Latency => latency(&costs),
        };
        let (step_us, stages) = (score.step_us, draft.firsts.len());
        Ok(Verdict { excess, value, step_us, short, stages })
    }
}

impl Judge<'_> {
    /// A draft as a plan, simulated in full.
    ///
    /// # Errors
    /// As [`Self::verdict`].
    pub(super) fn candidate(&mut self, draft: &Draft) -> Result<Candidate, PlanError> {
        let (schedule, owners) = self.schedule(draft)?;
        let stages = self.stages(draft, &owners);
        let Profile { model, micro_batches, .. } = self.profile;
        let mut plan = Plan::new(&model.name, stages, (*schedule).clone(), *micro_batches);
        if let (Kind::Named(name, chunks), false) = (&draft.kind, self.ask.split_backward) {
            let whole = Schedule::with_chunks(name, draft.ranks.len(), *chunks, 1)?;
            if whole.merged() != whole {
                plan.notes.push(format!(
                    "{name} splits backwards into I and W; this plan runs them whole, which \
                     leaves more of the bubble"
                ));
            }
        }
        if matches!(draft.kind, Kind::Made(_)) {
            let costs = self.costs(draft)?;
            let made = score(&costs, &schedule, *micro_batches)?;
            let named = auto::best_named(&costs, *micro_batches, self.ask.split_backward)?;
            plan.notes.push(auto::gain(made.step_us, named.as_ref()));
        }
        let splits = schedule.ranks.iter().flatten().any(|a| a.kind == ActionKind::WeightGrad);
        if splits {
            plan.notes.push(
                "the schedule splits backwards into I and W; `trainyard train` runs them whole, \
                 and --whole-backward plans for that"
                    .to_owned(),
            );
        }
        let simulation = simulate::simulate(self.profile, &plan)?;
        plan.predicted = Some(Predicted::of(&simulation, self.profile.estimated));
        Ok(Candidate { plan, simulation })
    }
}

/// One micro-batch's way forward and back, µs.
fn latency(costs: &PipelineCosts) -> f64 {
    // With one micro-batch nothing is ever in the way of anything: a station after the other.
    let mut time = 0.0;
    for (index, stage) in costs.stages.iter().enumerate() {
        let next = stage.outputs.iter().find(|route| route.stage == index + 1);
        let before = stage.input_grads.iter().find(|route| route.stage + 1 == index);
        let transfers = next.into_iter().chain(before).map(|route| route.transfer_us);
        time += stage.forward_us + stage.backward_us() + transfers.sum::<f64>();
    }
    time
}
