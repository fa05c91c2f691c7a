//! Validation of requests.

use super::generator::Generator;
use super::in_flight::InFlight;
use super::request::{Objective, PlanRequest, RecomputeChoice};
use crate::schedule::registered;
use crate::{
    ActionKind, LinkCost, OptimizerTime, PlanError, Profile, ScheduleKind, ScheduleRequest,
};

/// Longest time that is planned with, µs: some three years.
const LONGEST_US: f64 = 1e14;

/// A request apart from its profile, once checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ValidatedRequest {
    pub(super) schedule: ScheduleRequest,
    pub(super) split_backward: bool,
    pub(super) recompute: RecomputeChoice,
    pub(super) objective: Objective,
    pub(super) locks: Vec<(usize, usize)>,
    pub(super) excluded: Vec<usize>,
    /// Whether split or schedule are given: a search would leave them.
    pub(super) by_hand: bool,
    pub(super) top: usize,
    pub(super) without: Vec<Generator>,
}

impl ValidatedRequest {
    /// Whether a generator takes part.
    pub(super) fn uses(&self, generator: Generator) -> bool {
        !self.without.contains(&generator)
    }

    /// Kinds of schedules that may be used.
    pub(super) fn kinds(&self) -> Vec<&'static dyn ScheduleKind> {
        match self.schedule {
            ScheduleRequest::Search => registered(),
            ScheduleRequest::Named(kind) => vec![kind],
        }
    }

    /// Kinds that may be used with one stage a rank, [the most frugal](most_frugal) first.
    pub(super) fn one_stage_kinds(&self) -> Vec<&'static dyn ScheduleKind> {
        let mut kinds = one_stage(self.kinds());
        if let Some(first) = most_frugal(&kinds) {
            kinds.sort_by_key(|kind| kind.name() != first.name());
        }
        kinds
    }

    /// Kinds that may be used with several stages a rank by default.
    pub(super) fn multi_stage_kinds(&self) -> Vec<&'static dyn ScheduleKind> {
        let kinds = self.kinds().into_iter();
        kinds.filter(|kind| kind.chunks().default_count() > 1).collect()
    }

    /// The kind under which partitions are compared first: the most frugal that may be used with one
    /// stage a rank, or of all where none may.
    pub(super) fn first_kind(&self) -> Option<&'static dyn ScheduleKind> {
        most_frugal(&one_stage(self.kinds())).or_else(frugal_kind)
    }

    /// Micro-batches that a stage holds at least under any kind that may be used.
    pub(super) fn in_flight(&self, profile: &Profile) -> InFlight {
        InFlight::least_of(&self.one_stage_kinds(), profile)
    }
}

/// The most frugal of all kinds with one stage a rank.
pub(super) fn frugal_kind() -> Option<&'static dyn ScheduleKind> {
    most_frugal(&one_stage(registered()))
}

/// The kinds with one stage a rank by default.
fn one_stage(mut kinds: Vec<&'static dyn ScheduleKind>) -> Vec<&'static dyn ScheduleKind> {
    kinds.retain(|kind| kind.chunks().default_count() == 1);
    kinds
}

/// The kind that holds the fewest micro-batches and, among equals, has whole backwards; the first of
/// several: 1F1B, unless another crate registers one that holds fewer.
fn most_frugal(kinds: &[&'static dyn ScheduleKind]) -> Option<&'static dyn ScheduleKind> {
    let many = Profile::MAX_DEVICES;
    let splits = |kind: &dyn ScheduleKind| {
        let mut actions = kind.build(1, 1, 1).into_iter().flatten();
        actions.any(|action| action.kind == ActionKind::WeightGrad)
    };
    kinds.iter().copied().min_by_key(|kind| (kind.in_flight(many, 4 * many), splits(*kind)))
}

/// Checks a request.
///
/// # Errors
/// As [`super::plan`].
pub(super) fn check(request: &PlanRequest) -> Result<ValidatedRequest, PlanError> {
    let PlanRequest { profile, schedule, locks, excluded, .. } = request;
    profile.check()?;
    numbers(profile)?;
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
    Ok(ValidatedRequest {
        schedule: *schedule,
        split_backward: request.split_backward,
        recompute: request.recompute,
        objective: request.objective,
        locks: locks.clone(),
        excluded: excluded.clone(),
        by_hand: request.split.is_some() || request.own_schedule.is_some(),
        top: request.top,
        without: request.without.clone(),
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

/// Error where locks leave no plan at all, whatever the memory: names the first layer between two of
/// one device that is locked to another, if there is one.
pub(super) fn no_plan_keeps_locks(profile: &Profile, request: &ValidatedRequest) -> PlanError {
    let mut locks = request.locks.clone();
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
                request.schedule,
            ));
        }
    }
    bad(format!(
        "the schedule '{}' has more stages than the model has layers, or its locks leave no plan",
        request.schedule
    ))
}

/// Checks the numbers of a profile: files are checked as they are read, but it may come from code.
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
    PlanError::NoSuchPlan { reason }
}
