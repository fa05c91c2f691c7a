//! Rules of a list schedule.

use crate::costs::PipelineCosts;

/// The operation that a rank prefers where a forward and a backward are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    Backward,
    Forward,
    /// The kind it did not do last.
    Alternate,
}

/// Rules by which a free rank chooses its next operation.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Whether backwards are split into I and W.
    pub(super) split_backward: bool,
    /// Most micro-batches between F and B or I, by stage; at least 1.
    pub(super) depth: Vec<usize>,
    /// Weight gradients that a rank may put off; beyond, they come before all else.
    pub(super) weights_pending: Vec<usize>,
    pub(super) prefer: Prefer,
    /// An operation waits for a better one that can start within this share of its own time.
    pub(super) patience: f64,
    /// Whether a forward leaves room for a backward's workspace and for buffers. Without, more is in
    /// flight, and the order may turn out not to fit.
    pub(super) careful: bool,
}

/// Micro-batches between F and B or I of each stage where the slowest rank never waits: the time
/// from the stage to the last one and back ÷ the slowest rank's time for one micro-batch.
pub(super) fn round_trips(costs: &PipelineCosts, split_backward: bool) -> Vec<f64> {
    let mut rank_us = vec![0.0; costs.ranks.len()];
    for stage in &costs.stages {
        rank_us[stage.rank] += stage.forward_us + stage.backward_us();
    }
    let slowest_us = rank_us.into_iter().fold(f64::MIN_POSITIVE, f64::max);
    let mut there_and_back_us = 0.0;
    let mut trips = vec![0.0; costs.stages.len()];
    for (index, stage) in costs.stages.iter().enumerate().rev() {
        let next = stage.outputs.iter().filter(|route| route.stage == index + 1);
        let back = costs.stages.get(index + 1).map(|next| &next.input_grads);
        let back = back.into_iter().flatten().filter(|route| route.stage == index);
        let links_us: f64 = next.chain(back).map(|route| route.transfer_us).sum();
        let back_us = if split_backward { stage.input_grad_us } else { stage.backward_us() };
        there_and_back_us += stage.forward_us + back_us + links_us;
        trips[index] = there_and_back_us / slowest_us;
    }
    trips
}
