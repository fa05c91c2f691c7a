//! Search for rules of the list schedule: a grid of depths and delays first, then one rule after the
//! other, and every rank by itself.

use super::evaluator::Evaluator;
use super::list_rules::{Prefer, Rules, round_trips};
use super::list_schedule;

/// Micro-batches in flight, as multiples of what keeps the slowest rank busy: enough, more to cover
/// transfers, no limit but memory, and too few for where memory is tight.
const DEPTHS: [f64; 6] = [1.0, 1.5, 2.0, 3.0, f64::INFINITY, 0.6];
/// Weight gradients put off: a number on every rank, and more with each rank. The first two are
/// ZB-H1's and ZB-H2's; then one each, none, a few, and no limit.
const DELAYS: [(usize, usize); 6] = [(0, 1), (0, 2), (1, 0), (0, 0), (4, 0), (usize::MAX, 0)];

/// A point of the search: rules and the step time they lead to, µs.
struct Point {
    rules: Rules,
    step_us: f64,
}

/// Searches rules; the evaluator keeps the orders they lead to.
pub(super) fn search_rules(evaluator: &mut Evaluator) {
    let split_backward = evaluator.split_backward;
    let trips = round_trips(evaluator.costs, split_backward);
    let ranks = evaluator.costs.ranks.len();
    let mut best: Option<Point> = None;
    let start = Rules {
        split_backward,
        depth: Vec::new(),
        weights_pending: Vec::new(),
        prefer: Prefer::Backward,
        patience: 0.0,
        careful: true,
    };
    for factor in DEPTHS {
        let delays = if split_backward { &DELAYS[..] } else { &DELAYS[..1] };
        for (base, more) in delays {
            let rules = Rules {
                depth: trips.iter().map(|trip| ((trip * factor).ceil() as usize).max(1)).collect(),
                weights_pending: (0..ranks).map(|rank| base.saturating_add(rank * more)).collect(),
                ..start.clone()
            };
            attempt(evaluator, &mut best, Rules { careful: false, ..rules.clone() });
            attempt(evaluator, &mut best, rules);
        }
    }
    for _ in 0..2 {
        vary(evaluator, &mut best);
    }
}

/// Varies one rule at a time.
fn vary(evaluator: &mut Evaluator, best: &mut Option<Point>) {
    for prefer in [Prefer::Backward, Prefer::Alternate, Prefer::Forward] {
        change(evaluator, best, |rules| rules.prefer = prefer);
    }
    for patience in [0.0, 0.2, 0.5, 1.0] {
        change(evaluator, best, |rules| rules.patience = patience);
    }
    for careful in [true, false] {
        change(evaluator, best, |rules| rules.careful = careful);
    }
    for stage in 0..evaluator.costs.stages.len() {
        for more in [1, -1] {
            change(evaluator, best, |rules| {
                rules.depth[stage] = rules.depth[stage].saturating_add_signed(more).max(1);
            });
        }
    }
    if best.as_ref().is_some_and(|best| best.rules.split_backward) {
        for rank in 0..evaluator.costs.ranks.len() {
            for more in [1, -1] {
                change(evaluator, best, |rules| {
                    let pending = &mut rules.weights_pending[rank];
                    *pending = pending.saturating_add_signed(more);
                });
            }
        }
    }
}

fn change(evaluator: &mut Evaluator, best: &mut Option<Point>, change: impl FnOnce(&mut Rules)) {
    let Some(point) = best else { return };
    let mut rules = point.rules.clone();
    change(&mut rules);
    attempt(evaluator, best, rules);
}

fn attempt(evaluator: &mut Evaluator, best: &mut Option<Point>, rules: Rules) {
    if !evaluator.may_list() {
        return;
    }
    let Some(order) = list_schedule::build(evaluator.costs, evaluator.micro_batches, &rules) else {
        return;
    };
    let Some(step_us) = evaluator.timing.step_us(&order) else { return };
    let better = best.as_ref().is_none_or(|best| step_us < best.step_us);
    if evaluator.is_start(step_us) && evaluator.evaluate(&order) && better {
        *best = Some(Point { rules, step_us });
    }
}
