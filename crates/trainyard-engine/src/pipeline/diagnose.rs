//! What is done where something is not a number.

use super::{MicroBatch, Pipeline};
use crate::EngineError;
use crate::worker::{Command, Reply};

impl Pipeline {
    /// What the workers say of a step. Where one refuses to go on with its weights, the step is
    /// forgotten.
    pub(super) fn step_replies(&mut self) -> Result<Vec<Reply>, EngineError> {
        let replies = self.workers.collect_unless_refused();
        if matches!(replies, Err(EngineError::NotFiniteWeights { .. })) {
            self.workers.ask_all(|| Command::Discard)?;
            self.workers.collect()?;
        }
        replies
    }

    /// Refuses to go on from an update that has left numbers that are not finite.
    pub(super) fn check_weights(&mut self) -> Result<(), EngineError> {
        self.workers.ask_all(|| Command::CheckFinite)?;
        self.step_replies().map(drop)
    }

    /// Forgets the step's gradients and does its forwards again, looking at every stage's output.
    ///
    /// Forwards depend on nothing but weights, buffers, inputs and seed, so they go wrong again where
    /// they went wrong. Looking in every step would cost a read of every activation.
    pub(super) fn diagnose(
        &mut self,
        step: u64,
        loss: f64,
        norms: &[(usize, Vec<f64>)],
        micro_batches: Vec<MicroBatch>,
    ) -> Result<EngineError, EngineError> {
        self.workers.ask_all(|| Command::Discard)?;
        self.workers.collect()?;
        let command = |micro_batches| Command::FindNotFinite { step, micro_batches };
        self.workers.hand_out(&self.takes, micro_batches, command)?;
        let mut forward = Vec::new();
        for reply in self.workers.collect()? {
            if let Reply::NotFinite(of_rank) = reply {
                forward.extend(of_rank);
            }
        }
        // A backward goes from the last stage to the first, so that is the order in which a bad
        // gradient spreads.
        let bad_layer = norms.iter().rev().find(|(_, n)| n.iter().any(|norm| !norm.is_finite()));
        let in_backward = bad_layer.and_then(|(layer, _)| self.plan.stage_of_layer(*layer));
        let (what, stage) = match (forward.into_iter().min(), in_backward) {
            (Some(stage), _) => ("an activation", stage),
            (None, _) if !loss.is_finite() => ("the loss", self.plan.stages.len() - 1),
            (None, stage) => ("a gradient", stage.unwrap_or(0)),
        };
        let of_stage = &self.plan.stages[stage];
        Ok(EngineError::NotFinite {
            step,
            what: what.to_owned(),
            stage,
            device: of_stage.device.clone(),
            layers: self.layer_names[of_stage.layers.0..of_stage.layers.1].join(", "),
        })
    }
}
