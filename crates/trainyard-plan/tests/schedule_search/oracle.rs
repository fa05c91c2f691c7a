//! Tiny pipelines against every order there is.

use trainyard_plan::costs::PipelineCosts;
use trainyard_plan::schedule_search::{self, SearchOptions};
use trainyard_plan::simulate::score;
use trainyard_plan::{Action, ActionKind, Schedule};

use crate::instances::{Draw, Memory, unlike};

/// Every order of a rank's actions in which each stage's kinds are ascending and an F comes before
/// its B or I, an I before its W. Micro-batches are alike, so another order gains nothing.
fn rows(stages: &[usize], m: usize, split: bool) -> Vec<Vec<Action>> {
    let kinds = if split {
        vec![ActionKind::Forward, ActionKind::InputGrad, ActionKind::WeightGrad]
    } else {
        vec![ActionKind::Forward, ActionKind::Backward]
    };
    let mut done = vec![vec![0; kinds.len()]; stages.len()];
    let mut all = Vec::new();
    extend(stages, m, &kinds, &mut done, &mut Vec::new(), &mut all);
    all
}

fn extend(
    stages: &[usize],
    m: usize,
    kinds: &[ActionKind],
    done: &mut [Vec<usize>],
    row: &mut Vec<Action>,
    all: &mut Vec<Vec<Action>>,
) {
    if done.iter().flatten().all(|&done| done == m) {
        all.push(row.clone());
    }
    for (index, &stage) in stages.iter().enumerate() {
        for (kind, &action) in kinds.iter().enumerate() {
            let micro_batch = done[index][kind];
            if micro_batch < m && (kind == 0 || done[index][kind - 1] > micro_batch) {
                row.push(Action::new(stage, action, micro_batch));
                done[index][kind] += 1;
                extend(stages, m, kinds, done, row, all);
                done[index][kind] -= 1;
                row.pop();
            }
        }
    }
}

/// The time of the fastest schedule that fits, by trying them all.
fn optimum_us(costs: &PipelineCosts, m: usize, split: bool) -> f64 {
    let of_rank = |rank| {
        let stages: Vec<usize> =
            (0..costs.stages.len()).filter(|stage| costs.stages[*stage].rank == rank).collect();
        rows(&stages, m, split)
    };
    let choices: Vec<_> = (0..costs.ranks.len()).map(of_rank).collect();
    let mut at = vec![0; choices.len()];
    let mut best = f64::INFINITY;
    let mut schedule = Schedule {
        name: "oracle".into(),
        slices: 1,
        ranks: choices.iter().map(|choices| choices[0].clone()).collect(),
    };
    loop {
        // What runs into a deadlock is an error.
        if let Ok(score) = score(costs, &schedule, m)
            && score.fits
        {
            best = best.min(score.step_us);
        }
        let Some(rank) = (0..at.len()).find(|&rank| at[rank] + 1 < choices[rank].len()) else {
            return best;
        };
        at[..rank].fill(0);
        at[rank] += 1;
        for rank in 0..=rank {
            schedule.ranks[rank].clone_from(&choices[rank][at[rank]]);
        }
    }
}

/// How far above the optimum, as shares of it, sorted.
fn gaps(owners: &[usize], m: usize, split: bool, memory: Memory, instances: usize) -> Vec<f64> {
    let mut draw = Draw(11);
    let options = SearchOptions { split_backward: split, ..SearchOptions::default() };
    let gap = |_| {
        let costs = unlike(&mut draw, owners, m, memory);
        let found = schedule_search::search(&costs, m, &options).unwrap().unwrap();
        (found.score.step_us / optimum_us(&costs, m, split) - 1.0).max(0.0)
    };
    let mut gaps: Vec<f64> = (0..instances).map(gap).collect();
    gaps.sort_by(f64::total_cmp);
    gaps
}

fn describe(gaps: &[f64]) -> String {
    let (optimal, mean) = (optimal(gaps), mean(gaps));
    let worst = gaps.last().unwrap() * 100.0;
    format!("optimal {optimal} of {}, mean {:.2} %, worst {worst:.2} %", gaps.len(), mean * 100.0)
}

fn optimal(gaps: &[f64]) -> usize {
    gaps.iter().filter(|gap| **gap < 1e-9).count()
}

fn mean(gaps: &[f64]) -> f64 {
    gaps.iter().sum::<f64>() / gaps.len() as f64
}

const MEMORIES: [Memory; 3] = [Memory::Ample, Memory::Named, Memory::Tight];

#[test]
fn tiny_pipelines_are_close_to_the_optimum() {
    let cases: [(&[usize], usize, bool); 4] =
        [(&[0, 1], 3, true), (&[0, 1], 4, false), (&[0, 1, 2], 3, false), (&[0, 1, 1, 0], 1, true)];
    for (owners, m, split) in cases {
        for memory in MEMORIES {
            let gaps = gaps(owners, m, split, memory, 10);
            let figures = describe(&gaps);
            assert!(optimal(&gaps) >= 8 && mean(&gaps) < 0.02, "{owners:?} {memory:?}: {figures}");
        }
    }
}

#[test]
#[ignore = "measures"]
fn gaps_to_the_optimum() {
    let cases: [(&[usize], usize, bool, usize); 7] = [
        (&[0, 1], 3, true, 50),
        (&[0, 1], 4, true, 10),
        (&[0, 1, 2], 3, true, 25),
        (&[0, 1], 5, false, 50),
        (&[0, 1, 2], 4, false, 50),
        (&[0, 1, 0, 1], 2, false, 25),
        (&[0, 1, 1, 0], 2, false, 25),
    ];
    for (owners, m, split, instances) in cases {
        for memory in MEMORIES {
            let gaps = gaps(owners, m, split, memory, instances);
            println!("{owners:?}, m {m}, split {split}, {memory:?}: {}", describe(&gaps));
        }
    }
}
