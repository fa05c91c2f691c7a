//! Schedules go to CSV and back, `PyTorch`'s files are read, and nothing else is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{named_with_chunks, schedule};
use proptest::prelude::*;
use trainyard_plan::validate::validate;
use trainyard_plan::{Action, ActionKind, CsvRemark, CsvSchedule, Place, PlanError, Schedule};

fn read(text: &str) -> CsvSchedule {
    Schedule::from_csv("test", text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// Line, cell, reason and the whole message of a refused text.
fn error(text: &str) -> (usize, usize, String, String) {
    let refused = Schedule::from_csv("test", text).and_then(|read| read.check());
    let message = refused.as_ref().map_err(ToString::to_string);
    match (&refused, message) {
        (Err(PlanError::BadCsv { line, cell, reason, .. }), Err(message)) => {
            (*line, *cell, reason.clone(), message)
        }
        other => panic!("{text:?} gave {other:?}"),
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
    let far = Schedule::new("", vec![vec![far, far]]);
    assert_eq!(read(&far.to_csv()).schedule.ranks, far.ranks);
}

#[test]
fn every_named_schedule_comes_back() {
    for (name, chunks) in named_with_chunks() {
        for (ranks, micro_batches) in [(1, 1), (1, 5), (2, 3), (4, 3), (4, 9), (7, 16)] {
            let compute = Schedule::with_chunks(name, ranks, chunks, micro_batches).unwrap();
            for schedule in [compute.with_transfers(), compute.merged(), compute] {
                let CsvSchedule { schedule: again, remarks, .. } = read(&schedule.to_csv());
                assert_eq!((again.ranks, remarks), (schedule.ranks, vec![]));
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
    let zb_v = read(text);
    zb_v.check().unwrap();
    assert_eq!(zb_v.schedule.ranks[0], Schedule::named("zb-v", 2, 3).unwrap().ranks[0]);
    let gpipe = read("0F0,0SEND_F0,0RECV_B0,0B0\n1RECV_F0,1F0,1B0,1SEND_B0");
    gpipe.check().unwrap();
    let with_transfers = Schedule::named("gpipe", 2, 1).unwrap().with_transfers();
    assert_eq!(gpipe.schedule.ranks, with_transfers.ranks);
}

#[test]
fn the_forms_that_people_have_are_read() {
    let plain = read("0F0,0F1,,0B0,0B1\n,1F0,1B0,1F1,1B1\n").schedule;
    for text in [
        "0F0;0F1;;0B0;0B1\r\n;1F0;1B0;1F1;1B1\r\n",
        "\u{feff}0F0\t0F1\t\t0B0\t0B1\n\t1F0\t1B0\t1F1\t1B1",
        "0F0,0F1,0B0,0B1\n\n1F0,1B0,1F1,1B1\n\n",
        "[0F0, 0F1, None, 0B0, 0B1]\n[None, 1F0, 1B0, 1F1, 1B1]",
        "['0F0', '0F1', None, '0B0', '0B1']\n['', '1F0', '1B0', '1F1', '1B1']\n",
        "[[0F0, 0F1, None, 0B0, 0B1], [None, 1F0, 1B0, 1F1, 1B1]]",
        "[[0F0, 0F1, None, 0B0, 0B1],\n [None, 1F0, 1B0, 1F1, 1B1]]\n",
        "{0: [0F0, 0F1, None, 0B0, 0B1], 1: [None, 1F0, 1B0, 1F1, 1B1]}",
        "Rank 0: 0F0, 0F1, , 0B0, 0B1\nRank 1: , 1F0, 1B0, 1F1, 1B1",
        "rank0;0F0;0F1;;0B0;0B1\nrank1;;1F0;1B0;1F1;1B1",
        "0,0F0,0F1,none,0B0,0B1\n1,-,1F0,1B0,1F1,1B1",
        "\"0F0\",\"0F1\",\"\",\"0B0\",\"0B1\"\n\"\",\"1F0\",\"1B0\",\"1F1\",\"1B1\"",
        "0F0,0F1,,0BW0,0B+W1\n,1F0,1B+W0,1F1,1BW1",
    ] {
        let read = read(text);
        assert_eq!((read.schedule.ranks, read.remarks), (plain.ranks.clone(), vec![]), "{text}");
    }
    for (head, heads) in [
        (",0,1,2,3,4", 1),
        ("rank,step 0,step 1,step 2,step 3,step 4", 1),
        ("# made by hand\nt0,t1,t2,t3,t4", 2),
        ("My schedule, with a comma", 1),
    ] {
        let read = read(&format!("{head}\n0,0F0,0F1,,0B0,0B1\n1,,1F0,1B0,1F1,1B1\n"));
        assert_eq!(read.remarks, [CsvRemark::HeadLines(heads)], "{head}");
        assert_eq!(read.schedule.ranks, plain.ranks, "{head}");
    }
    let columns = read("step,Rank 0,Rank 1\n0,0F0,\n1,0F1,1F0\n2,,1B0\n3,0B0,1F1\n4,0B1,1B1\n");
    assert_eq!(columns.remarks, [CsvRemark::HeadLines(1), CsvRemark::ColumnsAreRanks]);
    assert_eq!(columns.schedule.ranks, plain.ranks);
}

#[test]
fn what_is_run_in_another_way_is_said() {
    let at = |line, cell| Place { line, cell };
    let text = "0F0,0F1,,,(0F2;0B0)OVERLAP_F_B,0B1,,0B2\n,1F0,1B0,1F1,1B1,,1F2,1B2\n";
    let overlapped = read(text);
    overlapped.check().unwrap();
    assert_eq!(overlapped.remarks, [CsvRemark::Overlapped(1, at(1, 5))]);
    assert_eq!(overlapped.schedule.ranks[0], schedule(&["0F0 0F1 0F2 0B0 0B1 0B2"]).ranks[0]);
    assert_eq!(read(&text.replace(',', ";")).schedule, overlapped.schedule);
    assert_eq!(
        overlapped.remarks[0].to_string(),
        "1 cell (in line 1, cell 5, counted from 1) with several actions at once: they run one after \
         the other, as they are written"
    );
    let sharded = read("0UNSHARD,0F0,0B0,0REDUCE_GRAD,0RESHARD");
    assert_eq!(sharded.remarks, [CsvRemark::Sharding(3, at(1, 1))]);
    assert_eq!(sharded.schedule.ranks, schedule(&["0F0 0B0"]).ranks);
    // A zero-bubble schedule as PyTorch 2.5 wrote it.
    let older = read("0F0,0F1,0BW0,0BW1\n1F0,1F1,1B0,1B1,1W0,1W1");
    assert_eq!(older.remarks, [CsvRemark::OlderLetters(2, at(2, 3))]);
    assert_eq!(older.schedule.ranks[1], schedule(&["1F0 1F1 1I0 1I1 1W0 1W1"]).ranks[0]);
    older.check().unwrap();
    let joined = read("0F0,0B0+0W0");
    assert_eq!(joined.schedule.ranks, schedule(&["0F0 0I0 0W0"]).ranks);
}

#[test]
fn errors_name_line_and_cell_and_text() {
    let cases = [
        ("", 1, 1, "there are no actions"),
        ("\n,,\n", 2, 1, "there are no actions"),
        ("0F0,0B0\n1F0,1X0", 2, 2, "'1X0' is not an action; actions look like 0F3"),
        ("0F0,,0B\n", 1, 3, "'0B' is not"),
        ("0F0 0B0", 1, 1, "'0F0 0B0' is not"),
        ("0F0,0B0;1F0", 1, 2, "'0B0;1F0' is not"),
        ("\"0F0,0B0\"", 1, 1, "'0F0,0B0' is not"),
        ("0F99999999999999999999", 1, 1, "'0F99999999999999999999' is not"),
        ("-1F0", 1, 1, "'-1F0' is not"),
        ("<html>\n<body>", 1, 1, "'<html>' is not"),
        ("0F0,0B0\n,,\n\n1F0,1B0", 2, 1, "no actions; remove the row"),
        ("0UNSHARD", 1, 1, "there are no actions"),
        ("0F0,(0F1;0X0)OVERLAP_F_B", 1, 2, "is not several actions at once"),
        ("0F0,(0F1;;0B0)OVERLAP_F_B", 1, 2, "is not several actions at once"),
        // What cannot be run, past head lines, labels, idle slots and cells of several actions.
        ("step,0,1\nrank 0,,0F0,,0F0,0B0", 2, 5, "0F0: it is there twice"),
        ("0F0,(0F1;0B0)OVERLAP_F_B,0B0,0B1", 1, 3, "0B0: it is there twice"),
        ("0F0,,0B0,0F1", 1, 5, "0B1: it is missing"),
        ("0F0,0B0,,0F1,0B1\n1F0,1F1,1B0,1B1", 1, 2, "0B0: deadlock: it waits for 1B0"),
        ("Rank 0,Rank 1\n0F0,\n,1F0\n0B0,\n,1B0\n0F0,", 6, 1, "0F0: it is there twice"),
    ];
    for (text, line, cell, expected) in cases {
        let (at_line, at_cell, reason, _) = error(text);
        assert!(
            (at_line, at_cell) == (line, cell) && reason.contains(expected),
            "{text:?}: {at_line}, {at_cell}: {reason}"
        );
    }
    let long = error(&"x".repeat(1 << 20)).3;
    assert!(long.contains("'xxx") && long.len() < 400, "{long}");
    let (.., shown) = error("0F0,?");
    let expected = "line 1, cell 2 (counted from 1): '?' is not an action; actions look like 0F3, 1B0, \
                    2I1, 0W3, 2SEND_F1 (stage, kind, micro-batch)\n> line 1:  0F0 >?";
    assert_eq!(shown, expected);
    let (.., shown) = error("steps\n0F0,,0B0,0F1,0B1\n1F0,1F1,1B0,1B1");
    let expected =
        "line 2, cell 3 (counted from 1): 0B0: deadlock: it waits for 1B0, which is on rank \
                    1, which is stuck at 1F1
> line 2, rank 0:  0F0 >0B0  0F1  0B1
  line 3, rank 1:  1F0  1F1  1B0  1B1";
    assert_eq!(shown, expected);
}

#[test]
fn a_long_wait_is_not_a_large_file() {
    let row = |s: usize| vec![Action::forward(s, 0), Action::backward(s, 0)];
    let schedule = Schedule::new("", (0..6000).map(row).collect());
    validate(&schedule, 6000, 1).unwrap();
    assert!(schedule.to_csv().len() < 200_000);
}

/// The rows of a schedule in a form that people have: separator, brackets, quotes, names of ranks,
/// words for idle slots, actions that are left out, and neighbours of two stages at once.
fn disguised(schedule: &Schedule, forms: &[usize]) -> String {
    let mut choices = forms.iter().copied().cycle();
    let mut choose = |count: usize| choices.next().unwrap_or(0) % count;
    let separator = [",", ";", "\t", ", "][choose(4)];
    let (open, close) = [("", ""), ("[", "]"), ("  ", " ")][choose(3)];
    let quote = ["", "\"", "'"][choose(3)];
    let label = choose(3);
    let mut text = ["", "\u{feff}", "step,0,1\n", "# mine\n\n"][choose(4)].to_owned();
    for (rank, row) in schedule.ranks.iter().enumerate() {
        let mut cells: Vec<String> = Vec::new();
        let mut rest = row.iter().peekable();
        while let Some(action) = rest.next() {
            match (choose(6), rest.peek()) {
                (0, Some(next)) if action.stage != next.stage => {
                    cells.push(format!("({action};{next})OVERLAP_F_B"));
                    rest.next();
                    continue;
                }
                (1, _) => cells.push(["", "None"][choose(2)].to_owned()),
                (2, _) => cells.push(format!("{}UNSHARD", action.stage)),
                _ => {}
            }
            let is_whole = action.kind == ActionKind::Backward && choose(2) == 0;
            let Action { stage, micro_batch, .. } = action;
            cells.push(if is_whole {
                format!("{stage}BW{micro_batch}")
            } else {
                action.to_string()
            });
        }
        let cells: Vec<String> = cells.iter().map(|cell| format!("{quote}{cell}{quote}")).collect();
        let label =
            [String::new(), format!("Rank {rank}: "), format!("{rank}{separator}")][label].clone();
        text.extend([&label, open, &cells.join(separator), close, "\n"]);
    }
    text
}

proptest! {
    #[test]
    fn a_schedule_is_read_from_any_form(
        which in 0_usize..64,
        (ranks, micro_batches) in (1_usize..5, 1_usize..6),
        transfers in any::<bool>(),
        forms in prop::collection::vec(0_usize..1000, 12..60),
    ) {
        let named = named_with_chunks();
        let (name, chunks) = named[which % named.len()];
        let schedule = Schedule::with_chunks(name, ranks, chunks, micro_batches).unwrap();
        let schedule = if transfers { schedule.with_transfers() } else { schedule };
        let text = disguised(&schedule, &forms);
        let read = read(&text);
        prop_assert_eq!(&read.schedule.ranks, &schedule.ranks, "{}", text);
        read.check().unwrap();
    }

    #[test]
    fn any_text_is_a_schedule_or_an_error(
        text in prop_oneof![
            any::<String>(),
            "([0-9]{1,2}(F|B|I|W|BW|SEND_F|RECV_B|OPT|UNSHARD)[0-9]{1,2}|,|;|\t|\r?\n| |\"|'|\\[|\\]|\\(|\\)OVERLAP_F_B|Rank 1|99999999999F9){0,60}",
            prop::collection::vec(any::<u8>(), 0..200)
                .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        ],
    ) {
        match Schedule::from_csv("any", &text) {
            Ok(read) => {
                let refused = read.check().err();
                let is_csv = refused.is_none_or(|e| matches!(e, PlanError::BadCsv { .. }));
                prop_assert!(is_csv);
                let again = Schedule::from_csv("any", &read.schedule.to_csv());
                prop_assert_eq!(again.map(|again| again.schedule), Ok(read.schedule));
            }
            Err(error) => {
                let is_csv = matches!(error, PlanError::BadCsv { .. });
                prop_assert!(is_csv);
            }
        }
    }
}
