//! The calibration run: a few steps of the plan that would be taken, from which its costs are
//! corrected.
//!
//! Layers are measured one by one. In a run they stand in stages, with the activations of several
//! micro-batches in memory and the other devices at work beside them, which costs what no layer
//! alone shows: up to a fifth on CPU devices that share a memory bus.
//!
//! The control kernel runs between the steps. On a busy machine the run is longer, so that the
//! median step is one under the other programs' usual load.

use std::time::{Duration, Instant};

use trainyard_engine::measure::control_times;
use trainyard_plan::compare::{Measured, median};
use trainyard_plan::noise::is_steady;
use trainyard_plan::{Noise, Plan, Profile, TraceDevice, calibrate, fit_step};

use super::devices::SetupDevice;
use super::noise::cpu_threads;
use super::training_setup::TrainingSetup;
use crate::error::RunError;

/// Steps that warm everything up and do not count.
const WARM_UP: u64 = 3;
/// Steps that count, at least, and at most on a quiet machine.
const STEPS: (u64, u64) = (5, 25);
/// The most steps that count on a busy machine.
const BUSY_STEPS: u64 = 2000;
/// So long steps are made beyond the least number of them.
const LONG_ENOUGH: Duration = Duration::from_secs(2);
/// On a busy machine so long at least, and at most where steps do not settle.
const BUSY_LONG_ENOUGH: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(10));
/// How long the control kernel runs before the steps, and between them.
const CONTROL: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(40)];
/// How long steps are made until it runs again.
const CONTROL_EVERY: Duration = Duration::from_millis(400);
/// Plans that are calibrated: what the first teaches may lead to another one.
const PLANS: usize = 3;

impl TrainingSetup {
    /// The profile as a calibration run of the best plan corrects it. `progress` is told how many
    /// plans are calibrated, of how many. Where no plan fits there is nothing to run, and where a
    /// step fails the profile stays as it is: the training will say why.
    pub(super) fn calibrated(
        &self,
        mut profile: Profile,
        progress: &(dyn Fn(usize, usize, &str) + Sync),
    ) -> Profile {
        let mut calibrated: Option<Plan> = None;
        for round in 0..PLANS {
            progress(round, PLANS, "calibration run");
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
                        "the calibration run failed, costs are those of single layers: {error}"
                    );
                    break;
                }
            }
            calibrated = Some(plan);
        }
        progress(PLANS, PLANS, "calibration run");
        profile
    }

    fn calibration_run(&self, plan: &Plan, profile: &Profile) -> Result<Profile, RunError> {
        let mut pipeline = self.start(plan, profile)?;
        let used = |device: &SetupDevice| plan.stages.iter().any(|s| s.device == device.id);
        let threads = cpu_threads(&self.devices, used);
        let mut control_us = control_times(threads, CONTROL[0])?;
        let mut measured = Measured::default();
        measured.trace.devices = devices(plan);
        let (began, mut controlled) = (Instant::now(), Instant::now());
        let mut cursor = self.first_cursor();
        for step in 1..=WARM_UP + BUSY_STEPS {
            let data = self.micro_batches(cursor, plan.schedule.slices)?;
            cursor = cursor.advanced(self.config.train.batch);
            let start = Instant::now();
            let result = pipeline.step(step, self.config.train.learning_rate, data)?;
            if step > WARM_UP {
                measured.steps.push((step, start.elapsed().as_nanos() as f64 / 1e3));
                let events = result.measured.events;
                measured.trace.events.extend(events.into_iter().filter(|it| it.step > WARM_UP));
            }
            if controlled.elapsed() > CONTROL_EVERY {
                control_us.extend(control_times(threads, CONTROL[1])?);
                controlled = Instant::now();
            }
            let busy = profile.noise.is_some() || Noise::of(&control_us).is_busy();
            if is_enough(&measured.steps, began.elapsed(), busy) {
                break;
            }
        }
        measured.trace.events.extend(pipeline.settle()?.events);
        let noise = profile.noise.unwrap_or(Noise::NONE).then(Noise::of(&control_us));
        if !noise.is_busy() {
            return Ok(calibrate(profile, plan, &measured)?);
        }
        // Interruptions all the time hit one stage more than another by chance: a plan made after
        // them would look faster than it is. The step as a whole is what they tell.
        let corrected = if noise.is_sustained() {
            profile.clone()
        } else {
            calibrate(profile, plan, &measured)?
        };
        let step_us = median(measured.steps.into_iter().map(|(_, us)| us).collect());
        Ok(Profile { noise: Some(noise), ..fit_step(&corrected, plan, step_us)? })
    }
}

/// Whether the steps so far say what a step takes.
fn is_enough(steps: &[(u64, f64)], took: Duration, busy: bool) -> bool {
    if (steps.len() as u64) < STEPS.0 {
        return false;
    }
    if !busy {
        return took > LONG_ENOUGH || steps.len() as u64 >= STEPS.1;
    }
    let (at_least, at_most) = BUSY_LONG_ENOUGH;
    let times: Vec<f64> = steps.iter().map(|(_, us)| *us).collect();
    took > at_most || (took > at_least && is_steady(&times))
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
