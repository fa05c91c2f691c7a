//! What the simulator predicts of a plan, put into the plan.

use crate::simulate::{SimulatedDevice, Simulation, simulate};
use crate::{Plan, PlanError, Predicted, PredictedDevice, Profile};

impl Predicted {
    /// A simulation in short.
    #[must_use]
    pub fn of(simulation: &Simulation, estimated: bool) -> Self {
        let device = |device: &SimulatedDevice| PredictedDevice {
            id: device.id.clone(),
            budget_bytes: device.budget_bytes,
            busy_us: device.busy_us + device.optimizer_us,
            idle_us: device.idle_us,
            peak_bytes: device.peak_bytes,
        };
        Self {
            step_us: simulation.step_us,
            bubble_fraction: simulation.bubble_fraction,
            estimated,
            devices: simulation.devices.iter().map(device).collect(),
        }
    }
}

impl Plan {
    /// The plan with what the simulator predicts of it.
    ///
    /// # Errors
    /// As [`simulate`].
    pub fn predicted(mut self, profile: &Profile) -> Result<Self, PlanError> {
        let simulation = simulate(profile, &self)?;
        self.predicted = Some(Predicted::of(&simulation, profile.estimated));
        Ok(self)
    }
}
