//! What a run is compared with.

use crate::simulate::{Simulation, late_bytes, simulate_traced};
use crate::{Noise, Plan, PlanError, Profile, Trace};

/// One step of a plan as the simulator predicts it.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// Its figures.
    pub simulation: Simulation,
    /// What happens when.
    pub trace: Trace,
    /// By rank: what messages may take beyond the peak of `simulation`, in bytes; see
    /// [`late_bytes`].
    pub late_bytes: Vec<u64>,
    /// Whether it comes from estimated times.
    pub estimated: bool,
    /// What other programs took from the measuring behind it, where that was much.
    pub noise: Option<Noise>,
}

impl Prediction {
    /// What a step of a plan takes.
    ///
    /// # Errors
    /// As [`simulate_traced`], and when the profile is of another batch.
    pub fn of(profile: &Profile, plan: &Plan) -> Result<Self, PlanError> {
        let profile = profile.with_micro_batches(plan.micro_batches)?;
        let (simulation, trace) = simulate_traced(&profile, plan)?;
        let late_bytes = late_bytes(&profile, plan)?;
        let (estimated, noise) = (profile.estimated, profile.noise);
        Ok(Self { simulation, trace, late_bytes, estimated, noise })
    }
}
