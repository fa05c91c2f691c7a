//! Which device runs which rank, and whether all of it fits.

use std::collections::HashSet;

use trainyard_plan::memory::DeviceNeed;
use trainyard_plan::{ActionKind, Plan, PlanError, Profile, simulate};

use crate::kernels::KernelSet;
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
    mut profile: Profile,
    plan: &Plan,
    devices: Vec<Device>,
) -> Result<(Vec<Device>, Vec<DeviceNeed>), EngineError> {
    let name = profile.model.name.clone();
    for device in &devices {
        if let Some(index) = profile.device_index(device.id()) {
            let offer = &mut profile.devices[index];
            offer.memory_bytes = offer.memory_bytes.min(device.available_bytes());
            let limits = [offer.max_tensor_bytes, device.hardware().max_tensor_bytes()];
            offer.max_tensor_bytes = limits.into_iter().flatten().min();
        }
    }
    let mut needs = simulate::check_memory(&profile, plan)?;
    let mut devices = in_rank_order(plan, devices)?;
    for (device, need) in devices.iter_mut().zip(&mut needs) {
        device.allocate(Part { name: format!("{name}: its stages"), memory: need.peak })?;
        need.budget_bytes = device.capacity_bytes();
    }
    Ok((devices, needs))
}

/// The kernels of ours that each wgpu device is to compute with: those of the profile, or else those that
/// the device finds out to be faster with, one device after the other.
pub(super) fn choose_kernels(profile: &Profile, devices: &[Device]) -> Vec<(String, KernelSet)> {
    let wanted = KernelSet::wanted(&profile.model);
    let on_gpus = devices.iter().filter(|device| !device.is_cpu());
    let chosen = |device: &Device| {
        let of_profile = profile.device_index(device.id()).map(|at| &profile.devices[at]);
        if let Some(names) = of_profile.and_then(|device| device.kernels.as_ref()) {
            device.use_kernels(KernelSet::named(names));
        }
        (device.id().to_owned(), device.try_kernels(wanted))
    };
    on_gpus.map(chosen).collect()
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
