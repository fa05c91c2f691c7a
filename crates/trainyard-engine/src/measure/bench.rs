//! One layer on one device, run over and over as a worker runs it.

use std::time::Instant;

use burn::tensor::TensorData;
use trainyard_plan::Recompute;
use trainyard_plan::noise::{Timing, is_steady, typical};

use super::cache_pressure::{CachePressure, PressureBytes};
use super::control::Control;
use super::layers::{LayerCost, MeasureSettings};
use crate::device::Begun;
use crate::layer::mix;
use crate::optimizer::Update;
use crate::stage::Stage;
use crate::{Activation, Device, EngineError, ForwardContext, MicroBatch, Model};

/// Rounds after which a device counts as warm, however much its times still change.
const WARM_UP_AT_MOST: usize = 8;
/// Two rounds in a row that differ by no more are those of a warm device.
const WARM: f64 = 0.1;

/// A stage of one layer, with everything that goes in and comes back.
pub(super) struct Bench<'a> {
    model: &'a dyn Model,
    device: &'a Device,
    settings: &'a MeasureSettings,
    control: &'a mut Control,
    stage: Stage,
    input: Vec<TensorData>,
    targets: Option<Vec<TensorData>>,
    /// Of the output; None for the last layer, which starts from the loss.
    gradient: Option<Vec<TensorData>>,
    pass: ForwardContext,
    updates: u64,
    rest: CachePressure,
}

/// What a bench is told of the layer.
pub(super) struct Subject<'a> {
    pub(super) names: &'a [String],
    /// Index in the model.
    pub(super) layer: usize,
    /// What the layer before gives; for the first layer the sample's inputs.
    pub(super) input: Vec<TensorData>,
    pub(super) sample: &'a MicroBatch,
    pub(super) rest_bytes: PressureBytes,
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
        model: &'a dyn Model,
        device: &'a Device,
        settings: &'a MeasureSettings,
        control: &'a mut Control,
        subject: Subject<'_>,
    ) -> Result<Self, EngineError> {
        let Subject { names, layer, input, sample, rest_bytes } = subject;
        let plan = trainyard_plan::Stage {
            device: device.id().to_owned(),
            layers: (layer, layer + 1),
            recompute: Recompute::None,
        };
        let stage = Stage::build(model, 0, &plan, names, settings.seed, device.burn())?;
        let targets = stage.is_last().then(|| sample.targets.clone());
        let pass = ForwardContext { training: true, seed: mix(&[settings.seed, 1]) };
        Ok(Self {
            model,
            device,
            settings,
            control,
            stage,
            input,
            targets,
            gradient: None,
            pass,
            updates: 0,
            rest: CachePressure::of(rest_bytes, device),
        })
    }

    /// Measures, and gives the output too. `go_on` is asked between runs.
    pub(super) fn run(
        mut self,
        go_on: &dyn Fn() -> Result<(), EngineError>,
    ) -> Result<(LayerCost, Vec<TensorData>), EngineError> {
        let (_, output) = self.forward()?;
        let output_bytes = output.bytes();
        let output = output.into_data()?;
        if !self.stage.is_last() {
            self.gradient = Some(random_like(&output, self.settings.seed));
        }
        self.backward()?;
        self.warm_up(go_on, |bench| Ok(bench.round()?.undisturbed_us()))?;
        let runs = self.control.runs();
        let rounds = self.samples(go_on, Self::round, Round::undisturbed_us)?;
        let disturbed = self.control.is_disturbed_since(runs);
        let typical_of = |part: fn(&Round) -> Timing| {
            typical(&rounds.iter().map(part).collect::<Vec<_>>(), disturbed)
        };
        let backward_us = typical_of(|round| round.backward);
        let (saved_bytes, work_bytes) = self.memory(output_bytes)?;
        let input_bytes = self.input_bytes();
        let param_bytes = self.param_bytes();
        let fastest = least(rounds.iter().map(|round| round.backward));
        let input_grad_us = backward_us * self.input_grad_share(go_on, fastest)?;
        let forwards: Vec<Timing> = rounds.iter().flat_map(|round| round.forward).collect();
        let cost = LayerCost {
            forward_us: typical(&forwards, disturbed),
            input_grad_us,
            weight_grad_us: backward_us - input_grad_us,
            optimizer_us: typical_of(|round| round.norm.plus(round.update)),
            norm_us: typical_of(|round| round.norm),
            param_bytes,
            input_bytes,
            output_bytes,
            saved_bytes,
            work_bytes,
        };
        Ok((cost, output))
    }

    /// Two micro-batches and an update. The second backward adds to the sums of the first, as all
    /// but one of a step do.
    fn round(&mut self) -> Result<Round, EngineError> {
        let first = self.forward()?.0;
        self.backward()?;
        let second = self.forward()?.0;
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

    fn forward(&mut self) -> Result<(Timing, Activation), EngineError> {
        self.rest.pass();
        let burn = self.device.burn();
        let input = Activation::from_data(self.input.clone(), burn)?;
        let targets = self.targets.clone().map(|data| Activation::from_data(data, burn));
        let targets = targets.transpose()?;
        self.device.wait()?;
        let begun = self.device.begin();
        let output = self.stage.forward(self.model, 0, input, targets, &self.pass)?;
        self.device.complete(begun)?;
        Ok((self.timing(begun), output))
    }

    fn backward(&mut self) -> Result<Timing, EngineError> {
        self.rest.pass();
        let gradient = self.upload_gradient()?;
        let begun = self.device.begin();
        let result = self.stage.backward(self.model, 0, gradient, 1.0, &self.pass)?;
        if let Some(gradients) = result.gradients {
            self.stage.accumulate(gradients);
        }
        self.device.complete(begun)?;
        Ok(self.timing(begun))
    }

    fn upload_gradient(&self) -> Result<Option<Activation>, EngineError> {
        let burn = self.device.burn();
        let gradient = self.gradient.clone().map(|data| Activation::from_data(data, burn));
        let gradient = gradient.transpose()?;
        self.device.wait()?;
        Ok(gradient)
    }

    fn norm(&mut self) -> Result<Timing, EngineError> {
        self.rest.update();
        let begun = self.device.begin();
        self.stage.squared_norms(self.device.is_cpu())?;
        self.device.complete(begun)?;
        Ok(self.timing(begun))
    }

    /// The learning rate is 0, so that weights stay what they are.
    fn update(&mut self) -> Result<Timing, EngineError> {
        self.rest.update();
        self.updates += 1;
        let update = Update { step: self.updates, learning_rate: 0.0, gradient_scale: 1.0 };
        let begun = self.device.begin();
        self.stage.update(&self.settings.optimizer, update)?;
        self.device.complete(begun)?;
        Ok(self.timing(begun))
    }

    /// The share of a backward that gives the input's gradient: what it takes with frozen weights.
    /// The two are timed one after the other, so the fastest of each are compared: other work on
    /// the machine lengthens the rest, and not by the same.
    fn input_grad_share(
        mut self,
        go_on: &dyn Fn() -> Result<(), EngineError>,
        fastest_backward_us: f64,
    ) -> Result<f64, EngineError> {
        if self.stage.is_first() {
            return Ok(0.0);
        }
        if self.param_bytes() == 0 {
            return Ok(1.0);
        }
        self.stage = self.stage.without_weight_gradients();
        let run = |bench: &mut Self| {
            bench.forward()?;
            bench.backward()
        };
        self.warm_up(go_on, |bench| Ok(run(bench)?.undisturbed_us()))?;
        let backwards = self.samples(go_on, run, Timing::undisturbed_us)?;
        Ok((least(backwards) / fastest_backward_us).clamp(0.0, 1.0))
    }

    /// Bytes kept from forward to backward, and those needed for a moment.
    ///
    /// A stage keeps its output too, which is the next layer's input where the two are in one
    /// stage; so it is counted there, and the last layer's by whoever adds the layers up.
    fn memory(&mut self, output_bytes: u64) -> Result<(Option<u64>, Option<u64>), EngineError> {
        // The sums of a step that has begun are there before; they are not this micro-batch's.
        self.forward()?;
        self.backward()?;
        let account = self.device.account();
        let Some((before, _)) = self.device.usage(0) else { return Ok((None, None)) };
        account.restart_peak();
        drop(self.forward()?);
        let (kept, in_forward) = self.device.usage(0).unwrap_or_default();
        let saved = kept.saturating_sub(before).saturating_sub(output_bytes);
        account.restart_peak();
        self.backward()?;
        let (_, in_backward) = self.device.usage(0).unwrap_or_default();
        if !self.device.is_cpu() {
            return Ok((Some(saved), None));
        }
        let held = before + saved;
        let forward = in_forward.saturating_sub(held);
        let backward = in_backward.saturating_sub(held + self.param_bytes());
        Ok((Some(saved), Some(forward.max(backward))))
    }

    /// How long an action took that has just ended.
    fn timing(&self, begun: Begun) -> Timing {
        let wall_us = begun.at.elapsed().as_nanos() as f64 / 1e3;
        let worked = begun.worked().filter(|_| tells_interruptions(self.device));
        // A device that is slowed down sleeps in proportion to its work.
        let own_us = worked.map(|worked| worked.as_nanos() as f64 / 1e3 * self.device.throttle());
        Timing { wall_us, own_us }
    }

    fn param_bytes(&self) -> u64 {
        let weights = self.stage.layers.iter().flat_map(|layer| &layer.weights);
        weights.map(|trained| 4 * trained.weight.elements() as u64).sum()
    }

    fn input_bytes(&self) -> u64 {
        self.input.iter().map(|data| data.as_bytes().len() as u64).sum()
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

/// Numbers from -1 to 1 in the shapes of an output's floating-point tensors.
fn random_like(output: &[TensorData], seed: u64) -> Vec<TensorData> {
    let floats = output.iter().filter(|data| data.dtype().is_float());
    let random = |data: &TensorData| {
        let shape = data.shape().clone();
        let number = |i| (mix(&[seed, 2, i as u64]) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
        TensorData::new((0..shape.num_elements()).map(number).collect::<Vec<f32>>(), shape)
    };
    floats.map(random).collect()
}
