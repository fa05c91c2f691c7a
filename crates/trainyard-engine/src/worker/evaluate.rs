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
        let context = ForwardContext::default();
        let losses = self
            .forwards(micro_batches, |stage, _, input| stage.run_without_graph(input, &context))?;
        Ok(Reply::Evaluated(losses))
    }

    /// Layers do what they do in training: dropout, and the statistics of the micro-batch. What that
    /// does to buffers is undone.
    pub(super) fn find_not_finite(
        &mut self,
        step: u64,
        micro_batches: Vec<MicroBatch>,
    ) -> Result<Reply, EngineError> {
        let contexts: Vec<ForwardContext> =
            (0..micro_batches.len()).map(|index| self.training_context(step, index)).collect();
        let mut not_finite = Vec::new();
        self.stages.iter_mut().for_each(Stage::begin_step);
        self.forwards(micro_batches, |stage, micro_batch, input| {
            let outputs = stage.run_untracked(input, &contexts[micro_batch])?.map(Value::detach);
            if !not_finite.contains(&stage.index) && !are_finite(outputs.clone())? {
                not_finite.push(stage.index);
            }
            Ok(outputs)
        })?;
        self.stages.iter_mut().try_for_each(Stage::discard)?;
        Ok(Reply::NotFinite(not_finite))
    }

    /// Forwards through the rank's stages, one micro-batch after the other, and the losses. `run`
    /// gives a stage's outputs for a micro-batch's input.
    fn forwards(
        &mut self,
        mut micro_batches: Vec<MicroBatch>,
        mut run: impl FnMut(&Stage, usize, Tensors) -> Result<Tensors, EngineError>,
    ) -> Result<Vec<LossValues>, EngineError> {
        let was_on = self.timeline.is_on();
        self.timeline.turn(false);
        let losses = self.all_forwards(&mut micro_batches, &mut run);
        self.timeline.turn(was_on);
        losses?.iter().map(read_loss).collect()
    }

    fn all_forwards(
        &mut self,
        micro_batches: &mut [MicroBatch],
        run: &mut impl FnMut(&Stage, usize, Tensors) -> Result<Tensors, EngineError>,
    ) -> Result<Vec<Loss>, EngineError> {
        let mut losses = Vec::new();
        for micro_batch in 0..micro_batches.len() {
            for position in 0..self.stages.len() {
                let action = Action::forward(self.stages[position].index, micro_batch);
                self.begin(action);
                let input = self.input_of(position, action, micro_batches)?;
                let targets = self.targets_of(position, micro_batches, micro_batch)?;
                let outputs = run(&self.stages[position], micro_batch, input)?;
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
        let mut micro_batches = [MicroBatch { tensors: inputs, rows: 1 }];
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
