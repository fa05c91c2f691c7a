//! What the bench times, in turn.

use indicatif::ProgressBar;
use trainyard_engine::{EngineError, Measured};
use trainyard_plan::{DeviceInfo, Schedule};

use super::super::devices::open;
use super::super::progress;
use super::blocks::{MICRO_BATCHES, PlainLoop, Shape, micro_batches, whole_batch};
use super::stepper::{Stepper, median_ms};
use super::torch::{Contender, Torch};
use crate::error::RunError;

/// Parts of a round, timed one after the other.
const PARTS: usize = 11;

/// What is measured, in turn.
pub(super) struct Contenders {
    shape: Shape,
    progress: ProgressBar,
    pool: rayon::ThreadPool,
    plain: PlainLoop,
    naive: PlainLoop,
    one: Stepper,
    untraced: Stepper,
    /// One device whose backwards are split, with nothing between the halves.
    split: Stepper,
    all: Stepper,
    /// The same devices with links that move nothing, where there are several.
    free: Option<Stepper>,
    /// The same devices under 1F1B, where the schedule is another.
    one_f_one_b: Option<Stepper>,
    /// A whole model on each device, all at the same time.
    side_by_side: Vec<Stepper>,
    pub(super) torch: Torch,
}

/// Times of one round, ms a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    pub(super) plain: f64,
    pub(super) naive: f64,
    pub(super) one: f64,
    pub(super) untraced: f64,
    pub(super) split: f64,
    pub(super) all: f64,
    pub(super) free: Option<f64>,
    pub(super) one_f_one_b: f64,
    pub(super) side_by_side: f64,
    /// PyTorch's loop and its pipelining.
    pub(super) torch: Option<[f64; 2]>,
}

impl Contenders {
    /// Makes them all; nothing is measured yet.
    ///
    /// # Errors
    /// When a device fails, or the model does not fit it.
    pub(super) fn new(
        shape: Shape,
        hardware: &[DeviceInfo],
        schedule: &Schedule,
        torch: Torch,
        rounds: usize,
    ) -> Result<Self, RunError> {
        let ranks = hardware.len();
        let alone = || Schedule::named("1f1b", 1, MICRO_BATCHES);
        let first = &hardware[..1];
        // Before anything else: whether the model fits.
        let one = Stepper::new(shape, first, alone()?)?;
        let mut untraced = Stepper::new(shape, first, alone()?)?;
        untraced.pipeline.trace(false)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.map_err(|error| EngineError::NoThread { reason: error.to_string() })?;
        let opened = open(hardware)?.iter().map(|it| it.burn().clone()).collect::<Vec<_>>();
        Ok(Self {
            shape,
            progress: progress(rounds * PARTS),
            plain: pool.install(|| PlainLoop::new(shape, &opened[..1])),
            naive: pool.install(|| PlainLoop::new(shape, &opened)),
            pool,
            one,
            untraced,
            split: Stepper::new(shape, first, Schedule::named("zb-h1", 1, MICRO_BATCHES)?)?,
            all: Stepper::new(shape, hardware, schedule.clone())?,
            free: (ranks > 1)
                .then(|| Stepper::with_free_links(shape, hardware, schedule.clone()))
                .transpose()?,
            one_f_one_b: (schedule.name != "1f1b")
                .then(|| Schedule::named("1f1b", ranks, MICRO_BATCHES))
                .transpose()?
                .map(|schedule| Stepper::new(shape, hardware, schedule))
                .transpose()?,
            side_by_side: hardware
                .iter()
                .map(|hardware| Stepper::new(shape, std::slice::from_ref(hardware), alone()?))
                .collect::<Result<_, _>>()?,
            torch,
        })
    }

    /// Forgets what one device has told until now.
    pub(super) fn warmed_up(&mut self) {
        self.one.measured = Measured::default();
        self.split.measured = Measured::default();
    }

    /// All that one device did: with whole backwards, and with split ones.
    pub(super) fn of_one_device(&mut self) -> Result<[Measured; 2], EngineError> {
        Ok([self.one.settled()?, self.split.settled()?])
    }

    /// Every contender's steps.
    pub(super) fn round(&mut self) -> Result<Round, RunError> {
        let Self { shape, progress, pool, plain, naive, torch, .. } = self;
        let shape = *shape;
        let part = |what: &'static str, step: &mut dyn FnMut() -> Result<(), EngineError>| {
            progress.set_message(what);
            let time = median_ms(step);
            progress.inc(1);
            time
        };
        let of = |what: &'static str, stepper: &mut Option<Stepper>| {
            if let Some(stepper) = stepper {
                return part(what, &mut || stepper.step()).map(Some);
            }
            progress.inc(1);
            Ok(None)
        };
        let mut of_torch = |what: &'static str, contender| {
            progress.set_message(what);
            let time = torch.median_ms(contender);
            progress.inc(1);
            time
        };
        let plain = part("a plain Burn loop", &mut || {
            pool.install(|| plain.step(micro_batches(shape))).map(drop)
        })?;
        let torch_plain = of_torch("a loop of PyTorch's", Contender::Plain);
        let one = part("one device", &mut || self.one.step())?;
        let untraced = part("one device without a trace", &mut || self.untraced.step())?;
        let split = part("one device with split backwards", &mut || self.split.step())?;
        let torch_all = of_torch("PyTorch's pipelining", Contender::Pipeline);
        let all = part("all devices", &mut || self.all.step())?;
        let free = of("all devices with links that move nothing", &mut self.free)?;
        let one_f_one_b = of("all devices under 1f1b", &mut self.one_f_one_b)?;
        let naive = part("one graph with a to_device in it", &mut || {
            pool.install(|| naive.step(vec![whole_batch(shape)])).map(drop)
        })?;
        progress.set_message("one-device pipelines side by side");
        let side_by_side = first_beside_others(&mut self.side_by_side)?;
        progress.inc(1);
        Ok(Round {
            plain,
            naive,
            one,
            untraced,
            split,
            all,
            free,
            one_f_one_b: one_f_one_b.unwrap_or(all),
            side_by_side,
            torch: torch_plain.zip(torch_all).map(Into::into),
        })
    }

    /// Takes the bar off the terminal.
    pub(super) fn done(&self) {
        self.progress.finish_and_clear();
    }
}

/// The time of the first while all take their steps, ms.
fn first_beside_others(steppers: &mut [Stepper]) -> Result<f64, RunError> {
    let times = std::thread::scope(|scope| {
        let runs = steppers
            .iter_mut()
            .map(|stepper| scope.spawn(|| median_ms(|| stepper.step())))
            .collect::<Vec<_>>();
        let failed = |_| RunError::Engine(EngineError::Driver { message: "it panicked".into() });
        runs.into_iter().map(|run| run.join().map_err(failed)?).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(times[0])
}
