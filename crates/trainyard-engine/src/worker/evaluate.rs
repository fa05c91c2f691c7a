//! Forwards without training: evaluation, generation, and looking for what is not a number.

use burn::tensor::{Tensor, TensorData};
use trainyard_plan::{Action, ActionKind};

use super::{Reply, Worker};
use crate::{Activation, EngineError, ForwardContext, MicroBatch};

impl Worker {
    pub(super) fn evaluate(
        &mut self,
        mut micro_batches: Vec<MicroBatch>,
        find_not_finite_in: Option<u64>,
    ) -> Result<Reply, EngineError> {
        let mut losses = Vec::new();
        let mut not_finite = Vec::new();
        for micro_batch in 0..micro_batches.len() {
            let pass = match find_not_finite_in {
                Some(step) => self.training_pass(step, micro_batch),
                None => ForwardContext { training: false, seed: 0 },
            };
            for position in 0..self.stages.len() {
                let action = Action::forward(self.stages[position].index, micro_batch);
                self.current = Some(action);
                let input = self.input_of(position, action, &mut micro_batches)?;
                let targets = self.targets_of(position, &mut micro_batches, micro_batch)?;
                let stage = &self.stages[position];
                let output = stage.run_without_graph(input, &pass)?;
                let look = find_not_finite_in.is_some() && !not_finite.contains(&stage.index);
                if look && !is_finite(output.clone())? {
                    not_finite.push(stage.index);
                }
                match targets {
                    Some(targets) => losses.push(self.start.model.loss(output, targets)?),
                    None => self.send(
                        position,
                        Action { kind: ActionKind::SendForward, ..action },
                        output,
                    )?,
                }
            }
        }
        self.events.clear();
        let losses = losses.into_iter().map(read_loss).collect::<Result<_, _>>()?;
        Ok(Reply::Evaluated { losses, not_finite })
    }

    pub(super) fn output(&mut self, inputs: Vec<TensorData>) -> Result<Reply, EngineError> {
        let pass = ForwardContext { training: false, seed: 0 };
        let mut micro_batches = [MicroBatch { inputs, targets: Vec::new(), rows: 1 }];
        let mut reply = Reply::Done;
        for position in 0..self.stages.len() {
            let action = Action::forward(self.stages[position].index, 0);
            self.current = Some(action);
            let input = self.input_of(position, action, &mut micro_batches)?;
            let output = self.stages[position].run_without_graph(input, &pass)?;
            if self.stages[position].is_last() {
                reply = Reply::Output(output.into_data()?);
            } else {
                self.send(position, Action { kind: ActionKind::SendForward, ..action }, output)?;
            }
        }
        self.events.clear();
        Ok(reply)
    }
}

pub(super) fn read_loss(loss: Tensor<1>) -> Result<f64, EngineError> {
    loss.try_into_scalar::<f32>().map(f64::from).map_err(EngineError::driver)
}

fn is_finite(activation: Activation) -> Result<bool, EngineError> {
    let data = activation.into_data()?;
    let floats = data.iter().filter(|data| data.dtype().is_float());
    Ok(floats.flat_map(TensorData::iter::<f32>).all(f32::is_finite))
}
