//! Times one layer on one device, run over and over as a worker runs it.

use std::time::Instant;

use trainyard_plan::noise::{Timing, is_steady, typical};

use super::cache_pressure::{CachePressure, PressureBytes};
use super::control::Control;
use super::costs::{LayerCost, MeasureSettings};
use super::layer_runner::{LayerRunner, Subject};
use crate::device::Begun;
use crate::{Device, EngineError, HostTensors};

/// Rounds after which a device counts as warm, however much its times still change.
const WARM_UP_AT_MOST: usize = 8;
/// Two rounds in a row that differ by no more are those of a warm device.
const WARM: f64 = 0.1;

/// A layer that is timed.
pub(super) struct Bench<'a> {
    device: &'a Device,
    settings: &'a MeasureSettings,
    control: &'a mut Control,
    runner: LayerRunner<'a>,
    pressure: CachePressure,
}

/// How long the parts of one round took.
struct Round {
    forward: [Timing; 2],
    backward: Timing,
    norm: Timing,
    update: Timing,
}

impl Round {
    /// What the round would have taken undisturbed, as far as one can tell, µs.
    fn undisturbed_us(&self) -> f64 {
        let parts = [self.forward[1], self.backward, self.norm, self.update];
        parts.iter().map(Timing::undisturbed_us).sum()
    }
}

impl<'a> Bench<'a> {
    /// Makes the layer.
    pub(super) fn make(
        device: &'a Device,
        (settings, pressure): (&'a MeasureSettings, PressureBytes),
        control: &'a mut Control,
        subject: Subject<'a>,
    ) -> Result<Self, EngineError> {
        let runner = LayerRunner::make(subject, device)?;
        let pressure = CachePressure::of(pressure, device);
        Ok(Self { device, settings, control, runner, pressure })
    }

    /// Measures, and gives the outputs too. `go_on` is asked between runs.
    pub(super) fn run(
        mut self,
        go_on: &dyn Fn() -> Result<(), EngineError>,
    ) -> Result<(LayerCost, HostTensors), EngineError> {
        let outputs = self.runner.first_run()?;
        self.warm_up(go_on, |bench| Ok(bench.round()?.undisturbed_us()))?;
        let runs = self.control.runs();
        let rounds = self.samples(go_on, Self::round, Round::undisturbed_us)?;
        let disturbed = self.control.is_disturbed_since(runs);
        let typical_of = |part: fn(&Round) -> Timing| {
            typical(&rounds.iter().map(part).collect::<Vec<_>>(), disturbed)
        };
        let backward_us = typical_of(|round| round.backward);
        let bytes = self.runner.bytes()?;
        // Where no backward comes, no time passes.
        let backward_us = if self.runner.stage().goes_back() { backward_us } else { 0.0 };
        let input_grad_us = backward_us * self.input_grad_share(go_on, bytes.splits)?;
        let forwards: Vec<Timing> = rounds.iter().flat_map(|round| round.forward).collect();
        let cost = LayerCost {
            forward_us: typical(&forwards, disturbed),
            input_grad_us,
            weight_grad_us: backward_us - input_grad_us,
            optimizer_us: typical_of(|round| round.norm.plus(round.update)),
            norm_us: typical_of(|round| round.norm),
            saved_bytes: bytes.saved,
            output_saved_bytes: bytes.output_saved,
            input_saved_bytes: bytes.input_saved,
            weight_saved_bytes: bytes.weight_saved,
            workspace_bytes: bytes.workspace,
        };
        Ok((cost, outputs))
    }

    /// Two micro-batches and an update. The second backward adds to the sums of the first, as all
    /// but one of a step do.
    fn round(&mut self) -> Result<Round, EngineError> {
        let first = self.forward()?;
        self.backward()?;
        let second = self.forward()?;
        let backward = self.backward()?;
        let forward = [first, second];
        Ok(Round { forward, backward, norm: self.norm()?, update: self.update()? })
    }

    fn warm_up(
        &mut self,
        go_on: &dyn Fn() -> Result<(), EngineError>,
        mut round: impl FnMut(&mut Self) -> Result<f64, EngineError>,
    ) -> Result<(), EngineError> {
        let mut before = f64::INFINITY;
        for _ in 0..WARM_UP_AT_MOST {
            go_on()?;
            let now = round(self)?;
            if (now - before).abs() <= WARM * before {
                break;
            }
            before = now;
        }
        Ok(())
    }

    /// Runs until there are enough samples. `undisturbed_us` is what one of them says.
    fn samples<T>(
        &mut self,
        go_on: &dyn Fn() -> Result<(), EngineError>,
        run: impl Fn(&mut Self) -> Result<T, EngineError>,
        undisturbed_us: impl Fn(&T) -> f64,
    ) -> Result<Vec<T>, EngineError> {
        let began = Instant::now();
        let runs = self.control.runs();
        let (mut samples, mut series) = (Vec::new(), Vec::new());
        while !self.is_enough(began, runs, &series) {
            go_on()?;
            let sample = run(self)?;
            self.control.check();
            series.push(undisturbed_us(&sample));
            samples.push(sample);
        }
        Ok(samples)
    }

    /// On a quiet machine as many samples and as long as the settings say. On a busy one until more
    /// would tell the same, for which a clock must tell interruptions apart; else to the last
    /// moment, so that a pause of the other programs is met.
    fn is_enough(&self, began: Instant, runs: usize, series: &[f64]) -> bool {
        let MeasureSettings { samples, at_least, at_most, .. } = *self.settings;
        let took = began.elapsed();
        if series.len() < samples.max(1) || took < at_least {
            return false;
        }
        took >= at_most
            || !self.control.is_disturbed_since(runs)
            || (tells_interruptions(self.device) && is_steady(series))
    }

    fn forward(&mut self) -> Result<Timing, EngineError> {
        self.pressure.pass();
        let uploaded = self.runner.upload()?;
        let begun = self.device.begin();
        // What it gives is dropped after the clock has stopped.
        let _outputs = self.runner.run_forward(uploaded)?;
        self.device.complete(begun)?;
        Ok(self.timing(begun))
    }

    fn backward(&mut self) -> Result<Timing, EngineError> {
        self.pressure.pass();
        let gradients = self.runner.upload_gradients()?;
        let begun = self.device.begin();
        self.runner.run_backward(gradients)?;
        self.device.complete(begun)?;
        Ok(self.timing(begun))
    }

    fn norm(&mut self) -> Result<Timing, EngineError> {
        self.pressure.update();
        let begun = self.device.begin();
        self.runner.run_norms()?;
        self.device.complete(begun)?;
        Ok(self.timing(begun))
    }

    fn update(&mut self) -> Result<Timing, EngineError> {
        self.pressure.update();
        let begun = self.device.begin();
        self.runner.run_update(&self.settings.optimizer)?;
        self.device.complete(begun)?;
        Ok(self.timing(begun))
    }

    /// The share of a backward that gives the inputs' gradients. Its halves are timed one after the
    /// other, and the fastest of each compared: other work on the machine lengthens the rest, and not by
    /// the same.
    fn input_grad_share(
        &mut self,
        go_on: &dyn Fn() -> Result<(), EngineError>,
        splits: bool,
    ) -> Result<f64, EngineError> {
        if !splits {
            return Ok(1.0);
        }
        let us = |halves: &[Timing; 2]| halves.iter().map(Timing::undisturbed_us).sum();
        self.warm_up(go_on, |bench| Ok(us(&bench.halves()?)))?;
        let halves = self.samples(go_on, Self::halves, us)?;
        let fastest = |half: usize| least(halves.iter().map(|halves| halves[half]));
        let (input, weights) = (fastest(0), fastest(1));
        Ok((input / (input + weights)).clamp(0.0, 1.0))
    }

    /// A forward, and the two halves of its backward.
    fn halves(&mut self) -> Result<[Timing; 2], EngineError> {
        self.forward()?;
        self.pressure.pass();
        let gradients = self.runner.upload_gradients()?;
        let begun = self.device.begin();
        self.runner.run_input_backward(gradients)?;
        self.device.complete(begun)?;
        let input = self.timing(begun);
        self.pressure.pass();
        let begun = self.device.begin();
        self.runner.run_weight_backward()?;
        self.device.complete(begun)?;
        Ok([input, self.timing(begun)])
    }

    /// How long an action took that has just ended.
    fn timing(&self, begun: Begun) -> Timing {
        let wall_us = begun.at.elapsed().as_nanos() as f64 / 1e3;
        let worked = begun.worked().filter(|_| tells_interruptions(self.device));
        // A device that is slowed down sleeps in proportion to its work.
        let own_us = worked.map(|worked| worked.as_nanos() as f64 / 1e3 * self.device.throttle());
        Timing { wall_us, own_us }
    }
}

/// Whether the time in which a device's thread had a core can be told: all the work is done on that
/// thread, and the system's clock for it is a fine one.
fn tells_interruptions(device: &Device) -> bool {
    cfg!(unix) && device.is_cpu() && device.threads() == 1
}

fn least(timings: impl IntoIterator<Item = Timing>) -> f64 {
    timings.into_iter().map(|timing| timing.undisturbed_us()).fold(f64::INFINITY, f64::min)
}
