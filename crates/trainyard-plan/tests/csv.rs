//! Schedules go to CSV and back, `PyTorch`'s files are read, and nothing else is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{named_with_chunks, schedule};
use proptest::prelude::*;
use trainyard_plan::validate::validate;
use trainyard_plan::{Action, PlanError, Schedule};

fn error(text: &str) -> (usize, usize, String) {
    match Schedule::from_csv("test", text) {
        Err(PlanError::BadCsv { line, cell, reason }) => (line, cell, reason),
        other => unreachable!("{text:?} gave {other:?}"),
    }
}

#[test]
fn a_schedule_is_written_as_a_grid() {
    let csv = |name| Schedule::named(name, 2, 3).unwrap().to_csv();
    assert_eq!(csv("gpipe"), "0F0,0F1,0F2,,,0B0,0B1,0B2\n,1F0,1F1,1F2,1B0,1B1,1B2\n");
    assert_eq!(csv("1f1b"), "0F0,0F1,,0B0,0F2,0B1,,0B2\n,1F0,1B0,1F1,1B1,1F2,1B2\n");
    assert_eq!(
        Schedule::named("gpipe", 2, 1).unwrap().with_transfers().to_csv(),
        "0F0,0SEND_F0,,,,,0RECV_B0,0B0\n,,1RECV_F0,1F0,1B0,1SEND_B0\n"
    );
}

#[test]
fn what_cannot_run_is_written_as_it_is() {
    assert_eq!(schedule(&["1F0 0F0", "2B7"]).to_csv(), "1F0,0F0\n2B7\n");
    assert_eq!(schedule(&[]).to_csv(), "");
    let far = Action::forward(usize::MAX, usize::MAX);
    let far = Schedule { name: String::new(), ranks: vec![vec![far, far]] };
    assert_eq!(Schedule::from_csv("", &far.to_csv()), Ok(far));
}

#[test]
fn every_named_schedule_comes_back() {
    for (name, chunks) in named_with_chunks() {
        for (ranks, micro_batches) in [(1, 1), (1, 5), (2, 3), (4, 3), (4, 9), (7, 16)] {
            let compute = Schedule::with_chunks(name, ranks, chunks, micro_batches).unwrap();
            for schedule in [compute.with_transfers(), compute.merged(), compute] {
                assert_eq!(Schedule::from_csv(name, &schedule.to_csv()), Ok(schedule));
            }
        }
    }
}

/// A zero-bubble V of 2 ranks and 3 micro-batches as `PyTorch` writes one: rank `i` begins with `i`
/// idle slots.
#[test]
fn the_form_of_pytorch_is_read() {
    let text = "\u{feff}0F0,0F1,0F2,3F0,3I0,3W0,3F1,3I1,3W1,0I0,0W0,3F2,3I2,3W2,0I1,0W1,0I2,0W2,,\r\n\
                , \"1F0\" ,1F1 ,2F0,1F2,2F1,\" 2I0\",2W0,1I0,1W0,2F2,2I1,2W1,1I1,2I2,1I2,1W1,2W2,1W2\r\n\
                \r\n,,\r\n";
    let read = Schedule::from_csv("zb-v", text).unwrap();
    validate(&read, 4, 3).unwrap();
    assert_eq!(read.ranks[0], Schedule::named("zb-v", 2, 3).unwrap().ranks[0]);
    let transfers = "0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0";
    let read = Schedule::from_csv("gpipe", transfers).unwrap();
    validate(&read, 2, 1).unwrap();
    assert_eq!(read, Schedule::named("gpipe", 2, 1).unwrap().with_transfers());
}

#[test]
fn errors_name_line_and_cell_and_text() {
    let cases = [
        ("", 1, 1, "there are no actions"),
        ("\n,,\n", 1, 1, "there are no actions"),
        ("0F0,0B0\n1F0,1X0", 2, 2, "'1X0' is not an action; actions look like 0F3"),
        ("0F0,,0B\n", 1, 3, "'0B' is not"),
        ("0F0 0B0", 1, 1, "'0F0 0B0' is not"),
        ("0F0;0B0", 1, 1, "'0F0;0B0' is not"),
        ("\"0F0,0B0\"", 1, 1, "'\"0F0' is not"),
        ("0F99999999999999999999", 1, 1, "'0F99999999999999999999' is not"),
        ("-1F0", 1, 1, "'-1F0' is not"),
        ("0F0,0B0\n\n1F0,1B0", 2, 1, "no actions; remove the row"),
        ("0F0,0B0\n,,\n\n1F0,1B0", 2, 1, "no actions; remove the row"),
        ("0UNSHARD", 1, 1, "'0UNSHARD' belongs to sharded weights"),
        ("0F0,(0F1;1B0)OVERLAP_F_B", 1, 2, "two actions at once"),
    ];
    for (text, line, cell, expected) in cases {
        let (at_line, at_cell, reason) = error(text);
        assert!(
            (at_line, at_cell) == (line, cell) && reason.contains(expected),
            "{text:?}: {reason}"
        );
    }
    let long = error(&"x".repeat(1 << 20)).2;
    assert!(long.starts_with("'xxx") && long.len() < 200, "{long}");
    let shown = Schedule::from_csv("", "0F0,?").unwrap_err().to_string();
    assert!(shown.starts_with("line 1, cell 2: '?' is not an action"), "{shown}");
}

#[test]
fn a_long_wait_is_not_a_large_file() {
    let row = |s: usize| vec![Action::forward(s, 0), Action::backward(s, 0)];
    let schedule = Schedule { name: String::new(), ranks: (0..6000).map(row).collect() };
    validate(&schedule, 6000, 1).unwrap();
    assert!(schedule.to_csv().len() < 200_000);
}

proptest! {
    #[test]
    fn any_text_is_a_schedule_or_an_error(
        text in prop_oneof![
            any::<String>(),
            "([0-9]{1,2}(F|B|I|W|SEND_F|RECV_B|OPT)[0-9]{1,2}|,|,|\r?\n| |\"|99999999999F9){0,60}",
            prop::collection::vec(any::<u8>(), 0..200)
                .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        ],
    ) {
        match Schedule::from_csv("any", &text) {
            Ok(schedule) => {
                let _ = validate(&schedule, schedule.stages(), 3).map_err(|e| e.to_string());
                prop_assert_eq!(Schedule::from_csv("any", &schedule.to_csv()), Ok(schedule));
            }
            Err(error) => {
                let is_csv = matches!(error, PlanError::BadCsv { .. });
                prop_assert!(is_csv);
            }
        }
    }
}
