//! What a run is compared with.

use crate::simulate::{Simulation, most_held, simulate_traced};
use crate::{MemoryUse, Noise, Plan, PlanError, Profile, Trace};

/// One step of a plan as the simulator predicts it.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// Its figures.
    pub simulation: Simulation,
    /// What happens when.
    pub trace: Trace,
    /// By rank: the most it may hold; see [`most_held`].
    pub most_held: Vec<MemoryUse>,
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
        let profile = profile.with_rows_of(plan)?;
        let (simulation, trace) = simulate_traced(&profile, plan)?;
        let most_held = most_held(&profile, plan)?;
        let (estimated, noise) = (profile.estimated, profile.noise);
        Ok(Self { simulation, trace, most_held, estimated, noise })
    }
}
