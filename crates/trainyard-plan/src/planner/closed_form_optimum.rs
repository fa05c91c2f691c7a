//! The optimum of the closed form, before any schedule is simulated.

use super::coarse_to_fine::least;
use super::goal::Goal;
use super::request::{MicroBatches, Objective, PlanRequest};
use super::space::Space;
use super::validated::check;
use crate::{PlanError, Stage};

/// The partition with the least of the closed form, whatever its simulated step.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedFormOptimum {
    /// T in µs, or for [`Objective::Memory`] the share.
    pub cost: f64,
    /// The stages, one a device.
    pub stages: Vec<Stage>,
    /// Whether the search left nothing out.
    pub exact: bool,
}

/// The optimum of the [closed form](super); `None` where nothing fits. [`plan`](super::plan) starts
/// from it; by itself it serves to check the exact search against other ones.
///
/// # Errors
/// As [`plan`](super::plan), except that it is no error where nothing fits.
pub fn closed_form_optimum(request: &PlanRequest) -> Result<Option<ClosedFormOptimum>, PlanError> {
    let validated = check(request)?;
    let profile = match request.micro_batches {
        MicroBatches::Count(count) => request.profile.with_micro_batches(count)?,
        _ => request.profile.clone(),
    };
    let goal = Goal::of(validated.objective, profile.micro_batches);
    let space = Space::new(&profile, &validated, goal);
    let within = |cost: f64| validated.objective != Objective::Memory || cost <= 1.0;
    let best = least(&space).filter(|(best, _)| within(best.cost));
    Ok(best.map(|(best, exact)| {
        let stages = best.stages.iter().map(|stage| Stage {
            device: profile.devices[space.index(stage.device)].id.clone(),
            layers: (stage.first, stage.end),
            recompute: stage.recompute,
        });
        ClosedFormOptimum { cost: best.cost, stages: stages.collect(), exact }
    }))
}
