//! Whatever is wrong with a schedule is refused, where it is; what is sound is not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::schedule;
use proptest::prelude::*;
use trainyard_plan::validate::{validate, validate_with_buffers};
use trainyard_plan::{Action, ActionKind, PlanError, Schedule};

fn reason(rows: &[&str], stages: usize, micro_batches: usize) -> String {
    validate(&schedule(rows), stages, micro_batches).unwrap_err().to_string()
}

#[test]
fn split_backwards_and_several_stages_a_rank_are_sound() {
    validate(&schedule(&["0F0 0F1 0I0 0W0 0B1"]), 1, 2).unwrap();
    validate(&schedule(&["0F0 2F0 2B0 0B0", "1F0 1B0"]), 3, 1).unwrap();
}

#[test]
fn every_fault_is_named() {
    let cases: [(&[&str], usize, usize, &str); 18] = [
        (&["0F0 0F0 0B0"], 1, 1, "0F0: it is there twice"),
        (&["0F0 0B0 0B0"], 1, 1, "0B0: it is there twice"),
        (&["0F0 0I0 0B0"], 1, 1, "0B0: a micro-batch has either"),
        (&["0F0 0B0 0W0"], 1, 1, "0W0: a micro-batch has either"),
        (&["0B0 0F0"], 1, 1, "0B0: it comes before its forward"),
        (&["0F0 0W0 0I0"], 1, 1, "0W0: it comes before its I"),
        (&["0F0 0I0 0I0 0W0"], 1, 1, "position 2: 0I0: it is there twice"),
        (&["0F0 0I0 0W0 0W0"], 1, 1, "position 3: 0W0: it is there twice"),
        (&["0F0 0B0 0I0"], 1, 1, "0I0: a micro-batch has either"),
        (&["0I0 0F0 0W0"], 1, 1, "0I0: it comes before its forward"),
        (&["0F0 0RECV_F0 0B0"], 1, 1, "only F, B, I and W"),
        (&["0F0 0I0"], 1, 1, "0W0: it is missing"),
        (&["0F0 0B0"], 1, 2, "0F1: it is missing"),
        (&["0F0 0B0 0OPT0"], 1, 1, "only F, B, I and W"),
        (&["0F0 0B0", "0F1 0B1"], 1, 2, "0F1: the stage is on rank 0"),
        (&["0F0 0B0", ""], 1, 1, "rank 1, position 0: nothing"),
        (&["1F0 0F0 1B0 0B0"], 2, 1, "comes later on this very rank"),
        (&["0F0 1F0 1B0 0B0 2F0"], 2, 1, "2F0: stages run from 0 to 1"),
    ];
    for (rows, stages, micro_batches, expected) in cases {
        let text = reason(rows, stages, micro_batches);
        assert!(text.contains(expected), "{rows:?} gave: {text}");
    }
    assert!(reason(&["0F0"], 0, 1).contains("at least 1"));
    assert!(reason(&["0F0"], 1, 0).contains("at least 1"));
}

#[test]
fn a_deadlock_is_shown_where_it_is() {
    let text = reason(&["0F0 0B0 0F1 0B1", "1F0 1F1 1B0 1B1"], 2, 2);
    let expected = "rank 0, position 1: 0B0: deadlock: it waits for 1B0, which is on rank 1, which is stuck at 1F1
> rank 0:  0F0 >0B0  0F1  0B1
  rank 1:  1F0  1F1  1B0  1B1";
    assert_eq!(text, expected);
}

#[test]
fn absurd_counts_are_errors_and_not_allocations() {
    let all = usize::MAX;
    assert!(reason(&["0F0 0B0"], all, all).contains("0F1: it is missing"));
    assert!(reason(&[], all, all).contains("0F0: it is missing"));
    let far = format!("{all}F{all} {all}B{all}");
    assert!(reason(&[&far], 1, 1).contains("stages run from 0 to 0"));
    assert!(reason(&[&far], all, all).contains("stages run from 0"));
}

/// Whether each (stage, micro-batch) has one F before one B, all of a stage on one rank: the
/// definition, spelled out without cleverness. Order across ranks is `makespan`'s business.
fn complete(schedule: &Schedule, stages: usize, micro_batches: usize) -> bool {
    let places = |wanted: Action| -> Vec<(usize, usize)> {
        let rows = schedule.ranks.iter().enumerate();
        rows.flat_map(|(rank, row)| row.iter().enumerate().map(move |(p, a)| (rank, p, a)))
            .filter(|(.., action)| **action == wanted)
            .map(|(rank, position, _)| (rank, position))
            .collect()
    };
    (0..stages).all(|stage| {
        let home = places(Action::forward(stage, 0)).first().map(|place| place.0);
        (0..micro_batches).all(|m| {
            let (f, b) = (places(Action::forward(stage, m)), places(Action::backward(stage, m)));
            f.len() == 1
                && b.len() == 1
                && Some(f[0].0) == home
                && Some(b[0].0) == home
                && f[0].1 < b[0].1
        })
    })
}

/// Whether the ranks get to the end, by trying every rank over and over.
fn runs(schedule: &Schedule, stages: usize) -> bool {
    let mut done = std::collections::BTreeSet::new();
    let mut next = vec![0; schedule.ranks.len()];
    loop {
        let before = done.len();
        for (rank, row) in schedule.ranks.iter().enumerate() {
            while let Some(&action) = row.get(next[rank]) {
                let Action { stage, kind, micro_batch } = action;
                let ready = match kind {
                    ActionKind::Forward if stage == 0 => true,
                    ActionKind::Forward => done.contains(&Action::forward(stage - 1, micro_batch)),
                    _ if stage + 1 == stages => true,
                    _ => done.contains(&Action::backward(stage + 1, micro_batch)),
                };
                if !ready {
                    break;
                }
                done.insert(action);
                next[rank] += 1;
            }
        }
        if done.len() == before {
            return next.iter().zip(&schedule.ranks).all(|(next, row)| *next == row.len());
        }
    }
}

proptest! {
    #[test]
    fn mutants_are_refused_or_sound_by_definition(
        named in prop::sample::select(Schedule::names().collect::<Vec<_>>()),
        ranks in 1_usize..5,
        micro_batches in 1_usize..6,
        mutations in prop::collection::vec((0_u8..5, any::<usize>(), any::<usize>(), any::<usize>()), 1..3),
    ) {
        let mut schedule = Schedule::named(named, ranks, micro_batches).unwrap();
        for (mutation, a, b, c) in mutations {
            let rank = a % ranks;
            let row = &mut schedule.ranks[rank];
            if row.is_empty() { continue }
            let (i, j) = (b % row.len(), c % row.len());
            match mutation {
                0 => { row.remove(i); }
                1 => { let action = row[i]; row.insert(j, action); }
                2 => row.swap(i, j),
                3 => row[i].kind = if row[i].kind == ActionKind::Forward {
                    ActionKind::Backward
                } else {
                    ActionKind::Forward
                },
                _ => { let action = row.remove(i); schedule.ranks[c % ranks].push(action); }
            }
        }
        let sound = schedule.ranks.iter().all(|row| !row.is_empty())
            && schedule.ranks.iter().map(Vec::len).sum::<usize>() == 2 * ranks * micro_batches
            && complete(&schedule, ranks, micro_batches)
            && runs(&schedule, ranks);
        prop_assert_eq!(validate(&schedule, ranks, micro_batches).is_ok(), sound);
    }

    #[test]
    fn arbitrary_schedules_never_panic(
        rows in prop::collection::vec(prop::collection::vec((0_usize..4, 0_usize..9, 0_usize..3), 0..9), 0..4),
        stages in prop_oneof![0_usize..4, Just(usize::MAX)],
        micro_batches in prop_oneof![0_usize..3, Just(usize::MAX)],
    ) {
        use ActionKind as K;
        const KINDS: [ActionKind; 9] = [
            K::Forward, K::Backward, K::InputGrad, K::WeightGrad, K::SendForward, K::RecvForward,
            K::SendBackward, K::RecvBackward, K::Optimizer,
        ];
        let huge = |n: usize| if n == 3 { usize::MAX } else { n };
        let ranks = rows.into_iter().map(|row| row.into_iter()
            .map(|(s, k, m)| Action::new(huge(s), KINDS[k], m)).collect()).collect();
        let schedule = Schedule { name: String::new(), ranks };
        let _ = validate(&schedule, stages, micro_batches).map_err(|e| e.to_string());
        let _ = schedule.max_in_flight(0);
    }
}
