//! Times one layer on one device, run over and over as a worker runs it.

use super::cache_pressure::{CachePressure, PressureBytes};
use super::layer_runner::{LayerRunner, Subject};
use super::layers::{LayerCost, MeasureSettings};
use super::median_of_means;
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
    runner: LayerRunner<'a>,
    pressure: CachePressure,
}

/// Microseconds of one round.
struct Round {
    forward: [f64; 2],
    backward: f64,
    norm: f64,
    update: f64,
}

impl<'a> Bench<'a> {
    /// Makes the layer.
    pub(super) fn make(
        device: &'a Device,
        settings: &'a MeasureSettings,
        pressure: PressureBytes,
        subject: Subject<'a>,
    ) -> Result<Self, EngineError> {
        let runner = LayerRunner::make(subject, device)?;
        Ok(Self { device, settings, runner, pressure: CachePressure::of(pressure, device) })
    }

    /// Measures, and gives the outputs too. `go_on` is asked between runs.
    pub(super) fn run(
        mut self,
        go_on: &dyn Fn() -> Result<(), EngineError>,
    ) -> Result<(LayerCost, HostTensors), EngineError> {
        let outputs = self.runner.first_run()?;
        self.warm_up(go_on, |bench| {
            let round = bench.round()?;
            Ok(round.forward[1] + round.backward + round.update)
        })?;
        let rounds = self.samples(go_on, Self::round)?;
        let backward_us = median_of_means(rounds.iter().map(|round| round.backward));
        let bytes = self.runner.bytes()?;
        let fastest = least(rounds.iter().map(|round| round.backward));
        let input_grad_us = backward_us * self.input_grad_share(go_on, fastest)?;
        let cost = LayerCost {
            forward_us: median_of_means(rounds.iter().flat_map(|round| round.forward)),
            input_grad_us,
            weight_grad_us: backward_us - input_grad_us,
            optimizer_us: median_of_means(rounds.iter().map(|round| round.norm + round.update)),
            norm_us: median_of_means(rounds.iter().map(|round| round.norm)),
            saved_bytes: bytes.saved,
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

    fn samples<T>(
        &mut self,
        go_on: &dyn Fn() -> Result<(), EngineError>,
        run: impl Fn(&mut Self) -> Result<T, EngineError>,
    ) -> Result<Vec<T>, EngineError> {
        let begun = self.device.begin();
        let mut samples = Vec::new();
        while samples.len() < self.settings.samples.max(1)
            || begun.at.elapsed() < self.settings.at_least
        {
            go_on()?;
            samples.push(run(self)?);
        }
        Ok(samples)
    }

    fn forward(&mut self) -> Result<f64, EngineError> {
        self.pressure.pass();
        let uploaded = self.runner.upload()?;
        let begun = self.device.begin();
        // What it gives is dropped after the clock has stopped.
        let _outputs = self.runner.run_forward(uploaded)?;
        self.device.complete(begun)?;
        Ok(micros(begun))
    }

    fn backward(&mut self) -> Result<f64, EngineError> {
        self.pressure.pass();
        let gradients = self.runner.upload_gradients()?;
        let begun = self.device.begin();
        self.runner.run_backward(gradients)?;
        self.device.complete(begun)?;
        Ok(micros(begun))
    }

    fn norm(&mut self) -> Result<f64, EngineError> {
        self.pressure.update();
        let begun = self.device.begin();
        self.runner.run_norms()?;
        self.device.complete(begun)?;
        Ok(micros(begun))
    }

    fn update(&mut self) -> Result<f64, EngineError> {
        self.pressure.update();
        let begun = self.device.begin();
        self.runner.run_update(&self.settings.optimizer)?;
        self.device.complete(begun)?;
        Ok(micros(begun))
    }

    /// The share of a backward that gives the inputs' gradients: what it takes with frozen weights.
    /// The two are timed one after the other, so the fastest of each are compared: other work on
    /// the machine lengthens the rest, and not by the same.
    fn input_grad_share(
        mut self,
        go_on: &dyn Fn() -> Result<(), EngineError>,
        fastest_backward_us: f64,
    ) -> Result<f64, EngineError> {
        if self.runner.stage().wiring.inputs.is_empty() {
            return Ok(0.0);
        }
        if self.runner.trained_bytes() == 0 {
            return Ok(1.0);
        }
        self.runner.freeze();
        let run = |bench: &mut Self| {
            bench.forward()?;
            bench.backward()
        };
        self.warm_up(go_on, run)?;
        Ok((least(self.samples(go_on, run)?) / fastest_backward_us).clamp(0.0, 1.0))
    }
}

fn least(times: impl IntoIterator<Item = f64>) -> f64 {
    times.into_iter().fold(f64::INFINITY, f64::min)
}

fn micros(begun: Begun) -> f64 {
    begun.at.elapsed().as_nanos() as f64 / 1e3
}
