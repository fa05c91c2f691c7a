//! Tries rules for the list schedule: a grid of depths and delays first, then one rule after the
//! other, and at last every rank by itself.

use super::judge::Judge;
use super::list;
use super::rules::{Prefer, Rules, round_trips};

/// In flight, as multiples of what keeps the slowest rank busy.
const DEPTHS: [f64; 6] = [1.0, 1.5, 2.0, 3.0, f64::INFINITY, 0.6];
/// Weight gradients put off: so many on every rank, and so many more with each rank.
const DELAYS: [(usize, usize); 6] = [(0, 1), (0, 2), (1, 0), (0, 0), (4, 0), (usize::MAX, 0)];

/// A point of the search: the rules and how long they take.
struct Point {
    rules: Rules,
    step_us: f64,
}

/// Searches the rules; the judge keeps what they lead to.
pub(super) fn tune(judge: &mut Judge) {
    let split = judge.split;
    let trips = round_trips(judge.costs, split);
    let ranks = judge.costs.ranks.len();
    let mut best: Option<Point> = None;
    let start = Rules {
        split,
        depth: Vec::new(),
        weights_pending: Vec::new(),
        prefer: Prefer::Backward,
        patience: 0.0,
        group: 0,
        careful: true,
    };
    for factor in DEPTHS {
        let delays = if split { &DELAYS[..] } else { &DELAYS[..1] };
        for (base, more) in delays {
            let rules = Rules {
                depth: trips.iter().map(|trip| ((trip * factor).ceil() as usize).max(1)).collect(),
                weights_pending: (0..ranks).map(|rank| base.saturating_add(rank * more)).collect(),
                ..start.clone()
            };
            attempt(judge, &mut best, Rules { careful: false, ..rules.clone() });
            attempt(judge, &mut best, rules);
        }
    }
    for _ in 0..2 {
        vary(judge, &mut best);
    }
}

/// One rule at a time.
fn vary(judge: &mut Judge, best: &mut Option<Point>) {
    for prefer in [Prefer::Backward, Prefer::Other, Prefer::Forward] {
        change(judge, best, |rules| rules.prefer = prefer);
    }
    for patience in [0.0, 0.2, 0.5, 1.0] {
        change(judge, best, |rules| rules.patience = patience);
    }
    for careful in [true, false] {
        change(judge, best, |rules| rules.careful = careful);
    }
    let (ranks, stages) = (judge.costs.ranks.len(), judge.costs.stages.len());
    if stages > ranks {
        for group in [0, 1, ranks, 2 * ranks, usize::MAX] {
            change(judge, best, |rules| rules.group = group);
        }
    }
    for stage in 0..stages {
        for more in [1, -1] {
            change(judge, best, |rules| {
                rules.depth[stage] = rules.depth[stage].saturating_add_signed(more).max(1);
            });
        }
    }
    if best.as_ref().is_some_and(|best| best.rules.split) {
        for rank in 0..ranks {
            for more in [1, -1] {
                change(judge, best, |rules| {
                    let pending = &mut rules.weights_pending[rank];
                    *pending = pending.saturating_add_signed(more);
                });
            }
        }
    }
}

fn change(judge: &mut Judge, best: &mut Option<Point>, change: impl FnOnce(&mut Rules)) {
    let Some(point) = best else { return };
    let mut rules = point.rules.clone();
    change(&mut rules);
    attempt(judge, best, rules);
}

fn attempt(judge: &mut Judge, best: &mut Option<Point>, rules: Rules) {
    if !judge.may_list() {
        return;
    }
    let Some(rows) = list::build(judge.costs, judge.micro_batches, &rules) else { return };
    let Some(step_us) = judge.timing.step_us(&rows) else { return };
    let better = best.as_ref().is_none_or(|best| step_us < best.step_us);
    if judge.is_start(step_us) && judge.consider(&rows) && better {
        *best = Some(Point { rules, step_us });
    }
}
