//! Step 2, evaluation: the simulator scores candidates, within a budget of simulated actions.

use std::rc::Rc;

use super::candidate::{Candidate, CandidateSchedule};
use super::memo::{Memo, Searched, SizedSchedule};
use super::pool::Pool;
use super::request::{Objective, RecomputeChoice};
use super::score::Score;
use super::validated::ValidatedRequest;
use crate::costs::PipelineCosts;
use crate::schedule_search::{self, SearchOptions};
use crate::simulate::score;
use crate::{PlanError, Profile, Recompute, Schedule, Stage, TensorLimits};

/// Candidates that are evaluated without budget where none fits: enough to know the nearest one.
const MOST_WITHOUT_BUDGET: usize = 40;

/// The simulator as a judge of candidates, for one search.
pub(super) struct Evaluator<'e> {
    pub(super) profile: &'e Profile,
    pub(super) request: &'e ValidatedRequest,
    /// Actions that may still be simulated. What the memo knows counts as if it were simulated, so
    /// that a search finds the same whatever went before it.
    pub(super) budget: u64,
    /// Index of a device that counts as having no memory, and only after what the others lack.
    pub(super) free: Option<usize>,
    limits: TensorLimits,
    memo: &'e mut Memo,
}

impl<'e> Evaluator<'e> {
    pub(super) fn new(
        profile: &'e Profile,
        request: &'e ValidatedRequest,
        memo: &'e mut Memo,
        budget: u64,
    ) -> Self {
        let limits = TensorLimits::of(profile);
        Self { profile, request, budget, free: None, limits, memo }
    }

    /// The schedule of a candidate, and the rank of each stage.
    ///
    /// # Errors
    /// As [`Schedule::of_kind`].
    pub(super) fn schedule(&mut self, candidate: &Candidate) -> Result<SizedSchedule, PlanError> {
        match &candidate.schedule {
            CandidateSchedule::Searched(schedule) => {
                Ok(SizedSchedule { owners: schedule.owners().into(), schedule: schedule.clone() })
            }
            CandidateSchedule::Named(kind, chunks) => {
                let ranks = candidate.ranks.len();
                let Profile { micro_batches, slices, .. } = *self.profile;
                let split = self.request.split_backward;
                self.memo.schedule(*kind, ranks, *chunks, || {
                    let schedule =
                        Schedule::of_kind_in_slices(*kind, ranks, *chunks, micro_batches, slices)?;
                    let owners = kind.placement(ranks, *chunks).into();
                    let schedule = if split { schedule } else { schedule.merged() };
                    Ok(SizedSchedule { schedule: Rc::new(schedule), owners })
                })
            }
        }
    }

    /// The stages of a candidate.
    pub(super) fn stages(&self, candidate: &Candidate, owners: &[usize]) -> Vec<Stage> {
        let layers = candidate.layers(self.profile.model.layers.len());
        let stage = |((layers, recompute), rank): (((usize, usize), &Recompute), &usize)| Stage {
            device: self.profile.devices[candidate.ranks[*rank]].id.clone(),
            layers,
            recompute: *recompute,
        };
        layers.zip(&candidate.recompute).zip(owners).map(stage).collect()
    }

    /// Costs of a candidate's ranks, stages and links.
    ///
    /// # Errors
    /// As [`Self::schedule`] and [`PipelineCosts::of`].
    pub(super) fn costs(&mut self, candidate: &Candidate) -> Result<PipelineCosts, PlanError> {
        let SizedSchedule { owners, .. } = self.schedule(candidate)?;
        PipelineCosts::of(self.profile, &self.stages(candidate, &owners), &owners)
    }

    /// Simulates a candidate.
    ///
    /// # Errors
    /// Of schedules that cannot be had in this size, of stages without layers, and of the simulator.
    pub(super) fn evaluate(&mut self, candidate: &Candidate) -> Result<Score, PlanError> {
        let SizedSchedule { schedule, .. } = self.schedule(candidate)?;
        let actions: usize = schedule.ranks.iter().map(Vec::len).sum();
        if let Some(known) = self.memo.score(candidate) {
            self.budget = self.budget.saturating_sub(actions as u64);
            return Ok(known);
        }
        let costs = self.costs(candidate)?;
        self.budget = self.budget.saturating_sub(actions as u64);
        let simulated = score(&costs, &schedule, self.profile.micro_batches)?;
        let budgets = || costs.ranks.iter().map(|rank| rank.budget_bytes);
        let free = self.free.and_then(|free| candidate.ranks.iter().position(|d| *d == free));
        let over = |(peak, budget): (&u64, u64)| peak.saturating_sub(budget) as f64;
        let mut excesses: Vec<f64> = simulated.peak_bytes.iter().zip(budgets()).map(over).collect();
        if let Some((rank, excess)) = free.and_then(|rank| Some((rank, excesses.get_mut(rank)?))) {
            *excess = simulated.peak_bytes.get(rank).map_or(0.0, |peak| *peak as f64);
        }
        let over = excesses.iter().enumerate().filter(|(_, excess)| **excess > 0.0);
        let value = match self.request.objective {
            Objective::Time => simulated.step_us,
            Objective::Memory => {
                let share = |(peak, budget): (&u64, u64)| *peak as f64 / budget.max(1) as f64;
                simulated.peak_bytes.iter().zip(budgets()).map(share).fold(0.0, f64::max)
            }
            Objective::Latency => latency_us(&costs),
        };
        let score = Score {
            excess: match free {
                None => excesses.iter().sum(),
                Some(free) => Score::with_free(&excesses, free),
            },
            value,
            step_us: simulated.step_us,
            over: over.map(|(rank, _)| 1 << rank).sum(),
            stages: candidate.firsts.len(),
        };
        self.memo.keep_score(candidate, score);
        Ok(score)
    }

    /// Evaluates a candidate into a pool, unless the budget is below `reserve` and some candidate fits.
    pub(super) fn enter(
        &mut self,
        pool: &mut Pool,
        candidate: Candidate,
        reserve: u64,
    ) -> Option<(Candidate, Score)> {
        if self.budget == 0 && pool.entries.len() > MOST_WITHOUT_BUDGET
            || self.budget < reserve && pool.any_fits()
        {
            return None;
        }
        let score = match self.schedule(&candidate) {
            Ok(_) if !self.is_allowed(&candidate) => return None,
            Ok(_) => self.evaluate(&candidate),
            Err(error) => Err(error),
        };
        let score = score.map_err(|error| pool.refusal.get_or_insert(error)).ok()?;
        let mut entry = (candidate, score);
        // The search lets a stage keep its activations where they fit at the least; with the buffers,
        // which only the simulator knows, they may not.
        if let Some(changed) = self.with_recompute(&entry.0, score)
            && let Ok(score) = self.evaluate(&changed)
            && score.beats(&entry.1)
        {
            entry = (changed, score);
        }
        pool.entries.push(entry.clone());
        Some(entry)
    }

    /// Searches a schedule for a candidate's stages.
    ///
    /// # Errors
    /// As [`Self::costs`] and [`schedule_search::search`].
    pub(super) fn search_schedule(
        &mut self,
        candidate: &Candidate,
        effort: usize,
    ) -> Result<Searched, PlanError> {
        if let Some(known) = self.memo.searched(candidate, effort) {
            return Ok(known.clone());
        }
        let costs = self.costs(candidate)?;
        let options = SearchOptions { split_backward: self.request.split_backward, effort };
        let found = schedule_search::search(&costs, self.profile.micro_batches, &options)?;
        let searched =
            found.map_or(Searched::NothingFits, |found| Searched::Found(Rc::new(found.schedule)));
        self.memo.keep_searched(candidate, effort, searched.clone());
        Ok(searched)
    }

    /// The candidate with recompute on the ranks that are over budget; `None` where that changes
    /// nothing.
    pub(super) fn with_recompute(
        &mut self,
        candidate: &Candidate,
        score: Score,
    ) -> Option<Candidate> {
        if self.request.recompute != RecomputeChoice::Auto {
            return None;
        }
        let SizedSchedule { owners, .. } = self.schedule(candidate).ok()?;
        let mut changed = candidate.clone();
        for (recompute, rank) in changed.recompute.iter_mut().zip(owners.iter()) {
            if score.over & (1 << rank) != 0 {
                *recompute = Recompute::Full;
            }
        }
        (changed.recompute != candidate.recompute).then_some(changed)
    }

    /// Whether every locked layer is on its device, and every layer on one that can have its tensors.
    pub(super) fn is_allowed(&mut self, candidate: &Candidate) -> bool {
        if self.request.locks.is_empty() && self.limits.allow_all() {
            return true;
        }
        let Ok(SizedSchedule { owners, .. }) = self.schedule(candidate) else { return false };
        let keeps_locks = self.request.locks.iter().all(|(layer, device)| {
            let stage = candidate.firsts.partition_point(|first| first <= layer) - 1;
            owners.get(stage).is_some_and(|rank| candidate.ranks[*rank] == *device)
        });
        let mut stages = candidate.layers(self.profile.model.layers.len()).zip(owners.iter());
        let can_have = |((first, end), rank): ((usize, usize), &usize)| {
            self.limits.allow(candidate.ranks[*rank], first..end)
        };
        keeps_locks && stages.all(can_have)
    }
}

/// Time of one micro-batch through the pipeline and back, µs: nothing else is in its way.
fn latency_us(costs: &PipelineCosts) -> f64 {
    let mut time = 0.0;
    for (index, stage) in costs.stages.iter().enumerate() {
        let next = stage.outputs.iter().find(|route| route.stage == index + 1);
        let before = stage.input_grads.iter().find(|route| route.stage + 1 == index);
        let transfers = next.into_iter().chain(before).map(|route| route.transfer_us);
        time += stage.forward_us + stage.backward_us() + transfers.sum::<f64>();
    }
    time
}
