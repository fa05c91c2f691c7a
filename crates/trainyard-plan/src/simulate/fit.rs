//! Whether a plan fits its devices' memory, and the remedy where it does not.

use super::simulation::SimulatedDevice;
use super::step::simulate;
use crate::memory::{DeviceNeed, human_bytes_at_least};
use crate::{ActionKind, Plan, PlanError, Profile, Recompute, Schedule, Stage, TensorLimits};

/// The need of each rank's device at its fullest moment, in rank order.
///
/// # Errors
/// As [`simulate`].
pub fn needs(profile: &Profile, plan: &Plan) -> Result<Vec<DeviceNeed>, PlanError> {
    let need = |device: SimulatedDevice| {
        DeviceNeed::new(&device.id, device.budget_bytes, device.peak_bytes)
    };
    Ok(simulate(profile, plan)?.devices.into_iter().map(need).collect())
}

/// Checks that every device of a plan stays within its budget, and can have each tensor of its layers.
///
/// # Errors
/// As [`simulate`], [`PlanError::DoesNotFit`] with every device's need if any is short, and
/// [`PlanError::TensorTooLarge`] for a layer with a tensor that its device cannot have.
pub fn check_memory(profile: &Profile, plan: &Plan) -> Result<Vec<DeviceNeed>, PlanError> {
    let needs = needs(profile, plan)?;
    TensorLimits::check(profile, plan)?;
    if needs.iter().all(|need| need.deficit_bytes() == 0) {
        return Ok(needs);
    }
    let hint = hint(profile, plan, &needs);
    Err(PlanError::DoesNotFit { devices: needs, hint })
}

/// A remedy for a plan that does not fit. Says "would fit" only of what was tried.
fn hint(profile: &Profile, plan: &Plan, short: &[DeviceNeed]) -> String {
    let full = |stage: &Stage| Stage { recompute: Recompute::Full, ..stage.clone() };
    let recomputed = Plan { stages: plan.stages.iter().map(full).collect(), ..plan.clone() };
    let fits = |needs: Vec<DeviceNeed>| needs.iter().all(|need| need.deficit_bytes() == 0);
    if needs(profile, &recomputed).is_ok_and(fits) {
        return "recompute = \"full\" would fit".to_owned();
    }
    let Some(worst) = short.iter().max_by_key(|need| need.deficit_bytes()) else {
        return String::new();
    };
    if worst.peak.activations > worst.needed_bytes / 2 {
        return format!(
            "most of what '{}' needs is activations: {} would lower them",
            worst.device,
            if holds_every_micro_batch(&plan.stages, &plan.schedule, &worst.device) {
                "a smaller batch"
            } else {
                "a smaller batch or more micro_batches"
            }
        );
    }
    format!(
        "'{}' is short by {}: give it more memory or fewer layers, or add a device",
        worst.device,
        human_bytes_at_least(worst.deficit_bytes())
    )
}

/// True where every stage of a device keeps the whole batch at its peak; smaller micro-batches then
/// come in greater numbers and gain nothing.
fn holds_every_micro_batch(stages: &[Stage], schedule: &Schedule, device: &str) -> bool {
    let in_flight = schedule.in_flight_by_stage();
    let forwards = |stage: usize| {
        let of_stage = schedule.ranks.iter().flatten().filter(move |a| a.stage == stage);
        of_stage.filter(|a| a.kind == ActionKind::Forward).count()
    };
    stages
        .iter()
        .enumerate()
        .filter(|(_, stage)| stage.device == device)
        .all(|(index, _)| in_flight.get(&index).is_some_and(|held| *held >= forwards(index)))
}
