//! One layer on one device, run over and over as a worker runs it.

use burn::tensor::TensorData;
use trainyard_plan::Recompute;

use super::cache_pressure::{CachePressure, PressureBytes};
use super::layers::{LayerCost, MeasureSettings};
use super::median_of_means;
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
        model: &'a dyn Model,
        device: &'a Device,
        settings: &'a MeasureSettings,
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
        self.warm_up(go_on, |bench| {
            let round = bench.round()?;
            Ok(round.forward[1] + round.backward + round.update)
        })?;
        let rounds = self.samples(go_on, Self::round)?;
        let backward_us = median_of_means(rounds.iter().map(|round| round.backward));
        let (saved_bytes, workspace_bytes) = self.memory(output_bytes)?;
        let input_bytes = self.input_bytes();
        let param_bytes = self.param_bytes();
        let fastest = least(rounds.iter().map(|round| round.backward));
        let input_grad_us = backward_us * self.input_grad_share(go_on, fastest)?;
        let cost = LayerCost {
            forward_us: median_of_means(rounds.iter().flat_map(|round| round.forward)),
            input_grad_us,
            weight_grad_us: backward_us - input_grad_us,
            optimizer_us: median_of_means(rounds.iter().map(|round| round.norm + round.update)),
            norm_us: median_of_means(rounds.iter().map(|round| round.norm)),
            param_bytes,
            input_bytes,
            output_bytes,
            saved_bytes,
            workspace_bytes,
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

    fn forward(&mut self) -> Result<(f64, Activation), EngineError> {
        self.rest.pass();
        let burn = self.device.burn();
        let input = Activation::from_data(self.input.clone(), burn)?;
        let targets = self.targets.clone().map(|data| Activation::from_data(data, burn));
        let targets = targets.transpose()?;
        self.device.wait()?;
        let begun = self.device.begin();
        let output = self.stage.forward(self.model, 0, input, targets, &self.pass)?;
        self.device.complete(begun)?;
        Ok((micros(begun), output))
    }

    fn backward(&mut self) -> Result<f64, EngineError> {
        self.rest.pass();
        let gradient = self.upload_gradient()?;
        let begun = self.device.begin();
        let result = self.stage.backward(self.model, 0, gradient, 1.0, &self.pass)?;
        if let Some(gradients) = result.gradients {
            self.stage.accumulate(gradients);
        }
        self.device.complete(begun)?;
        Ok(micros(begun))
    }

    fn upload_gradient(&self) -> Result<Option<Activation>, EngineError> {
        let burn = self.device.burn();
        let gradient = self.gradient.clone().map(|data| Activation::from_data(data, burn));
        let gradient = gradient.transpose()?;
        self.device.wait()?;
        Ok(gradient)
    }

    fn norm(&mut self) -> Result<f64, EngineError> {
        self.rest.update();
        let begun = self.device.begin();
        self.stage.squared_norms(self.device.is_cpu())?;
        self.device.complete(begun)?;
        Ok(micros(begun))
    }

    /// The learning rate is 0, so that weights stay what they are.
    fn update(&mut self) -> Result<f64, EngineError> {
        self.rest.update();
        self.updates += 1;
        let update = Update { step: self.updates, learning_rate: 0.0, gradient_scale: 1.0 };
        let begun = self.device.begin();
        self.stage.update(&self.settings.optimizer, update)?;
        self.device.complete(begun)?;
        Ok(micros(begun))
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
        self.warm_up(go_on, run)?;
        Ok((least(self.samples(go_on, run)?) / fastest_backward_us).clamp(0.0, 1.0))
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

    fn param_bytes(&self) -> u64 {
        let weights = self.stage.layers.iter().flat_map(|layer| &layer.weights);
        weights.map(|trained| 4 * trained.weight.elements() as u64).sum()
    }

    fn input_bytes(&self) -> u64 {
        self.input.iter().map(|data| data.as_bytes().len() as u64).sum()
    }
}

fn least(times: impl IntoIterator<Item = f64>) -> f64 {
    times.into_iter().fold(f64::INFINITY, f64::min)
}

fn micros(begun: Begun) -> f64 {
    begun.at.elapsed().as_nanos() as f64 / 1e3
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
