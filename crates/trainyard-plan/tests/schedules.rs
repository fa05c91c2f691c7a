//! Every named schedule is sound, holds what its formula says and takes as long as it says, over
//! all ranks up to 16, micro-batches up to 64 and chunks up to 4.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_wrap, reason = "the counts are small")]

mod common;

use ActionKind::{Backward, InputGrad, WeightGrad};
use common::{Cost, Times, cost, named_with_chunks, peak};
use trainyard_plan::validate::validate;
use trainyard_plan::{Action, ActionKind, PlanError, Schedule};

const UNIT: Times = Times::new(1, 1, 1);

/// Checks the soundness and the order of one schedule, and its formulas.
fn check(name: &str, ranks: usize, chunks: usize, micro_batches: usize, times: &[Times]) {
    let context = format!("{name}, {ranks} ranks, {chunks} chunks, {micro_batches} micro-batches");
    let schedule = Schedule::with_chunks(name, ranks, chunks, micro_batches).unwrap();
    let stages = ranks * chunks;
    validate(&schedule, stages, micro_batches).unwrap_or_else(|e| panic!("{context}: {e}"));
    assert_eq!(schedule.stages(), stages, "{context}");
    assert_eq!(schedule.owners(), Schedule::placement(name, ranks, chunks).unwrap(), "{context}");
    assert!(ascending(&schedule, stages), "{context}");
    for (rank, row) in schedule.ranks.iter().enumerate() {
        let until_gone = peak(row, &[Backward, WeightGrad]);
        if let Some(most) = most_held(name, ranks) {
            assert!(until_gone <= most.min(2 * micro_batches), "{context}: {until_gone}");
            // V-Half fills all ranks alike, V-Min one of three at least.
            let is_full = |row: &Vec<Action>| peak(row, &[Backward, WeightGrad]) == most;
            let mut rows = schedule.ranks.iter();
            let are_full = if name == "v-half" { rows.all(is_full) } else { rows.any(is_full) };
            assert!(are_full || micro_batches < ranks + 2, "{context}");
            continue;
        }
        let (expected, expected_until_input_grad) =
            expected_peaks(name, ranks, chunks, micro_batches, rank);
        assert_eq!(until_gone, expected, "{context}, rank {rank}");
        if let Some(expected) = expected_until_input_grad {
            assert_eq!(peak(row, &[Backward, InputGrad]), expected, "{context}, rank {rank}");
        }
        if chunks == 1 {
            assert_eq!(schedule.max_in_flight(rank), expected, "{context}, rank {rank}");
        }
    }
    for &times in times {
        let Cost { makespan, bubble } = cost(&schedule, stages, micro_batches, times);
        let (expected_makespan, expected) =
            expected_cost(name, ranks, chunks, micro_batches, times);
        if let Some(expected) = expected_makespan {
            assert_eq!(makespan, expected, "{context}, {times:?}");
        }
        if let Some(expected) = expected {
            assert_eq!(bubble, expected, "{context}, {times:?}");
        }
    }
    let merged = schedule.merged();
    validate(&merged, stages, micro_batches).unwrap_or_else(|e| panic!("{context}, merged: {e}"));
    assert_eq!(merged.ranks.iter().flatten().count(), 2 * stages * micro_batches);
    let spelled_out = schedule.with_transfers();
    assert_eq!(spelled_out.has_transfers(), ranks > 1, "{context}");
    assert_eq!(spelled_out.compute_only(), schedule, "{context}");
}

/// Gradients of any number of micro-batches are added up: only gpipe holds more of them for that.
#[test]
fn more_micro_batches_are_not_more_in_flight() {
    for name in Schedule::names().filter(|name| *name != "gpipe") {
        let in_flight = |micro_batches| {
            let schedule = Schedule::named(name, 4, micro_batches).unwrap();
            (0..4).map(|rank| schedule.max_in_flight(rank)).collect::<Vec<_>>()
        };
        assert_eq!(in_flight(32), in_flight(128), "{name}");
    }
}

#[test]
fn kinds_say_what_their_stages_hold() {
    for kind in Schedule::kinds() {
        assert!(!kind.doc().is_empty(), "{}", kind.name());
        let chunks = kind.chunks().default_count();
        for (ranks, m) in (1..=8).flat_map(|ranks| (1..=20).map(move |m| (ranks, m))) {
            let schedule = Schedule::of_kind(kind, ranks, chunks, m).unwrap();
            let context = format!("{}, {ranks} ranks, {m} micro-batches", kind.name());
            for stage in 0..ranks * chunks {
                let said = kind.in_flight(ranks * chunks - 1 - stage, m);
                let of_stage = |row: &Vec<Action>| {
                    row.iter().copied().filter(|action| action.stage == stage).collect::<Vec<_>>()
                };
                let row = schedule.ranks.iter().flat_map(of_stage).collect::<Vec<_>>();
                let held = peak(&row, &[Backward, InputGrad]);
                assert!(said >= 1 && said <= held, "{context}, stage {stage}: {said}, not {held}");
                assert!(chunks > 1 || said == held, "{context}, stage {stage}: {said}, not {held}");
            }
        }
    }
}

/// Whether in each stage forwards, gradients of inputs and gradients of weights come in the order of the
/// micro-batches: gradients are added up so.
fn ascending(schedule: &Schedule, stages: usize) -> bool {
    let sorts: [&[ActionKind]; 3] =
        [&[ActionKind::Forward], &[Backward, InputGrad], &[Backward, WeightGrad]];
    let mut next = vec![[0; 3]; stages];
    schedule.ranks.iter().flatten().all(|action| {
        let of_stage = next[action.stage].iter_mut().zip(sorts);
        of_stage.filter(|(_, sort)| sort.contains(&action.kind)).all(|(next, _)| {
            *next += 1;
            action.micro_batch == *next - 1
        })
    })
}

/// The most that a rank holds between F and W, for schedules that have no formula by rank.
fn most_held(name: &str, ranks: usize) -> Option<usize> {
    match name {
        "v-half" => Some(ranks + if ranks % 2 == 1 { 1 } else { 2 }),
        "v-min" => Some(2 * ((ranks - 1).div_ceil(3) + 1)),
        _ => None,
    }
}

/// The peak between F and the end of the backward, over all stages of the rank; and where it is
/// another, the one between F and I.
fn expected_peaks(name: &str, p: usize, v: usize, m: usize, rank: usize) -> (usize, Option<usize>) {
    match (name, v) {
        ("gpipe", _) => (m, None),
        ("1f1b", _) | ("interleaved", 1) => (m.min(p - rank), None),
        ("interleaved", _) => {
            let group = m.div_ceil((m / p).max(1));
            ((m * v).min(2 * (p - 1 - rank) + (v - 1) * group + 1), None)
        }
        ("zb-h1", _) => (m.min(p), Some(m.min(p - rank))),
        ("zb-h2", _) => (m.min(2 * p - 1), Some(m.min(2 * (p - rank) - 1))),
        ("dualpipe-v", _) => ((2 * m).min(m + rank + 1).min(2 * p + 1), None),
        ("zb-v", _) => ((2 * m).min(m + rank + 1).min(2 * p), None),
        (other, _) => panic!("no formula for {other}: add one"),
    }
}

/// The makespan and the bubble for these times of a stage, as far as there is a formula.
fn expected_cost(
    name: &str,
    p: usize,
    v: usize,
    m: usize,
    times: Times,
) -> (Option<i64>, Option<i64>) {
    let Times { forward, input_grad, weight_grad } = times;
    let (ranks, chunks, m) = (p as i64, v as i64, m as i64);
    let others = ranks - 1;
    match name {
        "gpipe" | "1f1b" => (Some((m + others) * times.all()), Some(others * times.all())),
        "interleaved" => {
            let units = if m >= ranks { m * chunks + others } else { ranks * chunks + m - 1 };
            (Some(units * times.all()), Some((units - m * chunks) * times.all()))
        }
        "zb-h1" if weight_grad <= forward => {
            let filled = (m - 1).min(others) * weight_grad;
            (None, Some(others * (forward + input_grad) - filled))
        }
        "zb-h2" if weight_grad <= forward && 2 * weight_grad <= forward + input_grad => {
            let filled = (m - 1).min(2 * others) * weight_grad;
            (None, Some(others * (forward + input_grad) - filled))
        }
        "zb-v" if forward == input_grad && input_grad == weight_grad => {
            (None, Some(2 * forward * (2 * ranks - 1 - m).max(0)))
        }
        "zb-v" if weight_grad <= forward && forward <= input_grad && m >= 2 * ranks - 1 => {
            (None, Some(2 * others * (input_grad - weight_grad)))
        }
        "dualpipe-v"
            if weight_grad <= input_grad
                && (input_grad..=input_grad + weight_grad).contains(&forward)
                && m >= 2 * ranks =>
        {
            (None, Some(others * (forward + input_grad - weight_grad)))
        }
        "v-half" if times == Times::new(forward, forward, forward) && m >= ranks => {
            let units = match ranks {
                2 => 3,
                odd if odd % 2 == 1 => (7 * odd - 9) / 2,
                even => (7 * even - 8) / 2,
            };
            (None, Some(units.max(0) * forward))
        }
        "v-min" if times == Times::new(forward, forward, forward) => {
            let units = if ranks % 3 == 0 { 4 * ranks - 4 } else { 4 * ranks - 5 };
            (None, Some(units.max(0) * forward))
        }
        "zb-h1" | "zb-h2" | "zb-v" | "v-half" | "v-min" | "dualpipe-v" => (None, None),
        other => panic!("no formula for {other}: add one"),
    }
}

#[test]
fn named_schedules_are_sound_and_keep_their_formulas() {
    for (name, chunks) in named_with_chunks() {
        for ranks in 1..=16 {
            for micro_batches in 1..=64 {
                check(name, ranks, chunks, micro_batches, &[UNIT, Times::new(3, 4, 2)]);
            }
        }
    }
}

#[test]
fn the_formulas_hold_for_other_times() {
    let all = 1..=3;
    let times: Vec<Times> = all
        .clone()
        .flat_map(|f| all.clone().map(move |i| (f, i)))
        .flat_map(|(f, i)| all.clone().map(move |w| Times::new(f, i, w)))
        .collect();
    for (name, chunks) in named_with_chunks() {
        for ranks in 1..=5 {
            for micro_batches in 1..=12 {
                check(name, ranks, chunks, micro_batches, &times);
            }
        }
    }
}

#[test]
fn large_schedules_keep_their_formulas() {
    for (name, chunks) in named_with_chunks() {
        for (ranks, micro_batches) in [(32, 7), (64, 100), (64, 128)] {
            check(name, ranks, chunks, micro_batches, &[UNIT]);
        }
    }
    check("interleaved", 16, 12, 48, &[UNIT]);
}

#[test]
fn a_zero_bubble_is_zero() {
    for ranks in 1..=16 {
        for micro_batches in 2 * ranks - 1..=64 {
            for (name, chunks) in [("zb-h2", 1), ("zb-v", 2)] {
                let schedule = Schedule::named(name, ranks, micro_batches).unwrap();
                let cost = cost(&schedule, ranks * chunks, micro_batches, UNIT);
                assert_eq!(cost.bubble, 0, "{name}, {ranks} ranks, {micro_batches} micro-batches");
            }
        }
    }
}

#[test]
fn a_v_of_less_memory_holds_its_share_of_what_1f1b_holds() {
    let held = |name: &str, ranks: usize| {
        let schedule = Schedule::named(name, ranks, 4 * ranks).unwrap();
        schedule.ranks.iter().map(|row| peak(row, &[Backward, WeightGrad])).max().unwrap()
    };
    for ranks in [8, 16, 32, 64] {
        // Two stages of a V are one of 1F1B.
        let all = (2 * held("1f1b", ranks)) as f64;
        assert!(held("v-half", ranks) as f64 / all < 0.5 + 2.0 / ranks as f64);
        assert!((held("v-min", ranks) as f64) / all < 1.0 / 3.0 + 2.0 / ranks as f64);
        let bubble = |name: &str, chunks: usize| {
            let schedule = Schedule::named(name, ranks, 4 * ranks).unwrap();
            cost(&schedule, ranks * chunks, 4 * ranks, UNIT).bubble * (3 - chunks as i64)
        };
        assert!(bubble("v-half", 2) < bubble("v-min", 2));
        assert!(bubble("v-min", 2) < bubble("1f1b", 1));
    }
}

#[test]
fn a_v_of_half_the_memory_keeps_its_bubble_where_times_differ() {
    let bubble = |micro_batches| {
        let schedule = Schedule::named("v-half", 4, micro_batches).unwrap();
        cost(&schedule, 8, micro_batches, Times::new(2, 2, 1)).bubble
    };
    assert_eq!(bubble(8), bubble(32));
}

#[test]
fn a_schedule_reads_as_in_the_paper() {
    let row = |name, rank: usize| {
        let schedule = Schedule::named(name, 2, 3).unwrap();
        schedule.ranks[rank].iter().map(Action::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("gpipe", 1), "1F0 1F1 1F2 1B0 1B1 1B2");
    assert_eq!(row("1f1b", 0), "0F0 0F1 0B0 0F2 0B1 0B2");
    assert_eq!(row("1f1b", 1), "1F0 1B0 1F1 1B1 1F2 1B2");
    assert_eq!(row("zb-h1", 0), "0F0 0F1 0I0 0W0 0F2 0I1 0W1 0I2 0W2");
    assert_eq!(row("zb-h1", 1), "1F0 1I0 1F1 1I1 1W0 1F2 1I2 1W1 1W2");
    assert_eq!(row("zb-h2", 0), "0F0 0F1 0F2 0I0 0W0 0I1 0W1 0I2 0W2");
    assert_eq!(
        row("zb-v", 0),
        "0F0 0F1 0F2 3F0 3I0 3W0 3F1 3I1 3W1 0I0 0W0 3F2 3I2 3W2 0I1 0W1 0I2 0W2"
    );
    assert_eq!(
        row("zb-v", 1),
        "1F0 2F0 1F1 2F1 2I0 2W0 1F2 1I0 1W0 2F2 2I1 2W1 1I1 2I2 1I2 1W1 2W2 1W2"
    );
    assert_eq!(row("interleaved", 1), "1F0 1F1 1F2 3F0 3B0 3F1 3B1 3F2 3B2 1B0 1B1 1B2");
    let schedule = Schedule::named("dualpipe-v", 2, 4).unwrap();
    let row = |rank: usize| {
        schedule.ranks[rank].iter().map(Action::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        row(0),
        "0F0 0F1 0F2 3F0 3I0 3W0 3F1 0F3 3B1 3F2 0B0 3B2 3F3 0B1 3B3 0I2 0W2 0I3 0W3"
    );
    assert_eq!(row(1), "1F0 2F0 1F1 2F1 1F2 2B0 2F2 1B0 1F3 2B1 2F3 1B1 2B2 1B2 2I3 1I3 2W3 1W3");
}

#[test]
fn stages_lie_where_their_schedule_puts_them() {
    assert_eq!(Schedule::placement("1f1b", 3, 1), Ok(vec![0, 1, 2]));
    assert_eq!(Schedule::placement("interleaved", 2, 3), Ok(vec![0, 1, 0, 1, 0, 1]));
    assert_eq!(Schedule::placement("zb-v", 3, 2), Ok(vec![0, 1, 2, 2, 1, 0]));
    let nonsense = Schedule {
        name: String::new(),
        slices: 1,
        ranks: vec![
            vec![Action::forward(usize::MAX, 0), Action::forward(1, 0)],
            vec![Action::forward(0, 0), Action::forward(1, 0), Action::forward(3, 0)],
        ],
    };
    assert_eq!((nonsense.stages(), nonsense.owners()), (usize::MAX, vec![1, 0]));
}

#[test]
fn bad_requests_are_errors() {
    let known =
        "gpipe, 1f1b, interleaved, zb-h1, zb-h2, zb-v, v-half, v-min, dualpipe-v, auto (did you mean '1f1b'?)"
            .to_owned();
    assert_eq!(
        Schedule::named("1F1", 2, 2),
        Err(PlanError::UnknownSchedule { name: "1F1".into(), known })
    );
    let counts =
        [(0, 1), (1, 0), (usize::MAX, 1), (1, usize::MAX), (1 << 40, 4), (1025, 1), (1024, 1025)];
    for name in Schedule::names() {
        for (ranks, micro_batches) in counts {
            let result = Schedule::named(name, ranks, micro_batches);
            assert!(matches!(result, Err(PlanError::BadNumber { .. })));
        }
        assert!(
            Schedule::named(name, 1024, 1).is_ok() && Schedule::named(name, 1, 1 << 19).is_ok()
        );
        for chunks in [0, 3, usize::MAX] {
            let result = Schedule::with_chunks(name, 2, chunks, 2);
            assert_eq!(result.is_ok(), name == "interleaved" && chunks == 3, "{name}");
        }
    }
    assert_eq!(
        Schedule::with_chunks("zb-v", 2, 1, 2).unwrap_err().to_string(),
        "the number of chunks (stages a rank) is 1, but must be 2 for the schedule zb-v"
    );
    assert_eq!(Schedule::named("gpipe", 2, 2).unwrap().max_in_flight(7), 0);
}
