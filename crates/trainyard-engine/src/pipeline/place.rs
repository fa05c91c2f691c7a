//! Which device runs which rank, and whether all of it fits.

use std::collections::HashSet;

use trainyard_plan::memory::{self, DeviceNeed};
use trainyard_plan::{ActionKind, DeviceProfile, ModelProfile, Plan, PlanError};

use crate::{Device, EngineError, Part};

/// Refuses schedules with actions that workers do by themselves.
pub(super) fn check_actions(plan: &Plan) -> Result<(), PlanError> {
    use ActionKind::{Backward, Forward, InputGrad, WeightGrad};
    let known = |kind| matches!(kind, Forward | Backward | InputGrad | WeightGrad);
    match plan.schedule.ranks.iter().flatten().find(|action| !known(action.kind)) {
        None => Ok(()),
        Some(action) => Err(PlanError::BadPlan {
            reason: format!(
                "its schedule '{}' has the action {action}; the engine sends and receives by \
                 itself: leave only F, B, I and W in it",
                plan.schedule.name
            ),
        }),
    }
}

/// Puts the plan's stages on its devices, as far as memory is concerned. Gives the devices that
/// the plan uses and what each needs, in rank order.
pub(super) fn allocate(
    profile: &ModelProfile,
    plan: &Plan,
    devices: Vec<Device>,
) -> Result<(Vec<Device>, Vec<DeviceNeed>), EngineError> {
    let offer = |device: &Device| DeviceProfile {
        id: device.id().to_owned(),
        memory_bytes: device.available_bytes(),
        speed: 1.0,
    };
    let offers: Vec<_> = devices.iter().map(offer).collect();
    let by_device = memory::check(profile, &plan.stages, &plan.schedule, &offers)?;
    let mut devices = in_rank_order(plan, devices)?;
    let mut needs = Vec::with_capacity(devices.len());
    for device in &mut devices {
        let of_device = by_device.iter().find(|need| need.device == device.id());
        let mut need = of_device.cloned().ok_or_else(|| PlanError::BadPlan {
            reason: format!("it puts no stage on device '{}'", device.id()),
        })?;
        device
            .allocate(Part { name: format!("{}: its stages", profile.name), memory: need.peak })?;
        need.budget_bytes = device.capacity_bytes();
        needs.push(need);
    }
    Ok((devices, needs))
}

/// Refuses devices that share an id: a plan could not tell them apart.
pub(super) fn check_ids(devices: &[Device]) -> Result<(), PlanError> {
    let mut seen = HashSet::new();
    match devices.iter().find(|device| !seen.insert(device.id())) {
        None => Ok(()),
        Some(device) => Err(PlanError::BadPlan {
            reason: format!("two devices have the id '{}'; give each its own", device.id()),
        }),
    }
}

/// The devices that the plan uses, rank by rank.
fn in_rank_order(plan: &Plan, devices: Vec<Device>) -> Result<Vec<Device>, PlanError> {
    let mut devices: Vec<Option<Device>> = devices.into_iter().map(Some).collect();
    let mut ordered: Vec<Device> = Vec::new();
    for (rank, actions) in plan.schedule.ranks.iter().enumerate() {
        let id = actions.first().map_or("", |action| plan.stages[action.stage].device.as_str());
        let found = devices.iter_mut().find(|d| d.as_ref().is_some_and(|d| d.id() == id));
        let device = found.and_then(Option::take).ok_or_else(|| {
            let reason = match ordered.iter().position(|device| device.id() == id) {
                Some(other) => format!(
                    "ranks {other} and {rank} are both on device '{id}'; join their stages, or add \
                     a second device with the same adapter and an id of its own"
                ),
                None => format!("rank {rank} is on device '{id}', which is not there"),
            };
            PlanError::BadPlan { reason }
        })?;
        ordered.push(device);
    }
    Ok(ordered)
}
