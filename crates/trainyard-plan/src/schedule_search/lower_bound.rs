//! A step time that no schedule beats.

use crate::costs::{PipelineCosts, Route};

/// Lower bound of a step's time under any schedule, µs. Every rank waits until its first input can
/// be there, does all its actions and its optimizer step. With whole backwards, the gradient of its
/// last one still has to get to the first stage.
#[must_use]
pub fn lower_bound_us(costs: &PipelineCosts, micro_batches: usize, split_backward: bool) -> f64 {
    let mut busy_us = vec![0.0; costs.ranks.len()];
    for stage in &costs.stages {
        busy_us[stage.rank] += micro_batches as f64 * (stage.forward_us + stage.backward_us());
    }
    let mut seen = vec![false; costs.ranks.len()];
    let (mut there_us, mut back_us, mut bound_us) = (0.0, 0.0, 0.0_f64);
    for (index, stage) in costs.stages.iter().enumerate() {
        let rank = stage.rank;
        if !std::mem::replace(&mut seen[rank], true) {
            let own_us = costs.ranks[rank].optimizer_us;
            // This rank's first stage is its earliest, so its last B is one of this or a later one.
            let after_us = if split_backward { own_us } else { own_us.max(back_us) };
            bound_us = bound_us.max(there_us + busy_us[rank] + after_us);
        }
        there_us += stage.forward_us + transfer_us(&stage.outputs, index + 1);
        if let Some(next) = costs.stages.get(index + 1) {
            back_us += stage.backward_us() + transfer_us(&next.input_grads, index);
        }
    }
    bound_us
}

fn transfer_us(routes: &[Route], to: usize) -> f64 {
    routes.iter().find(|route| route.stage == to).map_or(0.0, |route| route.transfer_us)
}
