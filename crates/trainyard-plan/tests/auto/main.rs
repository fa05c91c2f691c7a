//! Schedules made for given costs: sound, within memory, never slower than the named ones, optimal
//! where the optimum is known.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod figures;
mod instances;
mod oracle;

use instances::{Draw, Memory, equal, one_by_one, unlike};
use trainyard_plan::auto::{self, Auto, Options};
use trainyard_plan::costs::PipelineCosts;
use trainyard_plan::simulate::score;
use trainyard_plan::validate::validate;
use trainyard_plan::{Action, ActionKind, PlanError, Schedule};

/// One stage a rank, two as interleaved and ZB-V have them, and two that no named schedule has.
fn placements(ranks: usize) -> Vec<Vec<usize>> {
    vec![
        Schedule::placement("1f1b", ranks, 1).unwrap(),
        Schedule::placement("interleaved", ranks, 2).unwrap(),
        Schedule::placement("zb-v", ranks, 2).unwrap(),
        (0..ranks).rev().collect(),
        (0..ranks).flat_map(|rank| [rank, rank]).chain([0]).collect(),
    ]
}

fn check(costs: &PipelineCosts, m: usize, options: &Options, auto: &Auto) {
    let Auto { schedule, score: claimed, best_named } = auto;
    validate(schedule, costs.stages.len(), m).unwrap();
    assert_eq!(schedule.name, "auto");
    assert_eq!(score(costs, schedule, m).unwrap(), *claimed);
    assert!(claimed.fits);
    assert!(claimed.step_us >= auto::lower_bound_us(costs, m, options.split_backward) - 1e-6);
    if let Some((name, named)) = best_named {
        assert!(named.fits && claimed.step_us <= named.step_us, "{name} is faster");
    }
    for row in &schedule.ranks {
        let splits =
            |action: &Action| matches!(action.kind, ActionKind::InputGrad | ActionKind::WeightGrad);
        assert!(options.split_backward || !row.iter().any(splits));
        let backward = |kind| match kind {
            ActionKind::InputGrad => ActionKind::Backward,
            kind => kind,
        };
        let mut next = std::collections::BTreeMap::new();
        for action in row {
            // Of W there may be fewer than of B and I together.
            let next = next.entry((action.stage, backward(action.kind))).or_insert(0);
            assert!(action.micro_batch >= *next, "{action} is out of order");
            *next = action.micro_batch + 1;
        }
    }
}

#[test]
fn what_is_made_keeps_its_promises() {
    let mut draw = Draw(1);
    for ranks in [1, 2, 3, 5] {
        for owners in placements(ranks) {
            for memory in [Memory::Ample, Memory::Named, Memory::Tight] {
                for split_backward in [true, false] {
                    let m = 1 + draw.below(10) as usize;
                    let costs = unlike(&mut draw, &owners, m, memory);
                    let options = Options { split_backward, effort: 400 };
                    let auto = auto::make(&costs, m, &options).unwrap().unwrap();
                    check(&costs, m, &options, &auto);
                    assert_eq!(auto::make(&costs, m, &options).unwrap().unwrap(), auto);
                    let hasty = Options { effort: 0, ..options };
                    check(&costs, m, &hasty, &auto::make(&costs, m, &hasty).unwrap().unwrap());
                }
            }
        }
    }
}

#[test]
fn equal_stages_take_as_long_as_under_zero_bubble() {
    for ranks in 2..=8 {
        for m in [2 * ranks - 1, 3 * ranks] {
            let costs = equal(&(0..ranks).collect::<Vec<_>>());
            // Laid out backwards, no named schedule helps.
            let backwards = equal(&(0..ranks).rev().collect::<Vec<_>>());
            for costs in [&costs, &backwards] {
                let auto = auto::make(costs, m, &Options::default()).unwrap().unwrap();
                assert!(auto.score.step_us <= (3 * m + ranks - 1) as f64 + 1e-9, "{ranks} × {m}");
            }
            assert_eq!(
                auto::make(&backwards, m, &Options::default()).unwrap().unwrap().best_named,
                None
            );
        }
    }
}

#[test]
fn with_the_memory_of_1f1b_it_takes_as_long_as_zb_h1() {
    for ranks in 2..=8 {
        let m = 2 * ranks;
        let costs = equal(&(0..ranks).collect::<Vec<_>>());
        let of = |name| score(&costs, &Schedule::named(name, ranks, m).unwrap(), m).unwrap();
        // Under 1F1B the first rank holds most, and devices are alike. Laid out backwards, no
        // named schedule helps.
        for owners in [(0..ranks).collect::<Vec<_>>(), (0..ranks).rev().collect()] {
            let mut costs = equal(&owners);
            for rank in &mut costs.ranks {
                rank.budget_bytes = of("1f1b").peak_bytes[0];
            }
            let auto = auto::make(&costs, m, &Options::default()).unwrap().unwrap();
            assert!(auto.score.step_us <= of("zb-h1").step_us, "{owners:?}: {:?}", auto.score);
        }
    }
}

#[test]
fn unlike_stages_gain_over_named_schedules() {
    let mut draw = Draw(5);
    let gain = |_| {
        let owners: Vec<usize> = (0..2 + draw.below(5) as usize).collect();
        let m = 4 + draw.below(12) as usize;
        let costs = unlike(&mut draw, &owners, m, Memory::Named);
        let auto = auto::make(&costs, m, &Options::default()).unwrap().unwrap();
        auto.best_named.unwrap().1.step_us / auto.score.step_us - 1.0
    };
    let gains: Vec<f64> = (0..12).map(gain).collect();
    let mean = gains.iter().sum::<f64>() / gains.len() as f64;
    assert!(mean > 0.03, "mean gain {mean}: {gains:?}");
}

#[test]
fn memory_to_the_byte() {
    for owners in placements(3) {
        let mut costs = unlike(&mut Draw(9), &owners, 4, Memory::Ample);
        let least = score(&costs, &one_by_one(&owners, 4), 4).unwrap();
        for (rank, peak) in costs.ranks.iter_mut().zip(&least.peak_bytes) {
            rank.budget_bytes = *peak;
        }
        for split_backward in [true, false] {
            let options = Options { split_backward, effort: 200 };
            check(&costs, 4, &options, &auto::make(&costs, 4, &options).unwrap().unwrap());
            let mut short = costs.clone();
            short.ranks[1].budget_bytes -= 1;
            assert_eq!(auto::make(&short, 4, &options), Ok(None));
        }
    }
}

#[test]
fn bad_requests_are_errors() {
    let make = |costs: &PipelineCosts, m| auto::make(costs, m, &Options::default());
    for m in [0, 1 << 30, usize::MAX] {
        assert!(matches!(make(&equal(&[0, 1]), m), Err(PlanError::BadNumber { .. })));
    }
    assert!(matches!(make(&PipelineCosts::default(), 1), Err(PlanError::BadNumber { .. })));
}
