//! What a request must satisfy before it is planned.

use super::{Ask, PlanRequest};
use crate::{LinkCost, OptimizerTime, PlanError, Profile, Schedule};

/// The longest time that is planned with, µs: some three years.
const LONGEST_US: f64 = 1e14;

/// The request apart from its profile.
///
/// # Errors
/// As [`super::plan`].
pub(super) fn check(request: &PlanRequest) -> Result<Ask, PlanError> {
    let PlanRequest { profile, schedule, locks, excluded, .. } = request;
    profile.check()?;
    numbers(profile)?;
    if *schedule != "auto" {
        Schedule::default_chunks(schedule)?;
    }
    if request.top == 0 {
        return Err(number("the number of plans", "0", "at least 1"));
    }
    let devices = profile.devices.len();
    if let Some(unknown) = excluded.iter().find(|device| **device >= devices) {
        return Err(bad(format!("device {unknown} is excluded, but there are only {devices}")));
    }
    if (0..devices).all(|device| excluded.contains(&device)) {
        return Err(bad("every device is excluded; leave one to plan with".into()));
    }
    check_locks(profile, locks, excluded)?;
    Ok(Ask {
        schedule: (*schedule).to_owned(),
        split_backward: request.split_backward,
        recompute: request.recompute,
        objective: request.objective,
        locks: locks.clone(),
        excluded: excluded.clone(),
        top: request.top,
    })
}

fn check_locks(
    profile: &Profile,
    locks: &[(usize, usize)],
    excluded: &[usize],
) -> Result<(), PlanError> {
    let layers = &profile.model.layers;
    for (index, (layer, device)) in locks.iter().enumerate() {
        let Some(name) = layers.get(*layer).map(|layer| &layer.name) else {
            return Err(bad(format!(
                "layer {layer} is locked, but there are only {}",
                layers.len()
            )));
        };
        let Some(id) = profile.devices.get(*device).map(|device| &device.id) else {
            return Err(bad(format!(
                "layer '{name}' is locked to device {device}, of which there is none"
            )));
        };
        if excluded.contains(device) {
            return Err(bad(format!(
                "layer '{name}' is locked to '{id}', which is excluded; drop one of the two"
            )));
        }
        if let Some((_, other)) = locks[..index].iter().find(|(l, d)| l == layer && d != device) {
            let other = &profile.devices[*other].id;
            return Err(bad(format!(
                "layer '{name}' is locked to '{other}' and to '{id}'; drop one of the two"
            )));
        }
    }
    Ok(())
}

/// The error where locks leave no plan at all, whatever the memory: the first layer between two of
/// one device that is locked to another, if there is one.
pub(super) fn no_plan_keeps_locks(profile: &Profile, ask: &Ask) -> PlanError {
    let mut locks = ask.locks.clone();
    locks.sort_unstable();
    let name = |layer: usize| &profile.model.layers[layer].name;
    let id = |device: usize| &profile.devices[device].id;
    for (index, (first, device)) in locks.iter().enumerate() {
        let mut later = locks[index..].iter().skip_while(|(_, other)| other == device);
        let Some((between, other)) = later.next() else { continue };
        if let Some((last, _)) = later.find(|(_, again)| again == device) {
            return bad(format!(
                "'{}' and '{}' are locked to '{}', and '{}' between them to '{}'; a device holds \
                 consecutive layers, or as many runs of them as the schedule '{}' has stages a rank",
                name(*first),
                name(*last),
                id(*device),
                name(*between),
                id(*other),
                ask.schedule,
            ));
        }
    }
    bad(format!(
        "the schedule '{}' has more stages than the model has layers, or its locks leave no plan",
        ask.schedule
    ))
}

/// Files are checked as they are read; a profile may also come from code.
fn numbers(profile: &Profile) -> Result<(), PlanError> {
    let time = |what: String, value: f64| {
        let sound = (0.0..=LONGEST_US).contains(&value);
        let must = format!("from 0 to {LONGEST_US:e} µs");
        if sound { Ok(()) } else { Err(number(&what, &value.to_string(), &must)) }
    };
    for device in &profile.devices {
        let optimizer = match &device.optimizer_us {
            OptimizerTime::Device(time) => std::slice::from_ref(time),
            OptimizerTime::Layers(times) => times,
        };
        let fixed = device.fixed_us.iter();
        let fixed = fixed.flat_map(|f| [&f.forward, &f.input_grad, &f.weight_grad]).flatten();
        let times = [&device.forward_us, &device.input_grad_us, &device.weight_grad_us];
        for value in times.into_iter().flatten().chain(optimizer).chain(fixed) {
            time(format!("a time of device '{}'", device.id), *value)?;
        }
    }
    let links = profile.links.iter().map(crate::LinkProfile::cost).chain(profile.default_link);
    for LinkCost { latency_us, bytes_per_us } in links {
        time("a link's latency".into(), latency_us)?;
        if bytes_per_us.is_nan() || bytes_per_us <= 0.0 {
            return Err(number("a link's rate", &bytes_per_us.to_string(), "above 0"));
        }
    }
    Ok(())
}

fn number(what: &str, value: &str, must: &str) -> PlanError {
    PlanError::BadNumber { what: what.into(), value: value.into(), must: must.into() }
}

fn bad(reason: String) -> PlanError {
    PlanError::BadPlan { reason }
}
