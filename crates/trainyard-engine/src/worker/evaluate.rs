//! Forwards without training: evaluation, generation, and looking for what is not a number.

use burn::tensor::TensorData;
use trainyard_plan::{Action, ActionKind};

use super::{LossValues, Reply, Worker};
use crate::objective::Loss;
use crate::{EngineError, ForwardContext, HostTensors, MicroBatch, Tensors};

impl Worker {
    pub(super) fn evaluate(
        &mut self,
        mut micro_batches: Vec<MicroBatch>,
        find_not_finite_in: Option<u64>,
    ) -> Result<Reply, EngineError> {
        let mut losses = Vec::new();
        let mut not_finite = Vec::new();
        for micro_batch in 0..micro_batches.len() {
            let context = match find_not_finite_in {
                Some(step) => self.training_context(step, micro_batch),
                None => ForwardContext::default(),
            };
            for position in 0..self.stages.len() {
                let action = Action::forward(self.stages[position].index, micro_batch);
                self.current = Some(action);
                let input = self.input_of(position, action, &mut micro_batches)?;
                let targets = self.targets_of(position, &mut micro_batches, micro_batch)?;
                let stage = &self.stages[position];
                let outputs = stage.run_without_graph(input, &context)?;
                let look = find_not_finite_in.is_some() && !not_finite.contains(&stage.index);
                if look && !are_finite(outputs.clone())? {
                    not_finite.push(stage.index);
                }
                match targets {
                    Some(targets) => losses.push(self.context.objective.loss(outputs, targets)?),
                    None => self.send_outputs(position, action, &outputs)?,
                }
            }
        }
        self.events.clear();
        let losses = losses.into_iter().map(read_loss).collect::<Result<_, _>>()?;
        Ok(Reply::Evaluated { losses, not_finite })
    }

    pub(super) fn output(&mut self, inputs: HostTensors) -> Result<Reply, EngineError> {
        let context = ForwardContext::default();
        let mut micro_batches = [MicroBatch { tensors: inputs, rows: 1 }];
        let mut reply = Reply::Done;
        for position in 0..self.stages.len() {
            let action = Action::forward(self.stages[position].index, 0);
            self.current = Some(action);
            let input = self.input_of(position, action, &mut micro_batches)?;
            let outputs = self.stages[position].run_without_graph(input, &context)?;
            if self.stages[position].is_last() {
                reply = Reply::Output(outputs.into_data()?);
            } else {
                let kind = ActionKind::Forward;
                self.send_outputs(position, Action { kind, ..action }, &outputs)?;
            }
        }
        self.events.clear();
        Ok(reply)
    }
}

pub(super) fn read_loss(loss: Loss) -> Result<LossValues, EngineError> {
    let Loss { loss, metrics } = loss;
    let read = |tensor: burn::tensor::Tensor<1>| {
        tensor.try_into_scalar::<f32>().map(f64::from).map_err(EngineError::driver)
    };
    let metrics = metrics.into_iter().map(|(name, value)| Ok((name, read(value)?)));
    Ok((read(loss)?, metrics.collect::<Result<_, EngineError>>()?))
}

fn are_finite(tensors: Tensors) -> Result<bool, EngineError> {
    let data = tensors.into_data()?;
    let floats = data.iter().map(|(_, data)| data).filter(|data| data.dtype().is_float());
    Ok(floats.flat_map(TensorData::iter::<f32>).all(f32::is_finite))
}
