//! `trainyard bench pipeline`: the engine against a plain Burn loop, against what a tutorial says, and
//! several devices against one.

use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use indicatif::ProgressBar;
use trainyard_engine::discover::select;
use trainyard_engine::{
    AdamW, DeriveSettings, Device, EngineError, GroupedOptimizer, MeanSquaredError, Measured,
    Options, Pipeline, derive_profile,
};
use trainyard_plan::compare::median;
use trainyard_plan::simulate::simulate;
use trainyard_plan::{
    ActionKind, DeviceInfo, Lane, LayerProfile, ModelProfile, Plan, Profile, Recompute, Schedule,
    Stage,
};

use super::blocks::{BLOCKS, Blocks, MICRO_BATCHES, PlainLoop, ROWS, micro_batches, whole_batch};
use super::pipeline_figures::{Figures, closed_form, print};
use super::progress;
use crate::error::RunError;
use crate::setup::machine_for;

/// `trainyard bench pipeline`
#[derive(Debug, Args)]
pub(super) struct PipelineBench {
    /// The devices that the pipeline runs on, by adapter, in the order of its ranks; the first is the one
    /// that they are measured against
    #[arg(long, value_name = "ADAPTER,…", value_delimiter = ',', default_value = "cpu,cpu")]
    devices: Vec<String>,
    /// The schedule
    #[arg(long, value_name = "NAME", default_value = "1f1b")]
    schedule: String,
    /// Print JSON for machines
    #[arg(long)]
    pub(super) json: bool,
    /// Rounds; in each, every contender takes a few steps, and ratios are taken within the round
    #[arg(long, default_value_t = 9)]
    pub(super) rounds: usize,
}

/// Steps a contender takes in one round.
const STEPS: usize = 3;

/// Parts of a round, timed one after the other.
const PARTS: usize = 8;

/// What is measured, in turn.
struct Contenders {
    progress: ProgressBar,
    pool: rayon::ThreadPool,
    plain: PlainLoop,
    naive: PlainLoop,
    one: Stepper,
    untraced: Stepper,
    /// One device whose backwards are split, with nothing between the halves.
    split: Stepper,
    all: Stepper,
    /// The same devices under 1F1B, where the schedule is another.
    one_f_one_b: Option<Stepper>,
    /// A whole model on each device, all at the same time.
    side_by_side: Vec<Stepper>,
}

/// A pipeline and how many steps it has made.
struct Stepper {
    pipeline: Pipeline,
    steps: u64,
    measured: Measured,
}

/// Times of one round, ms a step.
#[derive(Clone, Copy)]
struct Round {
    plain: f64,
    naive: f64,
    one: f64,
    untraced: f64,
    split: f64,
    all: f64,
    one_f_one_b: f64,
    side_by_side: f64,
}

/// Measures and prints.
///
/// # Errors
/// When there is no such device, the schedule does not suit, or a device fails.
pub(super) fn run(bench: &PipelineBench) -> Result<(), RunError> {
    let hardware = hardware(&bench.devices)?;
    let ranks = hardware.len();
    let schedule = Schedule::named(&bench.schedule, ranks, MICRO_BATCHES)?;
    let alone = || Schedule::named("1f1b", 1, MICRO_BATCHES);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|error| EngineError::NoThread { reason: error.to_string() })?;
    let opened = open(&hardware)?.iter().map(|it| it.burn().clone()).collect::<Vec<_>>();
    let mut untraced = Stepper::new(&hardware[..1], alone()?)?;
    untraced.pipeline.trace(false)?;
    // The first round warms up: caches, pools, moments.
    let rounds = bench.rounds.max(1) + 1;
    let mut contenders = Contenders {
        progress: progress(rounds * PARTS),
        plain: pool.install(|| PlainLoop::new(&opened[..1])),
        naive: pool.install(|| PlainLoop::new(&opened)),
        pool,
        one: Stepper::new(&hardware[..1], alone()?)?,
        untraced,
        split: Stepper::new(&hardware[..1], Schedule::named("zb-h1", 1, MICRO_BATCHES)?)?,
        all: Stepper::new(&hardware, schedule.clone())?,
        one_f_one_b: (bench.schedule != "1f1b")
            .then(|| Stepper::new(&hardware, Schedule::named("1f1b", ranks, MICRO_BATCHES)?))
            .transpose()?,
        side_by_side: hardware
            .iter()
            .map(|hardware| Stepper::new(std::slice::from_ref(hardware), alone()?))
            .collect::<Result<_, _>>()?,
    };
    contenders.round()?;
    contenders.one.measured = Measured::default();
    contenders.split.measured = Measured::default();
    let rounds = (1..rounds).map(|_| contenders.round());
    let rounds = rounds.collect::<Result<Vec<_>, _>>()?;
    contenders.progress.finish_and_clear();
    let of = |part: fn(&Round) -> f64| median(rounds.iter().map(part).collect());
    let [one, split] = [&mut contenders.one, &mut contenders.split].map(Stepper::settled);
    let bound = bound(&schedule, &one?, &split?);
    let figures = Figures {
        format: "trainyard-bench-pipeline",
        version: 3,
        devices: hardware.iter().map(|hardware| hardware.adapter.clone()).collect(),
        schedule: bench.schedule.clone(),
        plain_burn_ms: of(|round| round.plain),
        one_device_ms: of(|round| round.one),
        all_devices_ms: of(|round| round.all),
        naive_ms: of(|round| round.naive),
        rows_per_s: (MICRO_BATCHES * ROWS) as f64 * 1e3 / of(|round| round.all),
        overhead: of(|round| round.one / round.plain),
        tracing: of(|round| round.one / round.untraced),
        splitting: of(|round| round.split / round.one),
        speed_up: of(|round| round.one / round.all),
        over_1f1b: of(|round| round.one_f_one_b / round.all),
        over_naive: of(|round| round.naive / round.all),
        interference: of(|round| round.one / round.side_by_side),
        bound: bound.unwrap_or_else(|| closed_form(ranks, MICRO_BATCHES)),
        closed_form: closed_form(ranks, MICRO_BATCHES),
    };
    print(&figures, bench).map_err(RunError::io("write to", "the terminal"))
}

impl Contenders {
    fn round(&mut self) -> Result<Round, RunError> {
        let Self {
            progress,
            pool,
            plain,
            naive,
            one,
            untraced,
            split,
            all,
            one_f_one_b,
            side_by_side,
        } = self;
        let part = |what: &'static str, step: &mut dyn FnMut() -> Result<(), EngineError>| {
            progress.set_message(what);
            let time = median_ms(step);
            progress.inc(1);
            time
        };
        let plain = part("a plain Burn loop", &mut || {
            pool.install(|| plain.step(micro_batches())).map(drop)
        })?;
        let one = part("one device", &mut || one.step())?;
        let untraced = part("one device without a trace", &mut || untraced.step())?;
        let split = part("one device with split backwards", &mut || split.step())?;
        let all = part("all devices", &mut || all.step())?;
        let one_f_one_b = if let Some(stepper) = one_f_one_b {
            part("all devices under 1f1b", &mut || stepper.step())?
        } else {
            progress.inc(1);
            all
        };
        let naive = part("one graph with a to_device in it", &mut || {
            pool.install(|| naive.step(vec![whole_batch()])).map(drop)
        })?;
        progress.set_message("one-device pipelines side by side");
        let times = std::thread::scope(|scope| {
            let runs = side_by_side
                .iter_mut()
                .map(|stepper| scope.spawn(|| median_ms(|| stepper.step())))
                .collect::<Vec<_>>();
            let failed =
                |_| RunError::Engine(EngineError::Driver { message: "it panicked".into() });
            runs.into_iter().map(|run| run.join().map_err(failed)?).collect::<Result<Vec<_>, _>>()
        })?;
        let side_by_side = times[0];
        progress.inc(1);
        Ok(Round { plain, naive, one, untraced, split, all, one_f_one_b, side_by_side })
    }
}

impl Stepper {
    fn new(hardware: &[DeviceInfo], schedule: Schedule) -> Result<Self, RunError> {
        let devices = open(hardware)?;
        let plan = plan(schedule, |rank| devices[rank].id().to_owned());
        let optimizer = GroupedOptimizer::from(AdamW::default());
        let sample = micro_batches().swap_remove(0);
        let settings = DeriveSettings { seed: 1, optimizer: &optimizer, portable: false };
        let model = derive_profile(&Blocks, &MeanSquaredError, &sample, &settings, &|_, _| {})?;
        let offers = devices.iter().map(|device| (device.id(), device.capacity_bytes()));
        let profile = Profile::of_budgets(model, offers, MICRO_BATCHES);
        let options = Options { seed: 1, optimizer, clip: Some(1.0), rows: ROWS };
        let (model, objective) = (Arc::new(Blocks), Arc::new(MeanSquaredError));
        let pipeline = Pipeline::distribute(model, objective, &profile, &plan, devices, options)?;
        Ok(Self { pipeline, steps: 0, measured: Measured::default() })
    }

    fn step(&mut self) -> Result<(), EngineError> {
        self.steps += 1;
        let result = self.pipeline.step(self.steps, 1e-3, micro_batches())?;
        self.measured.events.extend(result.measured.events);
        Ok(())
    }

    /// All that was measured, with what the device tells after its last step.
    fn settled(&mut self) -> Result<Measured, EngineError> {
        let last = self.pipeline.settle()?.events;
        self.measured.events.extend(last);
        Ok(std::mem::take(&mut self.measured))
    }
}

pub(super) fn hardware(adapters: &[String]) -> Result<Vec<DeviceInfo>, RunError> {
    let machine = machine_for(adapters.iter().map(String::as_str));
    let chosen = adapters.iter().map(|adapter| Ok(select(&machine, adapter)?));
    let chosen = chosen.collect::<Result<Vec<_>, RunError>>()?;
    if chosen.is_empty() || chosen.len() > BLOCKS {
        return Err(RunError::BadValue {
            key: "--devices".to_owned(),
            value: format!("{} adapters", chosen.len()),
            must: format!("1 to {BLOCKS}, a block for each at least"),
        });
    }
    Ok(chosen)
}

pub(super) fn open(hardware: &[DeviceInfo]) -> Result<Vec<Device>, EngineError> {
    let named = hardware.iter().enumerate();
    named.map(|(rank, it)| Device::open(format!("device{rank}"), it, 4 << 30, 1)).collect()
}

/// Equal shares of the blocks for the schedule's stages, on the device of each stage's rank.
fn plan(schedule: Schedule, device_of: impl Fn(usize) -> String) -> Plan {
    let owners = schedule.owners();
    let stages = owners.iter().enumerate().map(|(stage, rank)| Stage {
        device: device_of(*rank),
        layers: (stage * BLOCKS / owners.len(), (stage + 1) * BLOCKS / owners.len()),
        recompute: Recompute::None,
    });
    Plan::new("blocks", stages.collect(), schedule, MICRO_BATCHES)
}

/// How many times as fast as one device all of them could be under a schedule: as simulated, from the
/// times that one device took for a block's forward and backward, and for the halves of a split one,
/// with links that take no time.
fn bound(schedule: &Schedule, one: &Measured, split: &Measured) -> Option<f64> {
    let time = |measured: &Measured, kind: ActionKind| {
        let of_part = measured.events.iter().filter(|event| event.lane == Lane::Compute);
        let times = of_part.filter(|event| event.action.kind == kind);
        let times: Vec<f64> = times.map(|event| event.duration_ns() as f64 / 1e3).collect();
        (!times.is_empty()).then(|| median(times) / BLOCKS as f64)
    };
    let forward = time(one, ActionKind::Forward)?;
    let backward = time(one, ActionKind::Backward)?;
    let [input, weights] =
        [time(split, ActionKind::InputGrad)?, time(split, ActionKind::WeightGrad)?];
    let input_share = input / (input + weights);
    let ranks = schedule.ranks.len();
    let ids: Vec<String> = (0..ranks).map(|rank| rank.to_string()).collect();
    let layers = (0..BLOCKS)
        .map(|index| LayerProfile { name: index.to_string(), ..LayerProfile::default() });
    let model = ModelProfile { layers: layers.collect(), ..ModelProfile::default() };
    let offers = ids.iter().map(|id| (id.as_str(), 1));
    let mut profile = Profile::of_budgets(model, offers, MICRO_BATCHES);
    for device in &mut profile.devices {
        device.forward_us = vec![forward; BLOCKS];
        device.input_grad_us = vec![backward * input_share; BLOCKS];
        device.weight_grad_us = vec![backward * (1.0 - input_share); BLOCKS];
    }
    let plan = plan(schedule.clone(), |rank| ids[rank].clone());
    let step_us = simulate(&profile, &plan).ok()?.step_us;
    Some((MICRO_BATCHES * BLOCKS) as f64 * (forward + backward) / step_us)
}

fn median_ms(mut step: impl FnMut() -> Result<(), EngineError>) -> Result<f64, RunError> {
    let mut times = Vec::with_capacity(STEPS);
    for _ in 0..STEPS {
        let start = Instant::now();
        step()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times))
}
