//! Whatever is wrong with a schedule is refused, where it is; what is sound is not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::schedule;
use proptest::prelude::*;
use trainyard_plan::validate::{StageLink, validate, validate_links};
use trainyard_plan::{Action, ActionKind, Schedule};

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
    let cases: [(&[&str], usize, usize, &str); 19] = [
        (&["0F0 0F0 0B0"], 1, 1, "0F0: it is there twice"),
        (&["0F0 0B0 0B0"], 1, 1, "0B0: it is there twice"),
        (&["0F0 0I0 0B0"], 1, 1, "0B0: a micro-batch has either"),
        (&["0F0 0B0 0W0"], 1, 1, "0W0: a micro-batch has either"),
        (&["0B0 0F0"], 1, 1, "0B0: it comes before its forward"),
        (&["0F0 0W0 0I0"], 1, 1, "0W0: it comes before its I"),
        (&["0F0 0I0 0I0 0W0"], 1, 1, "action 3 (counted from 1): 0I0: it is there twice"),
        (&["0F0 0I0 0W0 0W0"], 1, 1, "action 4 (counted from 1): 0W0: it is there twice"),
        (&["0F0 0B0 0I0"], 1, 1, "0I0: a micro-batch has either"),
        (&["0I0 0F0 0W0"], 1, 1, "0I0: it comes before its forward"),
        (&["0F0 0RECV_F0 0B0"], 1, 1, "0RECV_F0: there is no other rank"),
        (&["0F0 0I0"], 1, 1, "0W0: it is missing"),
        (&["0F0 0B0"], 1, 2, "0F1: it is missing"),
        (
            &["1F0 1B0", "0F0 0B0"],
            2,
            3,
            "row 2 (rank 1), action 3 (counted from 1): 0F1: it is missing",
        ),
        (&["0F0 0B0 0OPT0"], 1, 1, "the optimizer is implied"),
        (&["0F0 0B0", "0F1 0B1"], 1, 2, "0F1: the stage is on rank 0"),
        (&["0F0 0B0", ""], 1, 1, "row 2 (rank 1), action 1 (counted from 1): nothing"),
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
    let expected = "row 1 (rank 0), action 2 (counted from 1): 0B0: deadlock: it waits for 1B0, which is on rank 1, which is stuck at 1F1
> rank 0:  0F0 >0B0  0F1  0B1
  rank 1:  1F0  1F1  1B0  1B1";
    assert_eq!(text, expected);
    // A place far along its row, and one beyond the end of it.
    let text = reason(&["0F0 0F1 0F2 0I0 0W0 0I1 0W1 0I2"], 1, 3);
    let expected = "
> rank 0: …  0W0  0I1  0W1  0I2 >";
    assert!(text.ends_with(expected), "{text}");
    let rows = ["1F0 1F1 1B0 1B1", "0F0 2F0 2B0 0B0 0F1 2F1 2B1 0B1"];
    let text = reason(&rows, 3, 2);
    let expected = "1F1: deadlock: it waits for 0F1, which is on rank 1, which is stuck at 0B0\n";
    assert!(text.contains(expected), "{text}");
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

#[test]
fn transfers_are_all_there_or_implied() {
    let sound = ["0F0 0SEND_F0 0RECV_B0 0B0", "1RECV_F0 1F0 1B0 1SEND_B0"];
    validate(&schedule(&sound), 2, 1).unwrap();
    // Halves, and two stages on one rank: nothing is sent between those.
    validate(
        &schedule(&["0F0 1F0 1SEND_F0 1RECV_B0 1I0 0B0 1W0", "2RECV_F0 2F0 2I0 2SEND_B0 2W0"]),
        3,
        1,
    )
    .unwrap();
    let cases: [(&[&str], &str); 9] = [
        (&["0F0 0SEND_F0 0RECV_B0 0B0", "1F0 1B0 1SEND_B0"], "1F0: 1RECV_F0 has to come before"),
        (&["0F0 0SEND_F0 0B0 0RECV_B0", "1RECV_F0 1F0 1B0 1SEND_B0"], "0B0: 0RECV_B0 has to"),
        (&["0F0 0RECV_B0 0B0", "1RECV_F0 1F0 1B0 1SEND_B0"], "0SEND_F0: it is missing"),
        (&["0F0 0SEND_F0 0RECV_B0 0B0", "1RECV_F0 1F0 1B0"], "1SEND_B0: it is missing"),
        (&["0SEND_F0 0F0 0RECV_B0 0B0", "1RECV_F0 1F0 1B0 1SEND_B0"], "before what it sends"),
        (&["0F0 0SEND_F0 0SEND_F0 0RECV_B0 0B0", "1RECV_F0 1F0 1B0 1SEND_B0"], "twice"),
        (&["0F0 0SEND_F0 0RECV_B0 0B0 0SEND_B0", "1RECV_F0 1F0 1B0 1SEND_B0"], "no other rank"),
        (&["0F0 0SEND_F0 1F0 1B0 0B0"], "0SEND_F0: there is no other rank"),
        (
            &["0F0 0RECV_B0 0SEND_F0 0B0", "1RECV_F0 1F0 1B0 1SEND_B0"],
            "0RECV_B0: deadlock: it waits for 1SEND_B0, which is on rank 1, which is stuck at 1RECV_F0",
        ),
    ];
    for (rows, expected) in cases {
        let text = reason(rows, 2, 1);
        assert!(text.contains(expected), "{rows:?} gave: {text}");
    }
}

#[test]
fn transfers_keep_their_order() {
    let text = reason(&["0F0 0F1 0B0 0B1", "1F1 1B1 1F0 1B0"], 2, 2);
    assert!(
        text.contains("row 1 (rank 0), action 3 (counted from 1): 0B0: deadlock: it waits for 1B0"),
        "{text}"
    );
    let text = reason(&["1F1 1B1 1F0 1B0", "0F0 0F1 0B0 0B1"], 2, 2);
    assert!(text.contains("1F1: deadlock: transfers arrive in the order in which"), "{text}");
    assert!(text.contains("rank 1 sends micro-batch 0 of stage 0 first"), "{text}");
    validate(&schedule(&["0F1 0F0 0B1 0B0", "1F1 1B1 1F0 1B0"]), 2, 2).unwrap();
}

#[test]
fn a_tensor_that_goes_past_a_stage_keeps_its_order_too() {
    // Stages 1 and 2 are on one rank, so nothing is sent between them and each may have its own
    // order; but stage 2 also takes what stage 0 sends in order.
    let rows = ["1F0 1F1 2F1 2B1 1B1 2F0 2B0 1B0", "0F0 0F1 0B1 0B0"];
    let schedule = schedule(&rows);
    let link = |from, to, has_gradient| StageLink { from, to, has_gradient };
    let chain = [link(0, 1, true), link(1, 2, true)];
    validate(&schedule, 3, 2).unwrap();
    validate_links(&schedule, 3, 2, &chain).unwrap();
    let past = [chain[0], chain[1], link(0, 2, false)];
    let text = validate_links(&schedule, 3, 2, &past).unwrap_err().to_string();
    let expected = "row 1 (rank 0), action 3 (counted from 1): 2F1: deadlock: transfers arrive in the \
                    order in which they were sent, and rank 1 sends micro-batch 0 of stage 0 first";
    assert!(text.starts_with(expected), "{text}");
    // With the transfers written out, what stage 2 takes of stage 0 is received with its F.
    let text = validate_links(&schedule.with_transfers(), 3, 2, &past).unwrap_err().to_string();
    assert!(text.contains("2F1: deadlock: transfers arrive in the order"), "{text}");
    let rows = ["0F0 0F1 0B0 0B1", "1F0 1F1 2F0 2B0 1B0 2F1 2B1 1B1"];
    let in_order = common::schedule(&rows);
    for schedule in [in_order.with_transfers(), in_order] {
        validate_links(&schedule, 3, 2, &[past[0], past[1], link(0, 2, true)]).unwrap();
    }
}

#[test]
fn links_that_lead_nowhere_are_refused() {
    let schedule = schedule(&["0F0 0B0", "1F0 1B0"]);
    for (from, to) in [(1, 0), (0, 0), (0, 2), (usize::MAX, 1)] {
        let link = StageLink { from, to, has_gradient: true };
        let error = validate_links(&schedule, 2, 1, &[link]).unwrap_err();
        assert!(error.to_string().contains("to later ones"), "{error}");
    }
}

proptest! {
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
        let schedule = Schedule::new("", ranks);
        let _ = validate(&schedule, stages, micro_batches).map_err(|e| e.to_string());
        let _ = schedule.max_in_flight(0);
        let _ = (schedule.stages(), schedule.owners(), schedule.merged(), schedule.with_transfers());
        let links = [(0, 1), (0, 2), (1, 0), (2, usize::MAX)]
            .map(|(from, to)| StageLink { from, to, has_gradient: to == 2 });
        for first in 0..4 {
            let _ = validate_links(&schedule, stages, micro_batches, &links[first..]);
            let _ = validate_links(&schedule, stages, micro_batches, &links[..first]);
        }
    }
}
