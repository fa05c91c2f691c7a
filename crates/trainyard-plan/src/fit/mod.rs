//! What training a transformer needs, and whether devices have it, from sizes alone: nothing is opened or run.
//!
//! [`fit`] plans as for a training, with costs that follow from the model's [`Transformer`] sizes, and looks for
//! the largest context and micro-batch that fit. What it finds is an estimate on the safe side; a run file's
//! `trainyard plan` knows better, as it runs the layers.

mod frugal;
mod largest;
mod layer_costs;
mod report;
mod transformer;

use crate::planner::{self, PlanRequest, RankedPlan};
use crate::{
    Api, DeviceProfile, LinkCost, LinkProfile, OptimizerTime, PlanError, Profile, simulate,
};
use frugal::frugal_plan;
use largest::Limits;
use layer_costs::{MicroBatchSize, Operations};
pub use report::{DeviceFit, Fit, Largest, OneMore, Verdict};

pub use transformer::{Product, Transformer, TransformerLayer, TransformerPart};

/// Which weights are trained, and how the others are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// All.
    Full,
    /// Adapters beside frozen products.
    Lora {
        /// Numbers between an adapter's two products.
        rank: u64,
    },
    /// Adapters beside frozen products that are packed in few bits.
    Qlora {
        /// Numbers between an adapter's two products.
        rank: u64,
    },
}

impl Method {
    /// The rank of the adapters, where there are any.
    #[must_use]
    pub fn rank(self) -> Option<u64> {
        match self {
            Self::Full => None,
            Self::Lora { rank } | Self::Qlora { rank } => Some(rank),
        }
    }

    /// Its name in run files.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Lora { .. } => "lora",
            Self::Qlora { .. } => "qlora",
        }
    }
}

/// A device, and what it does in general.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FitDevice {
    /// Who it is, in what it computes products and what memory it has, without costs.
    pub device: DeviceProfile,
    /// Floating-point operations a nanosecond in a matrix product; None where nobody knows.
    pub gflops: Option<f64>,
    /// Bytes a microsecond from the host and back; None where nobody knows.
    pub copy_rate: Option<f64>,
}

/// What is to be trained, and on what.
#[derive(Clone, Debug)]
pub struct FitRequest<'a> {
    /// The model.
    pub model: &'a Transformer,
    /// The devices.
    pub devices: &'a [FitDevice],
    /// Which weights train.
    pub method: Method,
    /// Rows of a step.
    pub batch: u64,
    /// Positions of a row.
    pub context: u64,
}

/// A training by itself cuts its batch into the most micro-batches up to so many that divide it.
pub const USUAL_MICRO_BATCHES: u64 = 4;
/// Where these are too large it is cut into more, up to so many: still more fill a pipeline hardly better.
const MOST_MICRO_BATCHES: u64 = 16;

/// The most stages a device of which a faster plan is looked for.
const LARGE_STAGES: usize = 4;

/// Speed that devices are taken to have where one's is not known, so that layers are shared equally.
const EQUAL_GFLOPS: f64 = 1000.0;

/// Rate of a link over the host where it is not known, bytes a µs, and how long it takes to begin, µs.
const COPY_RATE: f64 = 4000.0;
const LATENCY_US: f64 = 50.0;

/// Bytes that AdamW reads and writes for each byte of weights.
const OPTIMIZER_TRAFFIC: f64 = 7.0;

/// Plans a training, and says what fits.
///
/// # Errors
/// [`PlanError::BadNumber`] for no devices, more than are planned for, or a size of 0 or beyond the model; it is
/// no error where nothing fits.
pub fn fit(request: &FitRequest<'_>) -> Result<Fit, PlanError> {
    let profile = estimated_profile(request)?;
    let (here, limits) = assess(request, &profile)?;
    let one_more = one_more(request)?;
    let FitRequest { method, batch, context, .. } = *request;
    let micro_batches = profile.micro_batches as u64;
    Ok(Fit {
        format: Fit::FORMAT.to_owned(),
        version: Fit::VERSION,
        model: request.model.name.clone(),
        encoder: !request.model.causal,
        assumes: request.model.assumes.clone(),
        method: method.text().to_owned(),
        rank: method.rank(),
        batch,
        context,
        micro_batches,
        rows: batch / micro_batches.max(1),
        verdict: here.verdict,
        reason: here.reason,
        devices: here.devices,
        tokens_per_s: here.tokens_per_s,
        largest: limits,
        one_more,
    })
}

/// The costs that [`fit`] plans with: of micro-batches as a training makes them by itself, or of smaller ones
/// where these are too large.
///
/// # Errors
/// [`PlanError::BadNumber`] as for [`fit`].
pub fn estimated_profile(request: &FitRequest<'_>) -> Result<Profile, PlanError> {
    check(request)?;
    let size = |rows| MicroBatchSize { rows, context: request.context };
    let (mut rows, mut micro_batches) = (request.batch, 1);
    for cut in cuts(request.batch) {
        (rows, micro_batches) = cut;
        if fits(request, size(rows), micro_batches)? {
            break;
        }
    }
    Ok(profile(request, size(rows), micro_batches))
}

/// What is found for one set of devices.
struct Assessment {
    verdict: Verdict,
    reason: Option<String>,
    devices: Vec<DeviceFit>,
    tokens_per_s: Option<f64>,
}

fn assess(request: &FitRequest<'_>, profile: &Profile) -> Result<(Assessment, Largest), PlanError> {
    let planned = planned(profile);
    let too_big = |reason: String, devices: Vec<DeviceFit>| Assessment {
        verdict: Verdict::TooBig,
        reason: Some(reason),
        devices,
        tokens_per_s: None,
    };
    let here = match planned {
        Ok(best) => assessment(request, profile, &best),
        Err(PlanError::DoesNotFit { devices, hint }) => {
            too_big(hint, devices.into_iter().map(DeviceFit::short).collect())
        }
        Err(error @ PlanError::TensorTooLarge(_)) => too_big(error.to_string(), Vec::new()),
        Err(error) => return Err(error),
    };
    let fitting = (here.verdict != Verdict::TooBig).then_some(profile.micro_batches as u64);
    let limits = Limits { request, fitting };
    let here = Assessment { devices: in_precisions(request, here.devices), ..here };
    let largest = Largest { context: limits.context()?, rows: limits.rows()? };
    Ok((here, largest))
}

/// The devices with the numbers in which they compute.
fn in_precisions(request: &FitRequest<'_>, devices: Vec<DeviceFit>) -> Vec<DeviceFit> {
    let of = |id: &str| request.devices.iter().find(|it| it.device.id == id);
    let precision = |id: &str| of(id).map(|it| it.device.precision).unwrap_or_default();
    devices.into_iter().map(|it| DeviceFit { precision: precision(&it.id), ..it }).collect()
}

/// The fastest plan with a part of every budget to spare, or else without.
fn planned(profile: &Profile) -> Result<RankedPlan, PlanError> {
    let frugal = frugal_plan(profile)?;
    let spared = with_spare(profile);
    let (profile, frugal) = match frugal_plan(&spared) {
        Ok(frugal) => (&spared, frugal),
        Err(_) => (profile, frugal),
    };
    // What fits in many small stages only, a search takes long to find, if it does.
    let is_tight = frugal.stages.len() > LARGE_STAGES * frugal.schedule.ranks.len();
    let search = || planner::plan(&PlanRequest::new(profile)).ok()?.candidates.into_iter().next();
    match if is_tight { None } else { search() } {
        Some(best) => Ok(best),
        None => Ok(RankedPlan { simulation: simulate::simulate(profile, &frugal)?, plan: frugal }),
    }
}

/// What a plan that fits says.
fn assessment(request: &FitRequest<'_>, profile: &Profile, best: &RankedPlan) -> Assessment {
    let devices = report::devices(profile, best);
    let has_speed =
        |id: &str| request.devices.iter().any(|it| it.device.id == id && it.gflops.is_some());
    let mut used = devices.iter().filter(|device| !device.stages.is_empty());
    let tokens = request.batch.saturating_mul(request.context) as f64;
    let tokens_per_s = tokens * 1e6 / best.simulation.step_us;
    Assessment {
        verdict: devices.iter().map(|device| device.verdict).max().unwrap_or(Verdict::Fits),
        reason: None,
        tokens_per_s: used.all(|device| has_speed(&device.id)).then_some(tokens_per_s),
        devices,
    }
}

/// The profile with a part of every budget set aside.
fn with_spare(profile: &Profile) -> Profile {
    let mut profile = profile.clone();
    for device in &mut profile.devices {
        let spare = device.budget_bytes() - report::at_ease(device.budget_bytes());
        device.reserve_bytes = device.reserve_bytes.saturating_add(spare);
    }
    profile
}

/// The same with one more of the largest device that can be had twice.
fn one_more(request: &FitRequest<'_>) -> Result<Option<OneMore>, PlanError> {
    let cards = request.devices.iter().filter(|it| it.device.api != Some(Api::Cpu));
    let Some(card) = cards.max_by_key(|it| it.device.budget_bytes()) else { return Ok(None) };
    if request.devices.len() >= Profile::MAX_DEVICES {
        return Ok(None);
    }
    let mut another = card.clone();
    another.device.id = format!("another-{}", card.device.id);
    let devices: Vec<FitDevice> = request.devices.iter().cloned().chain([another]).collect();
    let request = FitRequest { devices: &devices, ..request.clone() };
    let (there, largest) = assess(&request, &estimated_profile(&request)?)?;
    Ok(Some(OneMore {
        like: card.device.id.clone(),
        budget_bytes: card.device.budget_bytes(),
        verdict: there.verdict,
        tokens_per_s: there.tokens_per_s,
        largest,
    }))
}

fn check(request: &FitRequest<'_>) -> Result<(), PlanError> {
    let bad = |what: &str, value: u64, must: String| {
        Err(PlanError::BadNumber { what: what.to_owned(), value: value.to_string(), must })
    };
    let devices = request.devices.len();
    if devices == 0 || devices > Profile::MAX_DEVICES {
        let must = format!("from 1 to {}", Profile::MAX_DEVICES);
        return bad("devices", devices as u64, must);
    }
    if request.context == 0 || request.context > request.model.context {
        let must = format!("from 1 to {}, the positions of the model", request.model.context);
        return bad("context", request.context, must);
    }
    if request.batch == 0 || request.batch > u64::from(u32::MAX) {
        return bad("batch", request.batch, format!("from 1 to {}", u32::MAX));
    }
    match request.method.rank() {
        Some(rank) if rank == 0 || rank > request.model.width => {
            bad("rank", rank, format!("from 1 to {}, the width of the model", request.model.width))
        }
        _ => Ok(()),
    }
}

/// Rows of a micro-batch, and how many of these there are: as a training cuts a batch by itself, then finer.
fn cuts(batch: u64) -> impl Iterator<Item = (u64, u64)> {
    let finer = (usual_micro_batches(batch)..=MOST_MICRO_BATCHES)
        .filter(move |count| batch.is_multiple_of(*count));
    finer.map(move |count| (batch / count, count))
}

/// Into how many micro-batches a training cuts a batch by itself: the most up to 4 that divide it.
pub fn usual_micro_batches(batch: u64) -> u64 {
    (1..=USUAL_MICRO_BATCHES).rev().find(|count| batch.is_multiple_of(*count)).unwrap_or(1)
}

fn finest_cut(batch: u64) -> (u64, u64) {
    cuts(batch).last().unwrap_or((batch, 1))
}

/// Costs on the devices.
fn profile(request: &FitRequest<'_>, size: MicroBatchSize, micro_batches: u64) -> Profile {
    let (model, operations) = request.model.costs(request.method, size);
    let is_known = request.devices.iter().all(|it| it.gflops.is_some());
    let workspace = model.workspace_with_new_sums();
    let (saved, rounded) = request.model.bytes_in_sixteen_bits(request.method, size);
    let device = |it: &FitDevice| {
        let gflops = it.gflops.filter(|_| is_known).unwrap_or(EQUAL_GFLOPS);
        let times = |of: &dyn Fn(&Operations) -> f64| {
            operations.iter().map(|it| of(it) / (gflops * 1e3)).collect::<Vec<f64>>()
        };
        let rate = it.copy_rate.unwrap_or(COPY_RATE);
        let is_in_sixteen_bits = !it.device.precision.is_f32();
        let workspace = workspace.iter().zip(&rounded).map(|(bytes, rounded)| {
            bytes.saturating_add(if is_in_sixteen_bits { *rounded } else { 0 })
        });
        let optimizer =
            model.layers.iter().map(|it| OPTIMIZER_TRAFFIC * it.param_bytes as f64 / rate);
        DeviceProfile {
            forward_us: times(&|it| it.forward),
            input_grad_us: times(&|it| it.input_gradient),
            weight_grad_us: times(&|it| it.weight_gradient),
            optimizer_us: OptimizerTime::Layers(optimizer.collect()),
            saved_bytes: is_in_sixteen_bits.then(|| saved.clone()),
            workspace_bytes: Some(workspace.collect()),
            ..it.device.clone()
        }
    };
    let devices = request.devices.iter().map(device).collect();
    Profile {
        estimated: true,
        sizes_estimated: true,
        devices,
        links: links(request.devices),
        default_link: Some(LinkCost { latency_us: LATENCY_US, bytes_per_us: COPY_RATE }),
        ..Profile::new(model, usize::try_from(micro_batches).unwrap_or(usize::MAX))
    }
}

/// Links between devices whose rates are known: half of a round trip on each side.
fn links(devices: &[FitDevice]) -> Vec<LinkProfile> {
    let pairs = devices.iter().flat_map(|from| devices.iter().map(move |to| (from, to)));
    let link = |(from, to): (&FitDevice, &FitDevice)| {
        let bytes_per_us = 2.0 / (1.0 / from.copy_rate? + 1.0 / to.copy_rate?);
        let (from, to) = (from.device.id.clone(), to.device.id.clone());
        (from != to).then_some(LinkProfile { from, to, latency_us: LATENCY_US, bytes_per_us })
    };
    pairs.filter_map(link).collect()
}

/// Whether a training with micro-batches of a size fits.
fn fits(
    request: &FitRequest<'_>,
    size: MicroBatchSize,
    micro_batches: u64,
) -> Result<bool, PlanError> {
    match frugal_plan(&profile(request, size, micro_batches)) {
        Ok(_) => Ok(true),
        Err(PlanError::DoesNotFit { .. } | PlanError::TensorTooLarge(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
