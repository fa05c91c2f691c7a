//! Bottlenecks of a plan, in words.

use crate::costs::PipelineCosts;
use crate::simulate::{IdleTime, Simulation};
use crate::{Plan, Recompute};

/// A sentence for each, the most important kinds first.
pub(super) fn bottlenecks(
    plan: &Plan,
    simulation: &Simulation,
    costs: &PipelineCosts,
) -> Vec<String> {
    let step = simulation.step_us.max(f64::MIN_POSITIVE);
    let percent = |part: f64| format!("{:.0} %", part * 100.0);
    let mut found = Vec::new();
    found.extend(slowest_rank(simulation));
    let busiest = simulation.links.iter().max_by(|a, b| a.busy_us.total_cmp(&b.busy_us));
    if let Some(link) = busiest.filter(|link| link.busy_us > 0.05 * step) {
        let busy = percent(link.busy_us / step);
        found.push(format!("the link {}→{} is busy {busy} of the step", link.from, link.to));
    }
    found.extend(most_idle(simulation, plan.micro_batches));
    for device in &simulation.devices {
        let full = device.peak_bytes.total() as f64 / device.budget_bytes.max(1) as f64;
        if full > 0.9 {
            found.push(format!("{} is full to {} of its budget", device.id, percent(full)));
        }
    }
    for (stage, costs) in plan.stages.iter().zip(&costs.stages) {
        let time = costs.forward_us + costs.backward_us();
        if stage.recompute == Recompute::Full && costs.forward_us > 0.0 {
            let again = percent(costs.forward_us / time.max(f64::MIN_POSITIVE));
            let (first, end) = stage.layers;
            let (device, last) = (&stage.device, end.saturating_sub(1));
            found.push(if first == last {
                format!("layer {first} on {device} runs forward twice to save memory, {again} of its time")
            } else {
                format!(
                    "layers {first} to {last} on {device} run forward twice to save memory, {again} of \
                     their time"
                )
            });
        }
    }
    found
}

/// The busiest rank, if it has much more to do than the mean.
fn slowest_rank(simulation: &Simulation) -> Option<String> {
    let busy = simulation.devices.iter().map(|device| device.busy_us);
    let mean = busy.sum::<f64>() / simulation.devices.len().max(1) as f64;
    let slowest = simulation.devices.iter().max_by(|a, b| a.busy_us.total_cmp(&b.busy_us))?;
    let ratio = slowest.busy_us / mean.max(f64::MIN_POSITIVE);
    (ratio > 1.05).then(|| format!("{}'s part takes {ratio:.1}× the mean", slowest.id))
}

/// The cause of most idle time.
fn most_idle(simulation: &Simulation, micro_batches: usize) -> Option<String> {
    let all = simulation.step_us * simulation.devices.len() as f64;
    let sum = |part: fn(&IdleTime) -> f64| {
        simulation.devices.iter().map(|device| part(&device.idle_us)).sum::<f64>() / all
    };
    let ends = sum(|idle| idle.warm_up_us + idle.drain_us);
    let links = sum(|idle| idle.link_us);
    let neighbours = sum(|idle| idle.neighbour_us);
    let percent = |part: f64| format!("{:.0} %", part * 100.0);
    if ends.max(links).max(neighbours) < 0.03 || !all.is_normal() {
        return None;
    }
    Some(if ends >= links && ends >= neighbours {
        format!(
            "filling and draining the pipeline leaves devices idle {} of the time, with \
             {micro_batches} micro-batches",
            percent(ends)
        )
    } else if links >= neighbours {
        format!("devices wait for links {} of the time", percent(links))
    } else {
        format!("devices wait for one another's work {} of the time", percent(neighbours))
    })
}
