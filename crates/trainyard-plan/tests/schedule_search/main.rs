//! Schedules made for given costs: sound, within memory, never slower than the named ones, optimal
//! where the optimum is known.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "sums of whole numbers are exact")]

mod figures;
mod instances;
mod mirrored;
mod oracle;

use instances::{Draw, Memory, costs, equal, one_by_one, profile, unlike};
use trainyard_plan::costs::PipelineCosts;
use trainyard_plan::schedule_search::{self, FoundSchedule, SearchOptions};
use trainyard_plan::simulate::score;
use trainyard_plan::validate::validate;
use trainyard_plan::{Action, ActionKind, LinkCost, PlanError, Recompute, Schedule};

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

fn check(costs: &PipelineCosts, m: usize, options: &SearchOptions, found: &FoundSchedule) {
    let FoundSchedule { schedule, score: claimed, best_named } = found;
    validate(schedule, costs.stages.len(), m).unwrap();
    assert_eq!(schedule.name, "auto");
    assert_eq!(score(costs, schedule, m).unwrap(), *claimed);
    assert!(claimed.fits);
    assert!(
        claimed.step_us >= schedule_search::lower_bound_us(costs, m, options.split_backward) - 1e-6
    );
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
                    let options = SearchOptions { split_backward, effort: 400 };
                    let found = schedule_search::search(&costs, m, &options).unwrap().unwrap();
                    check(&costs, m, &options, &found);
                    assert_eq!(
                        schedule_search::search(&costs, m, &options).unwrap().unwrap(),
                        found
                    );
                    let hasty = SearchOptions { effort: 0, ..options };
                    check(
                        &costs,
                        m,
                        &hasty,
                        &schedule_search::search(&costs, m, &hasty).unwrap().unwrap(),
                    );
                }
            }
        }
    }
}

#[test]
fn the_bound_is_the_way_there_the_work_and_the_way_back() {
    // A transfer takes 1 + 100 ÷ 100 µs. Three micro-batches: 27, 24 and 24 µs of work.
    let mut profile = profile(&[[2.0, 3.0, 4.0], [5.0, 1.0, 2.0], [3.0, 4.0, 1.0]], 3);
    profile.default_link = Some(LinkCost { latency_us: 1.0, bytes_per_us: 100.0 });
    let bound = |optimizer_us: [f64; 3], split| {
        let mut costs = costs(&profile, &[0, 1, 2], Recompute::None);
        for (rank, us) in costs.ranks.iter_mut().zip(optimizer_us) {
            rank.optimizer_us = us;
        }
        schedule_search::lower_bound_us(&costs, 3, split)
    };
    // The last rank has its first input after 2 + 2 + 5 + 2 µs, and the first stage its last
    // gradient 2 + 3 + 2 + 7 µs after the last rank has made it.
    assert_eq!(bound([1.0; 3], true), 11.0 + 24.0 + 1.0);
    assert_eq!(bound([1.0; 3], false), 11.0 + 24.0 + 14.0);
    assert_eq!(bound([1.0, 1.0, 20.0], false), 11.0 + 24.0 + 20.0);
    assert_eq!(bound([1.0, 30.0, 1.0], true), 4.0 + 24.0 + 30.0);
    assert_eq!(bound([40.0, 1.0, 1.0], false), 27.0 + 40.0);
}

#[test]
fn the_best_named_schedule_is_the_fastest_that_fits() {
    let (ranks, m) = (4, 8);
    let mut costs = equal(&[0, 1, 2, 3]);
    let of = |costs: &PipelineCosts, name| {
        score(costs, &Schedule::named(name, ranks, m).unwrap(), m).unwrap()
    };
    let names = ["gpipe", "1f1b", "zb-h1", "zb-h2"];
    // Room for all of them, for what 1F1B holds at its first rank, and for what it holds at each.
    let held = of(&costs, "1f1b").peak_bytes;
    for (budgets, expected) in
        [(vec![u64::MAX; ranks], "zb-h1"), (vec![held[0]; ranks], "zb-h1"), (held, "1f1b")]
    {
        for (rank, budget) in costs.ranks.iter_mut().zip(budgets) {
            rank.budget_bytes = budget;
        }
        let (name, best) = schedule_search::best_named(&costs, m, true).unwrap().unwrap();
        assert_eq!((name.as_str(), &best), (expected, &of(&costs, expected)));
        let mut fitting = names.map(|name| of(&costs, name)).into_iter().filter(|s| s.fits);
        assert!(fitting.all(|score| best.step_us <= score.step_us));
        let said = schedule_search::gain(best.step_us * 0.9, Some(&(name, best)));
        assert!(said.contains(&format!("10.0 % faster than {expected}")), "{said}");
    }
    assert!(schedule_search::gain(1.0, None).contains("no named schedule fits"));
    let far = schedule_search::distance(110.0, 100.0);
    assert_eq!(far, "auto: 10.0 % above what no schedule of these stages can beat");
    let at_it = schedule_search::distance(100.0, 100.0);
    assert_eq!(at_it, "auto: no schedule of these stages is faster");
    assert_eq!(schedule_search::best_named(&PipelineCosts::default(), 1, true), Ok(None));
}

#[test]
fn equal_stages_take_as_long_as_under_zero_bubble() {
    for ranks in 2..=8 {
        for m in [2 * ranks - 1, 3 * ranks] {
            let costs = equal(&(0..ranks).collect::<Vec<_>>());
            // Laid out backwards, no named schedule helps.
            let backwards = equal(&(0..ranks).rev().collect::<Vec<_>>());
            for costs in [&costs, &backwards] {
                let found =
                    schedule_search::search(costs, m, &SearchOptions::default()).unwrap().unwrap();
                assert!(found.score.step_us <= (3 * m + ranks - 1) as f64 + 1e-9, "{ranks} × {m}");
            }
            assert_eq!(
                schedule_search::search(&backwards, m, &SearchOptions::default())
                    .unwrap()
                    .unwrap()
                    .best_named,
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
            let found =
                schedule_search::search(&costs, m, &SearchOptions::default()).unwrap().unwrap();
            assert!(found.score.step_us <= of("zb-h1").step_us, "{owners:?}: {:?}", found.score);
        }
    }
}

/// By how much the best named schedule is slower.
fn gain_over_named(costs: &PipelineCosts, micro_batches: usize) -> f64 {
    let found =
        schedule_search::search(costs, micro_batches, &SearchOptions::default()).unwrap().unwrap();
    found.best_named.unwrap().1.step_us / found.score.step_us - 1.0
}

#[test]
fn unlike_stages_gain_over_named_schedules() {
    let mut draw = Draw(5);
    let gain = |_| {
        let owners: Vec<usize> = (0..2 + draw.below(5) as usize).collect();
        let m = 4 + draw.below(12) as usize;
        let costs = unlike(&mut draw, &owners, m, Memory::Named);
        gain_over_named(&costs, m)
    };
    let gains: Vec<f64> = (0..12).map(gain).collect();
    let mean = gains.iter().sum::<f64>() / gains.len() as f64;
    assert!(mean > 0.03, "mean gain {mean}: {gains:?}");
}

#[test]
fn unlike_stages_gain_as_well_where_a_rank_has_two() {
    let mut draw = Draw(7);
    let gain = |index: usize| {
        let ranks = 2 + draw.below(3) as usize;
        let name = ["interleaved", "zb-v"][index % 2];
        let owners = Schedule::placement(name, ranks, 2).unwrap();
        let m = 4 + draw.below(8) as usize;
        let costs = unlike(&mut draw, &owners, m, Memory::Named);
        gain_over_named(&costs, m)
    };
    let gains: Vec<f64> = (0..12).map(gain).collect();
    let mean = gains.iter().sum::<f64>() / gains.len() as f64;
    assert!(mean > 0.05, "mean gain {mean}: {gains:?}");
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
            let options = SearchOptions { split_backward, effort: 200 };
            check(
                &costs,
                4,
                &options,
                &schedule_search::search(&costs, 4, &options).unwrap().unwrap(),
            );
            let mut short = costs.clone();
            short.ranks[1].budget_bytes -= 1;
            assert_eq!(schedule_search::search(&short, 4, &options), Ok(None));
        }
    }
}

#[test]
fn bad_requests_are_errors() {
    let make =
        |costs: &PipelineCosts, m| schedule_search::search(costs, m, &SearchOptions::default());
    for m in [0, 1 << 30, usize::MAX] {
        assert!(matches!(make(&equal(&[0, 1]), m), Err(PlanError::BadNumber { .. })));
    }
    assert!(matches!(make(&PipelineCosts::default(), 1), Err(PlanError::BadNumber { .. })));
    // The most that is allowed; there is no memory for it.
    let mut most = equal(&[1, 0]);
    most.ranks[0].budget_bytes = 0;
    assert_eq!(make(&most, 1 << 19), Ok(None));
    assert!(make(&most, (1 << 19) + 1).is_err());
}
