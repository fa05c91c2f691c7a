//! The rules that a list schedule goes by.

use crate::costs::PipelineCosts;

/// What a rank does if both are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    Backward,
    Forward,
    /// The one it did not do last.
    Other,
}

/// What a free rank goes by.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Whether backwards are I and W, or B.
    pub(super) split: bool,
    /// By stage: the most micro-batches between F and B or I, at least 1.
    pub(super) depth: Vec<usize>,
    /// By rank: with more weight gradients to come than this, they come before all else.
    pub(super) weights_pending: Vec<usize>,
    pub(super) prefer: Prefer,
    /// A turn does not start if a better one can within this share of its time.
    pub(super) patience: f64,
    /// Several stages on a rank: a later stage's forward comes first within groups of so many
    /// micro-batches; 0 for always.
    pub(super) group: usize,
    /// Whether a forward leaves room for a backward's work and for buffers. Without, more is in
    /// flight, and it may turn out not to fit.
    pub(super) careful: bool,
}

/// By stage: how many micro-batches are between its F and its B or I if the slowest rank never
/// waits. This is the time from there to the end and back ÷ the slowest rank's time for one.
pub(super) fn round_trips(costs: &PipelineCosts, split: bool) -> Vec<f64> {
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
        let back_us = if split { stage.input_grad_us } else { stage.backward_us() };
        there_and_back_us += stage.forward_us + back_us + links_us;
        trips[index] = there_and_back_us / slowest_us;
    }
    trips
}
