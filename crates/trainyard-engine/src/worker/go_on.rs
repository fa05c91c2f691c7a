//! Sequences that go on a few positions at a time: what the layers hand to themselves is kept in between.

use trainyard_plan::Action;

use super::{Reply, Worker};
use crate::stage::Stage;
use crate::{EngineError, ForwardContext, MicroBatch, Tensors};

impl Worker {
    /// Forward of a sequence's next positions through the rank's stages. A first slice begins it anew.
    pub(super) fn go_on(
        &mut self,
        sequence: u64,
        positions: usize,
        micro_batch: MicroBatch,
    ) -> Result<Reply, EngineError> {
        let was_on = self.timeline.is_on();
        self.timeline.turn(false);
        let reply = self.next_positions(sequence, positions, micro_batch);
        self.timeline.turn(was_on);
        reply
    }

    fn next_positions(
        &mut self,
        sequence: u64,
        positions: usize,
        micro_batch: MicroBatch,
    ) -> Result<Reply, EngineError> {
        let context = ForwardContext { last_only: true, ..micro_batch.evaluation_context() };
        let before = self.carried.remove(&sequence);
        let mut before = if context.slice.is_first() {
            vec![Tensors::new(); self.stages.len()]
        } else {
            before.ok_or_else(|| {
                EngineError::internal(format!("nothing was kept of sequence {sequence}"))
            })?
        };
        let mut reply = Reply::Nothing;
        // Sequences follow each other over every link in the order in which they were asked for.
        let mut micro_batches = [micro_batch];
        for (position, carried) in before.iter_mut().enumerate() {
            let action = Action::forward(self.stages[position].index, 0);
            self.begin(action);
            let mut input = self.input_of(position, action, &mut micro_batches)?;
            input.extend(std::mem::take(carried));
            let outputs = self.stages[position].run_without_graph(input, &context)?;
            let (handed_on, outputs) = Stage::without_carried(outputs);
            *carried = handed_on;
            if self.stages[position].is_last() {
                let outputs = outputs.map(|value| value.last_of(positions));
                reply = Reply::Output(outputs.into_data()?);
            } else {
                self.send_outputs(position, action, &outputs)?;
            }
        }
        if !context.slice.is_last() {
            self.carried.insert(sequence, before);
        }
        Ok(reply)
    }

    /// Keeps nothing of a sequence any more, or of all.
    pub(super) fn forget(&mut self, sequence: Option<u64>) {
        match sequence {
            Some(sequence) => drop(self.carried.remove(&sequence)),
            None => self.carried.clear(),
        }
    }
}
