//! The rehearsal: a few steps of the plan that would be taken, from which its costs are corrected.
//!
//! Layers are measured one by one. In a run they stand in stages, with the activations of several
//! micro-batches in memory and the other devices at work beside them, which costs what no layer
//! alone shows: up to a fifth on CPU devices that share a memory bus.

use std::time::{Duration, Instant};

use trainyard_plan::compare::Measured;
use trainyard_plan::{Plan, Profile, TraceDevice, calibrate};

use super::TrainingSetup;
use crate::error::RunError;

/// Steps that warm everything up and do not count.
const WARM_UP: u64 = 3;
/// Steps that count, at least, and at most.
const STEPS: (u64, u64) = (5, 25);
/// So long steps are made beyond the least number of them.
const LONG_ENOUGH: Duration = Duration::from_secs(2);
/// Plans that are calibrated: what the first teaches may lead to another one.
const PLANS: usize = 3;

impl TrainingSetup {
    /// The profile as a rehearsal of the best plan corrects it. `progress` is told how many plans
    /// are calibrated, of how many. Where no plan fits there is nothing to calibration_run, and where a
    /// step fails the profile stays as it is: the training will say why.
    pub(super) fn calibrated(
        &self,
        mut profile: Profile,
        progress: &(dyn Fn(usize, usize, &str) + Sync),
    ) -> Profile {
        let mut calibrated: Option<Plan> = None;
        for round in 0..PLANS {
            progress(round, PLANS, "a rehearsal");
            let Ok(plan) = self.plan(&profile) else { break };
            let same = |before: &Plan| {
                (&before.stages, &before.schedule) == (&plan.stages, &plan.schedule)
            };
            if calibrated.as_ref().is_some_and(same) {
                break;
            }
            match self.calibration_run(&plan, &profile) {
                Ok(corrected) => profile = corrected,
                Err(error) => {
                    tracing::warn!(
                        "the rehearsal failed, costs are those of single layers: {error}"
                    );
                    break;
                }
            }
            calibrated = Some(plan);
        }
        progress(PLANS, PLANS, "a rehearsal");
        profile
    }

    fn calibration_run(&self, plan: &Plan, profile: &Profile) -> Result<Profile, RunError> {
        let mut pipeline = self.start(plan, profile)?;
        let mut measured = Measured::default();
        measured.trace.devices = devices(plan);
        let began = Instant::now();
        for step in 1..=WARM_UP + STEPS.1 {
            let data = self.data.train(&self.config, step)?;
            let start = Instant::now();
            let result = pipeline.step(step, self.config.train.learning_rate, data)?;
            if step > WARM_UP {
                measured.steps.push((step, start.elapsed().as_nanos() as f64 / 1e3));
                measured.trace.events.extend(result.measured.events);
            }
            if step >= WARM_UP + STEPS.0 && began.elapsed() > LONG_ENOUGH {
                break;
            }
        }
        Ok(calibrate(profile, plan, &measured)?)
    }
}

/// The devices of a plan in the order of its ranks, as events name them.
fn devices(plan: &Plan) -> Vec<TraceDevice> {
    let device = |row: &Vec<trainyard_plan::Action>| {
        let stage = row.first().and_then(|action| plan.stages.get(action.stage));
        let id = stage.map_or_else(String::new, |stage| stage.device.clone());
        TraceDevice { id, name: String::new(), budget_bytes: 0 }
    };
    plan.schedule.ranks.iter().map(device).collect()
}
