//! Forwards without training: evaluation, generation, and looking for what is not a number.

use burn::tensor::{Tensor, TensorData};
use trainyard_plan::{Action, ActionKind};

use super::{Reply, Worker};
use crate::objective::{Loss, LossValues};
use crate::stage::Stage;
use crate::{EngineError, ForwardContext, HostTensors, MicroBatch, Tensors, Value};

impl Worker {
    pub(super) fn evaluate(
        &mut self,
        micro_batches: Vec<MicroBatch>,
    ) -> Result<Reply, EngineError> {
        let contexts: Vec<ForwardContext> =
            micro_batches.iter().map(MicroBatch::evaluation_context).collect();
        let run = |stage: &Stage, context: &ForwardContext, input| {
            stage.run_without_graph(input, context)
        };
        Ok(Reply::Evaluated(self.forwards(micro_batches, &contexts, run)?))
    }

    /// Layers do what they do in training: dropout, and the statistics of the micro-batch. What that
    /// does to buffers is undone.
    pub(super) fn find_not_finite(
        &mut self,
        step: u64,
        micro_batches: Vec<MicroBatch>,
    ) -> Result<Reply, EngineError> {
        let contexts: Vec<ForwardContext> = (0..)
            .zip(&micro_batches)
            .map(|(index, of)| self.training_context(step, index, of))
            .collect();
        let mut not_finite = Vec::new();
        self.stages.iter_mut().for_each(Stage::begin_step);
        self.forwards(micro_batches, &contexts, |stage, context, input| {
            let outputs = stage.run_untracked(input, context)?.map(Value::detach);
            if !not_finite.contains(&stage.index) && !are_finite(outputs.clone())? {
                not_finite.push(stage.index);
            }
            Ok(outputs)
        })?;
        self.stages.iter_mut().try_for_each(Stage::discard)?;
        Ok(Reply::NotFinite(not_finite))
    }

    /// Forwards through the rank's stages, one micro-batch after the other, and the losses. `run`
    /// gives a stage's outputs for a micro-batch's input. Slices of the same rows follow each other.
    fn forwards(
        &mut self,
        mut micro_batches: Vec<MicroBatch>,
        contexts: &[ForwardContext],
        mut run: impl FnMut(&Stage, &ForwardContext, Tensors) -> Result<Tensors, EngineError>,
    ) -> Result<Vec<LossValues>, EngineError> {
        let was_on = self.timeline.is_on();
        self.timeline.turn(false);
        let losses = self.all_forwards(&mut micro_batches, contexts, &mut run);
        self.timeline.turn(was_on);
        losses?.iter().map(read_loss).collect()
    }

    fn all_forwards(
        &mut self,
        micro_batches: &mut [MicroBatch],
        contexts: &[ForwardContext],
        run: &mut impl FnMut(&Stage, &ForwardContext, Tensors) -> Result<Tensors, EngineError>,
    ) -> Result<Vec<Loss>, EngineError> {
        let mut losses = Vec::new();
        // By stage of this rank.
        let mut carried = vec![Tensors::new(); self.stages.len()];
        for (micro_batch, context) in contexts.iter().enumerate() {
            for (position, carried) in carried.iter_mut().enumerate() {
                let action = Action::forward(self.stages[position].index, micro_batch);
                self.begin(action);
                let mut input = self.input_of(position, action, micro_batches)?;
                input.extend(std::mem::take(carried));
                let targets = self.targets_of(position, micro_batches, micro_batch)?;
                let outputs = run(&self.stages[position], context, input)?;
                let (handed_on, outputs) = Stage::without_carried(outputs);
                *carried = handed_on;
                match targets {
                    Some(targets) => losses.push(self.context.objective.loss(outputs, targets)?),
                    None => self.send_outputs(position, action, &outputs)?,
                }
            }
        }
        Ok(losses)
    }

    pub(super) fn output(&mut self, inputs: HostTensors) -> Result<Reply, EngineError> {
        let context = ForwardContext::default();
        let whole = MicroBatch { tensors: inputs, rows: 1, ..MicroBatch::default() };
        let mut micro_batches = [whole];
        let mut reply = Reply::Done;
        let was_on = self.timeline.is_on();
        self.timeline.turn(false);
        for position in 0..self.stages.len() {
            let action = Action::forward(self.stages[position].index, 0);
            self.begin(action);
            let input = self.input_of(position, action, &mut micro_batches)?;
            let outputs = self.stages[position].run_without_graph(input, &context)?;
            if self.stages[position].is_last() {
                reply = Reply::Output(outputs.into_data()?);
            } else {
                let kind = ActionKind::Forward;
                self.send_outputs(position, Action { kind, ..action }, &outputs)?;
            }
        }
        self.timeline.turn(was_on);
        Ok(reply)
    }
}

fn read_loss(loss: &Loss) -> Result<LossValues, EngineError> {
    let read = |number: Tensor<1>| number.try_into_scalar::<f32>().map_err(EngineError::driver);
    let numbers = loss.numbers().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(loss.values(&mut numbers.into_iter()))
}

fn are_finite(tensors: Tensors) -> Result<bool, EngineError> {
    let data = tensors.into_data()?;
    let floats = data.iter().map(|(_, data)| data).filter(|data| data.dtype().is_float());
    Ok(floats.flat_map(TensorData::iter::<f32>).all(f32::is_finite))
}
