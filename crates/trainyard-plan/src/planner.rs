//! Which layers go where.
//!
//! [`proportional`] cuts the model into runs of layers, one a device in the order the devices are
//! listed, so that the arithmetic goes by the devices' speeds and every device stays within its
//! budget. It knows speeds as single numbers and nothing of links, so it says nothing of times; the
//! exact planner, which does, takes its place behind the same [`PlanRequest`].
//!
//! To add an objective: the one here is `load` in `Search::best_from`, a stage's flops ÷ its
//! device's speed, combined along the pipeline by `max`. Any cost of a single stage that combines
//! by an operation that never falls (`max`, `+`) can replace it; nothing else has to change.

use serde::{Deserialize, Serialize};

use crate::memory::{self, DeviceNeed, StageSums};
use crate::{
    DeviceProfile, ModelProfile, Plan, PlanError, Predicted, PredictedDevice, Recompute, Schedule,
    Stage,
};

/// Whether stages may, must or must not recompute their activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecomputeChoice {
    /// No stage recomputes.
    None,
    /// Every stage recomputes.
    Full,
    /// No stage recomputes if the model fits so; else the stages that need to.
    #[default]
    Auto,
}

impl RecomputeChoice {
    /// What to try, in order; each is what a stage may do, the dearest in memory first.
    fn attempts(self) -> &'static [&'static [Recompute]] {
        match self {
            Self::None => &[&[Recompute::None]],
            Self::Full => &[&[Recompute::Full]],
            Self::Auto => &[&[Recompute::None], &[Recompute::None, Recompute::Full]],
        }
    }
}

/// What to plan.
#[derive(Clone, Copy, Debug)]
pub struct PlanRequest<'a> {
    /// The model, at the size of one micro-batch.
    pub model: &'a ModelProfile,
    /// The devices in the order in which stages may lie on them.
    pub devices: &'a [DeviceProfile],
    /// A name of [`Schedule::names`], or `auto`.
    pub schedule: &'a str,
    /// Micro-batches a step.
    pub micro_batches: usize,
    /// Whether stages may recompute.
    pub recompute: RecomputeChoice,
}

/// The plan of contiguous stages, at most one a device in the devices' order, whose largest
/// stage flops ÷ device speed is smallest among those that fit. A device may stay idle; it is then
/// not part of the plan. Of equally good plans it takes the one with fewest devices, then the
/// earliest cuts, then the first devices, so that the same request gives the same plan.
///
/// # Errors
/// [`PlanError::DoesNotFit`] with the needs of the best split regardless of memory;
/// [`PlanError::BadNumber`] for no layers, devices or micro-batches, or a speed that is not a
/// positive number; [`PlanError::UnknownSchedule`]; [`PlanError::BadPlan`] for two devices of one
/// id.
pub fn proportional(request: &PlanRequest) -> Result<Plan, PlanError> {
    check_request(request)?;
    for allowed in request.recompute.attempts() {
        if let Some(plan) = search(request, allowed, true)? {
            return Ok(plan);
        }
    }
    Err(does_not_fit(request)?)
}

/// What the whole model would need on one device, as [`proportional`] would run it there. It fits
/// if its [`DeviceNeed::deficit_bytes`] is 0.
///
/// # Errors
/// As [`proportional`], but never [`PlanError::DoesNotFit`].
pub fn fits_alone(
    model: &ModelProfile,
    device: &DeviceProfile,
    schedule: &str,
    micro_batches: usize,
    recompute: RecomputeChoice,
) -> Result<DeviceNeed, PlanError> {
    let in_flight = named(schedule, 1, micro_batches)?.max_in_flight(0);
    let need = |recompute| {
        let layers = 0..model.layers.len();
        DeviceNeed::new(device, memory::of_stage(model, layers, recompute, in_flight, true, true))
    };
    Ok(match recompute {
        RecomputeChoice::None => need(Recompute::None),
        RecomputeChoice::Full => need(Recompute::Full),
        RecomputeChoice::Auto => {
            let keeping = need(Recompute::None);
            if keeping.deficit_bytes() == 0 { keeping } else { need(Recompute::Full) }
        }
    })
}

/// [`Schedule::named`], which also knows what `auto` stands for: 1F1B takes as long as `GPipe` and
/// never holds more.
fn named(name: &str, ranks: usize, micro_batches: usize) -> Result<Schedule, PlanError> {
    let name = if name == "auto" { "1f1b" } else { name };
    Schedule::named(name, ranks, micro_batches)
}

fn check_request(request: &PlanRequest) -> Result<(), PlanError> {
    let bad = |what: String, value: String, must: &str| {
        Err(PlanError::BadNumber { what, value, must: must.into() })
    };
    if request.model.layers.is_empty() {
        return bad("the model's number of layers".into(), "0".into(), "at least 1");
    }
    if request.devices.is_empty() {
        return bad("the number of devices".into(), "0".into(), "at least 1");
    }
    for (index, device) in request.devices.iter().enumerate() {
        if !device.speed.is_finite() || device.speed <= 0.0 {
            let what = format!("the speed of device '{}'", device.id);
            return bad(what, device.speed.to_string(), "a positive number");
        }
        if request.devices[..index].iter().any(|other| other.id == device.id) {
            let reason = format!("two devices are called '{}'; ids must differ", device.id);
            return Err(PlanError::BadPlan { reason });
        }
    }
    Ok(())
}

/// The best plan over every number of ranks; `None` if none fits.
fn search(
    request: &PlanRequest,
    allowed: &[Recompute],
    within_budget: bool,
) -> Result<Option<Plan>, PlanError> {
    let mut best: Option<(f64, Vec<Stage>, Schedule)> = None;
    for ranks in 1..=request.devices.len().min(request.model.layers.len()) {
        let schedule = named(request.schedule, ranks, request.micro_batches)?;
        let in_flight = (0..ranks).map(|rank| schedule.max_in_flight(rank)).collect();
        let search = Search { request, allowed, within_budget, ranks, in_flight };
        if let Some((load, stages)) = search.run() {
            // One more device must win more than a rounding error.
            if best.as_ref().is_none_or(|(least, ..)| load < least * (1.0 - 1e-9)) {
                best = Some((load, stages, schedule));
            }
        }
    }
    Ok(best.map(|(_, stages, schedule)| finish(request, stages, schedule)))
}

/// How to place the layers from some layer on, and the largest load that gives.
#[derive(Clone, Copy)]
struct Choice {
    load: f64,
    /// End of the stage on this device and whether it recomputes; `None` leaves the device idle.
    stage: Option<(usize, Recompute)>,
}

/// A search over all cuts for a given number of ranks, from the last device to the first. That
/// number decides how many micro-batches each rank holds, so whether a stage fits depends on
/// nothing but the stage, its device and its rank.
struct Search<'a> {
    request: &'a PlanRequest<'a>,
    allowed: &'a [Recompute],
    within_budget: bool,
    ranks: usize,
    in_flight: Vec<usize>,
}

impl Search<'_> {
    fn run(&self) -> Option<(f64, Vec<Stage>)> {
        let (devices, layers) = (self.request.devices.len(), self.request.model.layers.len());
        // table[device][rank][layer]: layers from `layer` on, on ranks from `rank` on, on devices
        // from `device` on. Past the last device all must be placed.
        let row = vec![vec![None; layers + 1]; self.ranks + 1];
        let mut table: Vec<Vec<Vec<Option<Choice>>>> = vec![row; devices + 1];
        table[devices][self.ranks][layers] = Some(Choice { load: 0.0, stage: None });
        for device in (0..devices).rev() {
            for rank in 0..=self.ranks.min(device) {
                for layer in 0..=layers {
                    let choice = self.best_from(device, rank, layer, &table[device + 1]);
                    table[device][rank][layer] = choice;
                }
            }
        }
        let load = table[0][0][0]?.load;
        let mut stages = Vec::with_capacity(self.ranks);
        let (mut rank, mut layer) = (0, 0);
        for (device, table) in self.request.devices.iter().zip(&table) {
            if let Some((end, recompute)) = table[rank][layer]?.stage {
                stages.push(Stage { device: device.id.clone(), layers: (layer, end), recompute });
                (rank, layer) = (rank + 1, end);
            }
        }
        Some((load, stages))
    }

    /// The best choice for one device, given the best for all later ones. Ends are tried in order
    /// and idling last, and only a lower load replaces a choice: hence the earliest cut and the
    /// first device.
    fn best_from(
        &self,
        device: usize,
        rank: usize,
        layer: usize,
        later: &[Vec<Option<Choice>>],
    ) -> Option<Choice> {
        let model = self.request.model;
        let mut best: Option<Choice> = None;
        if rank < self.ranks {
            let speed = self.request.devices[device].speed;
            let mut sums = StageSums::default();
            for (index, last) in model.layers.iter().enumerate().skip(layer) {
                let end = index + 1;
                sums.push(last, model.optimizer_bytes_per_param_byte);
                let own = sums.flops as f64 / speed;
                if best.is_some_and(|best| best.load <= own) {
                    break; // Longer stages only weigh more.
                }
                let Some(rest) = later[rank + 1][end] else { continue };
                let load = own.max(rest.load);
                if best.is_some_and(|best| best.load <= load) {
                    continue;
                }
                if let Some(recompute) = self.recompute_that_fits(&sums, device, rank) {
                    best = Some(Choice { load, stage: Some((end, recompute)) });
                }
            }
        }
        let idle = later[rank][layer].map(|rest| Choice { load: rest.load, stage: None });
        match (best, idle) {
            (Some(best), Some(idle)) if idle.load < best.load => Some(idle),
            (best, idle) => best.or(idle),
        }
    }

    fn recompute_that_fits(
        &self,
        sums: &StageSums,
        device: usize,
        rank: usize,
    ) -> Option<Recompute> {
        let (first, last) = (rank == 0, rank + 1 == self.ranks);
        let fits = |recompute: &Recompute| {
            let need = sums.memory(*recompute, self.in_flight[rank], first, last);
            !self.within_budget || need.total() <= self.request.devices[device].memory_bytes
        };
        self.allowed.iter().copied().find(|recompute| fits(recompute))
    }
}

/// Makes the plan of the stages and says what is predicted of it.
fn finish(request: &PlanRequest, stages: Vec<Stage>, schedule: Schedule) -> Plan {
    let PlanRequest { model, devices, micro_batches, .. } = *request;
    let load = |id: &str| {
        let stage = stages.iter().find(|stage| stage.device == id);
        let layers = stage.map_or(0..0, |stage| stage.layers.0..stage.layers.1);
        let flops = model.layers[layers].iter().map(|layer| layer.forward_flops);
        let speed = devices.iter().find(|device| device.id == id).map_or(1.0, |d| d.speed);
        flops.fold(0, u64::saturating_add) as f64 / speed
    };
    let total: f64 = stages.iter().map(|stage| load(&stage.device)).sum();
    let row = |need: DeviceNeed| PredictedDevice {
        share_of_step: if total > 0.0 && total.is_finite() {
            load(&need.device) / total
        } else {
            0.0
        },
        id: need.device,
        budget_bytes: need.budget_bytes,
        peak_bytes: need.peak,
    };
    let rows = memory::needs(model, &stages, &schedule, devices).into_iter().map(row).collect();
    Plan {
        format: Plan::FORMAT.to_owned(),
        version: Plan::VERSION,
        model: model.name.clone(),
        predicted: Some(Predicted { step_us: None, bubble_fraction: None, devices: rows }),
        stages,
        schedule,
        micro_batches,
    }
}

/// The error for a request that no plan satisfies: how far the split by speed alone is from
/// fitting, and what would help.
fn does_not_fit(request: &PlanRequest) -> Result<PlanError, PlanError> {
    let PlanRequest { model, devices, .. } = *request;
    let least_memory = match request.recompute {
        RecomputeChoice::None => &[Recompute::None],
        RecomputeChoice::Full | RecomputeChoice::Auto => &[Recompute::Full],
    };
    let Some(Plan { stages, schedule, .. }) = search(request, least_memory, false)? else {
        return Err(PlanError::BadPlan { reason: "no split was found".into() });
    };
    let needs = memory::needs(model, &stages, &schedule, devices);
    let recompute_helps = request.recompute == RecomputeChoice::None
        && search(request, &[Recompute::Full], true)?.is_some();
    let hint = if recompute_helps {
        "recompute = \"full\" would fit".to_owned()
    } else {
        memory::hint(model, &stages, &schedule, devices, &needs)
    };
    Ok(PlanError::DoesNotFit { devices: needs, hint })
}
