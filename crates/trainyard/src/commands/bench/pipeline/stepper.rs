//! A pipeline that the bench steps.

use std::sync::Arc;
use std::time::Instant;

use trainyard_engine::{
    AdamW, DeriveSettings, EngineError, GroupedOptimizer, MeanSquaredError, Measured, Options,
    Pipeline, derive_profile,
};
use trainyard_plan::compare::median;
use trainyard_plan::{DeviceInfo, Plan, Profile, Recompute, Schedule, Stage};

use super::super::devices::open;
use super::blocks::{BLOCKS, Blocks, MICRO_BATCHES, Shape, micro_batches};
use crate::error::RunError;

/// Steps a contender takes in one round.
pub(super) const STEPS: usize = 3;

/// A pipeline and how many steps it has made.
pub(super) struct Stepper {
    pub(super) pipeline: Pipeline,
    /// What its devices have told since it was last asked.
    pub(super) measured: Measured,
    steps: u64,
    shape: Shape,
}

impl Stepper {
    pub(super) fn new(
        shape: Shape,
        hardware: &[DeviceInfo],
        schedule: Schedule,
    ) -> Result<Self, RunError> {
        let devices = open(hardware)?;
        let plan = plan(schedule, |rank| devices[rank].id().to_owned());
        let optimizer = GroupedOptimizer::from(AdamW::default());
        let sample = micro_batches(shape).swap_remove(0);
        let settings = DeriveSettings { seed: 1, optimizer: &optimizer, portable: false };
        let model = Blocks(shape);
        let costs = derive_profile(&model, &MeanSquaredError, &sample, &settings, &|_, _| {})?;
        let offers = devices.iter().map(|device| (device.id(), device.capacity_bytes()));
        let profile = Profile::of_budgets(costs, offers, MICRO_BATCHES);
        let options = Options { seed: 1, optimizer, clip: Some(1.0), rows: shape.rows() };
        let (model, objective) = (Arc::new(model), Arc::new(MeanSquaredError));
        let pipeline = Pipeline::distribute(model, objective, &profile, &plan, devices, options)?;
        Ok(Self { pipeline, steps: 0, measured: Measured::default(), shape })
    }

    /// The same with links that move nothing from the second step on.
    pub(super) fn with_free_links(
        shape: Shape,
        hardware: &[DeviceInfo],
        schedule: Schedule,
    ) -> Result<Self, RunError> {
        let mut stepper = Self::new(shape, hardware, schedule)?;
        stepper.pipeline.free_links(2)?;
        Ok(stepper)
    }

    pub(super) fn step(&mut self) -> Result<(), EngineError> {
        self.steps += 1;
        let result = self.pipeline.step(self.steps, 1e-3, micro_batches(self.shape))?;
        self.measured.events.extend(result.measured.events);
        Ok(())
    }

    /// All that was measured, with what the device tells after its last step.
    pub(super) fn settled(&mut self) -> Result<Measured, EngineError> {
        let last = self.pipeline.settle()?.events;
        self.measured.events.extend(last);
        Ok(std::mem::take(&mut self.measured))
    }
}

/// Equal shares of the blocks for the schedule's stages, on the device of each stage's rank.
pub(super) fn plan(schedule: Schedule, device_of: impl Fn(usize) -> String) -> Plan {
    let owners = schedule.owners();
    let stages = owners.iter().enumerate().map(|(stage, rank)| Stage {
        device: device_of(*rank),
        layers: (stage * BLOCKS / owners.len(), (stage + 1) * BLOCKS / owners.len()),
        recompute: Recompute::None,
    });
    Plan::new("blocks", stages.collect(), schedule, MICRO_BATCHES)
}

/// The median time of a few steps, ms.
pub(super) fn median_ms(
    mut step: impl FnMut() -> Result<(), EngineError>,
) -> Result<f64, RunError> {
    let mut times = Vec::with_capacity(STEPS);
    for _ in 0..STEPS {
        let start = Instant::now();
        step()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times))
}
