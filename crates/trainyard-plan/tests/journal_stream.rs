//! A journal that comes in pieces: the same as in one piece, wherever it is cut.

use proptest::collection::vec;
use proptest::prelude::*;
use trainyard_plan::journal::{Record, Stream, read_line};
use trainyard_plan::{PlanError, Trace, TraceBuilder};

const HEADER: &str = r#"{"type":"header","format":"trainyard-journal","version":1,"program":"0.1.0","started_unix_ms":5,"first_step":2,"steps":9,"model":"gpt","parameters":7,"devices":[{"id":"a","name":"A","budget_bytes":5}]}"#;

/// Everything that comes of a journal in pieces.
fn read<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Record>, Stream, Option<PlanError>) {
    let mut stream = Stream::default();
    let mut records = Vec::new();
    for piece in pieces {
        if let Err(error) = stream.push(piece, |record| records.push(record)) {
            return (records, stream, Some(error));
        }
    }
    (records, stream, None)
}

/// Debug text, for a loss that is not a number equals nothing.
fn text(read: &(Vec<Record>, Stream, Option<PlanError>)) -> String {
    let (records, stream, error) = read;
    format!("{records:?} {:?} {error:?}", stream.unreadable())
}

fn line() -> impl Strategy<Value = String> {
    let action = |(step, at): (u64, u64)| {
        format!(
            r#"{{"type":"action","step":{step},"device":0,"lane":"compute","action":"0F0","start_ns":{at},"end_ns":{}}}"#,
            at + 3
        )
    };
    let memory = |at: u64| {
        format!(
            r#"{{"type":"memory","at_ns":{at},"device":0,"in_use_bytes":2,"peak_bytes":4,"predicted_bytes":5}}"#
        )
    };
    prop_oneof![
        4 => (1..9_u64, 0..999_u64).prop_map(action),
        2 => (0..999_u64).prop_map(memory),
        1 => Just(HEADER.to_owned()),
        1 => Just(HEADER.replace("\"version\":1", "\"version\":2")),
        1 => Just("{\"type\":\"of tomorrow\"}\r".to_owned()),
        1 => Just(" ".to_owned()),
        1 => "[^\n]{0,20}",
        1 => Just("x".repeat((1 << 20) + 1)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn pieces_are_read_as_the_whole(
        lines in vec(line(), 0..12),
        begins in prop::bool::weighted(0.9),
        ends in any::<bool>(),
        mut cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut journal = if begins { format!("{HEADER}\n") } else { String::new() };
        journal.push_str(&lines.join("\n"));
        if ends {
            journal.push('\n');
        }
        let bytes = journal.as_bytes();
        let mut at: Vec<usize> = cuts.drain(..).map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        let whole = read([bytes]);
        prop_assert_eq!(text(&whole), text(&read(pieces)));

        let mut builder = TraceBuilder::default();
        whole.0.iter().for_each(|record| builder.push(record));
        prop_assert_eq!(builder.trace(), &Trace::from_journal(&whole.0));
        let steps: Vec<u64> =
            builder.trace().events.iter().map(|e| e.step).filter(|&step| step >= 4).collect();
        builder.forget_before(4);
        let left: Vec<u64> = builder.trace().events.iter().map(|event| event.step).collect();
        prop_assert_eq!(left, steps);
    }
}

#[test]
fn a_line_without_its_end_is_neither_read_nor_unreadable() {
    let (records, stream, error) = read([HEADER.as_bytes(), b"\n", b"{\"type\":\"sta"]);
    assert_eq!((records.len(), stream.lines(), stream.unreadable().lines, error), (1, 1, 0, None));
}

#[test]
fn lines_that_are_left_out_are_told_with_their_number() {
    let long = "y".repeat((1 << 20) + 1);
    let text = format!("{HEADER}\n\nnonsense\n{long}\n{{\"type\":\"news\"}}\n");
    let (records, stream, error) = read([text.as_bytes()]);
    assert_eq!((records.len(), stream.lines(), error), (1, 5, None));
    let told = stream.unreadable().to_string();
    assert!(told.starts_with("2 lines could not be read, the first is line 3: "), "{told}");
}

#[test]
fn a_line_that_is_too_long_is_left_out_up_to_its_end() {
    let limit = 1 << 20;
    for (length, left_out) in [(limit, 0), (limit + 1, 1)] {
        let line = format!("{HEADER}{}", " ".repeat(length - HEADER.len()));
        for cut in [1, limit / 2, length] {
            let (start, rest) = line.as_bytes().split_at(cut);
            let pieces = [HEADER.as_bytes(), b"\n", start, rest, b"\n", HEADER.as_bytes(), b"\n"];
            let (records, stream, error) = read(pieces);
            assert_eq!((stream.lines(), error), (3, None));
            let told = (records.len() as u64, stream.unreadable().lines);
            assert_eq!(told, (3 - left_out, left_out), "{length} cut at {cut}");
        }
    }
}

#[test]
fn what_is_no_journal_is_refused_with_the_line() {
    let step = r#"{"type":"state","at_ns":1,"state":"running","step":0}"#;
    let (_, _, error) = read([format!("\n{step}\n").as_bytes()]);
    assert!(matches!(error, Some(PlanError::NotAJournal { line: 2, .. })), "{error:?}");
    let (_, _, error) = read([HEADER.replace(":1,\"program", ":3,\"program").as_bytes(), b"\n"]);
    assert!(matches!(error, Some(PlanError::UnknownVersion { found: 3, .. })), "{error:?}");
}

#[test]
fn a_header_of_another_version_is_one_whatever_else_it_says() {
    let changed = r#"{"type":"header","version":2,"steps":"many"}"#;
    assert!(matches!(read_line(changed), Err(PlanError::UnknownVersion { found: 2, .. })));
    let broken = r#"{"type":"header","version":1,"steps":"many"}"#;
    assert_eq!(read_line(broken), Ok(None));
    let no_header = r#"{"type":"step","version":2,"loss":"small"}"#;
    assert_eq!(read_line(no_header), Ok(None));
}
