//! Traces of other programs: of any form, mixed with ours, cut off anywhere, and text that nobody
//! meant.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use serde_json::{Value, json};
use trainyard_plan::chrome::{TraceFile, from_json};
use trainyard_plan::foreign::{ForeignTrace, Span, SpanKind};
use trainyard_plan::{FileKind, Lane, MemorySample, Trace, TraceDevice, TraceEvent, chrome};

fn read(text: &str) -> TraceFile {
    from_json(text.to_owned()).unwrap()
}

fn foreign(text: &str) -> ForeignTrace {
    read(text).foreign
}

fn span(name: &str, pid: impl Into<Value>, tid: impl Into<Value>, ts: f64, dur: f64) -> Value {
    json!({"ph": "X", "name": name, "cat": "work", "pid": pid.into(), "tid": tid.into(), "ts": ts, "dur": dur})
}

/// Thread, name, lane, start and end of each span, µs.
fn spans(trace: &ForeignTrace) -> Vec<(String, String, u16, u64, u64)> {
    let of = |span: &Span| {
        let thread = &trace.threads[span.thread as usize];
        let process = &trace.processes[thread.process];
        let of = format!("{}/{}", process.id, thread.id);
        (of, trace.word(span.name).to_owned(), span.lane, span.start_ns / 1000, span.end_ns / 1000)
    };
    trace.spans.iter().map(of).collect()
}

fn row(of: &str, name: &str, lane: u16, start: u64, end: u64) -> (String, String, u16, u64, u64) {
    (of.to_owned(), name.to_owned(), lane, start, end)
}

#[test]
fn an_object_a_list_and_a_list_without_its_end_are_read_alike() {
    let events = [span("a", 1, 1, 5.0, 10.0), span("b", 1, 1, 7.0, 2.0), span("c", 1, 2, 6.0, 1.0)];
    let expected =
        vec![row("1/1", "a", 0, 5, 15), row("1/1", "b", 1, 7, 9), row("1/2", "c", 0, 6, 7)];
    let list = json!(events).to_string();
    let object = json!({"displayTimeUnit": "ns", "traceEvents": events, "x": {}}).to_string();
    assert_eq!(spans(&foreign(&list)), expected);
    assert_eq!(spans(&foreign(&object)), expected);
    assert_eq!(read(&object).remarks, Vec::<String>::new());
    let cut = format!("{},\n", list.trim_end_matches(']'));
    assert_eq!(spans(&foreign(&cut)), expected);
    assert!(read(&cut).remarks.concat().contains("breaks off"));
    let marked = format!("\u{feff}{list}");
    assert_eq!(spans(&foreign(&marked)), expected);
}

#[test]
fn a_span_may_say_itself_which_flow_it_is_in() {
    let span = |tid: u32, ts: u32, more: &str| {
        format!(
            r#"{{"ph": "X", "name": "s", "pid": 1, "tid": {tid}, "ts": {ts}, "dur": 5, {more}}}"#
        )
    };
    let list = [
        span(1, 0, r#""bind_id": "0x5", "flow_out": true"#),
        span(2, 10, r#""bind_id": "0x5", "flow_in": true, "flow_out": true"#),
        span(3, 20, r#""bind_id": "0x5", "flow_in": true"#),
        span(3, 30, r#""bind_id": "0x6", "flow_in": true"#),
        span(3, 40, r#""bind_id": "0x5""#),
    ];
    let foreign = foreign(&format!("[{}]", list.join(",")));
    let started = |span: u32| foreign.spans[span as usize].start_ns / 1000;
    let flows: Vec<_> =
        foreign.flows.iter().map(|(from, to)| (started(*from), started(*to))).collect();
    assert_eq!(flows, [(0, 10), (10, 20)]);
}

#[test]
fn what_pytorch_writes_is_read() {
    // Thread ids as texts, times since 1970, GPU work on streams, flows, and names that come last.
    let now = 1_900_000_000_000_000_u64;
    let text = format!(
        r#"{{"schemaVersion": 1, "deviceProperties": [{{"id": 0}}], "traceEvents": [
        {{"ph": "X", "cat": "cpu_op", "name": "aten::mm", "pid": 4242, "tid": "4242", "ts": {now}.123, "dur": 60.5, "args": {{"External id": 7, "Input Dims": [[2, 3]]}}}},
        {{"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "pid": 4242, "tid": 4242, "ts": {launch}, "dur": 5}},
        {{"ph": "s", "id": 9, "pid": 4242, "tid": 4242, "ts": {launch}, "cat": "ac2g", "name": "ac2g"}},
        {{"ph": "f", "id": 9, "pid": 0, "tid": "stream 7", "ts": {kernel}, "cat": "ac2g", "name": "ac2g", "bp": "e"}},
        {{"ph": "X", "cat": "kernel", "name": "gemm", "pid": 0, "tid": "stream 7", "ts": {kernel}, "dur": 50, "args": {{"stream": 7}}}},
        {{"name": "process_name", "ph": "M", "pid": 4242, "tid": 0, "args": {{"name": "python"}}}},
        {{"name": "process_labels", "ph": "M", "pid": 4242, "tid": 0, "args": {{"labels": "CPU"}}}},
        {{"name": "thread_name", "ph": "M", "pid": 0, "tid": "stream 7", "args": {{"name": "stream 7 (gemm)"}}}},
        {{"name": "process_sort_index", "ph": "M", "pid": 0, "tid": 0, "args": {{"sort_index": 5000000}}}}
        ]}}"#,
        launch = now + 10,
        kernel = now + 30,
    );
    let TraceFile { trace, foreign, remarks } = read(&text);
    assert_eq!((trace, remarks), (Trace::default(), Vec::new()));
    let expected = [
        row("4242/4242", "aten::mm", 0, 0, 60),
        row("4242/4242", "cudaLaunchKernel", 1, 9, 14),
        row("0/stream 7", "gemm", 0, 29, 79),
    ];
    assert_eq!(spans(&foreign), expected);
    assert_eq!(foreign.spans[1].start_ns, 9877, "not a nanosecond is lost");
    assert_eq!(foreign.flows, [(1, 2)]);
    let names: Vec<_> = foreign.processes.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(names, ["python (CPU)", ""]);
    assert_eq!(foreign.threads[1].name, "stream 7 (gemm)");
    let arguments = [("External id", "7"), ("Input Dims", "[[2, 3]]")];
    let arguments = arguments.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(foreign.arguments(&foreign.spans[0]), arguments);
    assert_eq!(foreign.word(foreign.spans[2].category), "kernel");
}

#[test]
fn beginnings_and_ends_are_one_span_in_any_order_of_the_file() {
    let text = r#"[
        {"ph": "E", "pid": 1, "tid": 1, "ts": 9, "args": {"result": "good"}},
        {"ph": "B", "pid": 1, "tid": 1, "ts": 0, "name": "outer", "args": {"x": 1}},
        {"ph": "B", "pid": 1, "tid": 1, "ts": 2, "name": "inner"},
        {"ph": "E", "pid": 1, "tid": 1, "ts": 4},
        {"ph": "B", "pid": 1, "tid": 2, "ts": 3, "name": "without an end"},
        {"ph": "E", "pid": 1, "tid": 3, "ts": 3}
    ]"#;
    let trace = foreign(text);
    let expected = [
        row("1/1", "outer", 0, 0, 9),
        row("1/1", "inner", 1, 2, 4),
        row("1/2", "without an end", 0, 3, 9),
    ];
    assert_eq!(spans(&trace), expected);
    assert_eq!(trace.spans[2].kind, SpanKind::Unfinished);
    let of_both = [("x", "1"), ("result", "good")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(trace.arguments(&trace.spans[0]), of_both);
}

#[test]
fn what_begins_and_ends_on_its_own_lies_beside_the_threads() {
    let text = r#"[
        {"ph": "b", "cat": "net", "id": "0x1", "pid": 1, "tid": 1, "ts": 0, "name": "load"},
        {"ph": "b", "cat": "net", "id": "0x2", "pid": 1, "tid": 2, "ts": 1, "name": "load too"},
        {"ph": "n", "cat": "net", "id": "0x2", "pid": 1, "tid": 2, "ts": 3, "name": "first byte"},
        {"ph": "e", "cat": "net", "id": "0x1", "pid": 1, "tid": 9, "ts": 5},
        {"ph": "e", "cat": "net", "id": "0x2", "pid": 1, "tid": 9, "ts": 7},
        {"ph": "X", "pid": 1, "tid": 1, "ts": 0, "dur": 1, "name": "x"}
    ]"#;
    let expected = [
        row("1/1", "x", 0, 0, 1),
        row("1/net", "load", 0, 0, 5),
        row("1/net", "load too", 1, 1, 7),
        row("1/net", "first byte", 2, 3, 3),
    ];
    assert_eq!(spans(&foreign(text)), expected);
}

#[test]
fn counters_have_their_series_and_their_numbers_in_order() {
    let text = r#"[
        {"ph": "C", "pid": 2, "ts": 5, "name": "power", "args": {"W": 12.5}},
        {"ph": "C", "pid": 2, "ts": 1, "name": "power", "args": {"W": "-1"}},
        {"ph": "C", "pid": 2, "ts": 1, "name": "memory", "args": {"used": 1, "free": 3, "what": "x"}}
    ]"#;
    let trace = foreign(text);
    let named: Vec<_> = trace.counters.iter().map(|it| (it.name.as_str(), &it.samples)).collect();
    let expected = [
        ("memory: free", &vec![(1000, 3.0)]),
        ("memory: used", &vec![(1000, 1.0)]),
        ("power", &vec![(1000, -1.0), (5000, 12.5)]),
    ];
    assert_eq!(named, expected);
}

#[test]
fn unknown_and_broken_events_cost_no_others() {
    let text = r#"{"traceEvents": [
        {"ph": "?", "ts": 1}, {"ph": "v", "ts": 1}, 7, {"ph": "X", "name": "without a time"},
        {"ph": "X", "name": "odd \q", "pid": null, "ts": "3", "dur": "2", "args": NaN},
        {"ph": "X", "name": "good", "ts": 1, "dur": 1},
    ]}"#;
    let TraceFile { foreign, remarks, .. } = read(text);
    let mut names: Vec<_> = spans(&foreign).into_iter().map(|span| span.1).collect();
    names.sort();
    assert_eq!(names, ["good", r"odd \q"]);
    let expected = ["2 events could not be read", "2 events of sorts that are not drawn (?, v)"];
    assert_eq!(remarks, expected);
}

#[test]
fn what_has_no_events_is_refused_in_words() {
    for (text, words) in [
        ("{", "no list of events"),
        (r#"{"a": 1}"#, "no list of events"),
        ("[", "no event in it that can be drawn; it breaks off"),
        (r#"{"traceEvents": []}"#, "no event in it that can be drawn"),
        (r#"[{"ph": "M", "name": "process_name", "args": {"name": "x"}}]"#, "no event"),
    ] {
        let error = from_json(text.to_owned()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

/// A trace of ours: two devices, one of which does nothing yet.
fn ours() -> Trace {
    let device =
        |id: &str, name: &str| TraceDevice { id: id.into(), name: name.into(), budget_bytes: 1000 };
    let event = |lane, action: &str, start_ns, end_ns, peer| TraceEvent {
        step: 3,
        device: 0,
        lane,
        action: action.parse().unwrap(),
        start_ns,
        end_ns,
        bytes: if lane == Lane::Compute { 0 } else { 64 },
        peer,
    };
    let sample = |at_ns, device| MemorySample {
        at_ns,
        device,
        in_use_bytes: 500,
        ..MemorySample::default()
    };
    Trace {
        devices: vec![device("dgpu", "Arc (TM) A770"), device("cpu", "")],
        events: vec![
            event(Lane::Compute, "0F0", 1_000_001, 2_000_000, None),
            // Two at once: the second gets a thread of its own.
            event(Lane::TransferOut, "0SEND_F0", 2_000_000, 3_000_000, None),
            event(Lane::TransferOut, "0SEND_F1", 2_000_000, 3_500_000, Some(3)),
        ],
        memory: vec![sample(1_000_001, 0), sample(2_000_000, 1)],
    }
}

#[test]
fn what_is_written_is_read_again() {
    let read = read(&chrome::to_string(&ours()));
    assert_eq!(read.trace, ours());
    assert!(read.foreign.is_empty() && read.remarks.is_empty());
}

#[test]
fn ours_as_a_list_or_with_times_since_1970_is_ours() {
    let written: Value = serde_json::from_str(&chrome::to_string(&ours())).unwrap();
    let events = written["traceEvents"].as_array().unwrap();
    assert_eq!(read(&json!(events).to_string()).trace.events, ours().events);
    let mut later = events.clone();
    for event in &mut later {
        if let Some(ts) = event["ts"].as_f64() {
            event["ts"] = json!(1_900_000_000_000_000.0 + ts.floor());
        }
    }
    let read = read(&json!({"traceEvents": later}).to_string());
    assert!(read.foreign.is_empty());
    let starts: Vec<_> = read.trace.events.iter().map(|event| event.start_ns).collect();
    assert_eq!(starts, [0, 1_000_000, 1_000_000]);
}

#[test]
fn events_of_others_lie_beside_ours_on_the_same_clock() {
    let text = chrome::to_string(&ours());
    for (pid, tid) in [(json!(1), json!("mine")), (json!("theirs"), json!(7))] {
        let mut written: Value = serde_json::from_str(&text).unwrap();
        written["traceEvents"].as_array_mut().unwrap().push(span("mine", pid, tid, 1500.0, 9.0));
        let TraceFile { trace, foreign, .. } = read(&written.to_string());
        assert_eq!(trace.events, ours().events);
        let [span] = foreign.spans[..] else { panic!("{foreign:?}") };
        assert_eq!((foreign.word(span.name), span.start_ns), ("mine", 1_500_000));
    }
}

/// An event of any sort that another program writes, as text.
fn event() -> impl Strategy<Value = Value> {
    let ph = prop::sample::select(vec![
        "X", "B", "E", "b", "e", "n", "S", "F", "i", "s", "t", "f", "C", "M", "P", "",
    ]);
    let id = || prop_oneof![(0_i64..3).prop_map(Value::from), "[a-c]".prop_map(Value::from)];
    let time = prop_oneof![
        (0.0..1000.0).prop_map(Value::from),
        (0_i64..1000).prop_map(|us| Value::from(1_900_000_000_000_000 + us)),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null),
        Just(Value::from("12")),
    ];
    let name = prop_oneof!["[a-d]", Just("process_name".to_owned()), Just("0F1".to_owned())];
    (ph, id(), id(), id(), time, 0_i64..500, name).prop_map(|(ph, pid, tid, id, ts, dur, name)| {
        json!({"ph": ph, "pid": pid, "tid": tid, "id": id, "ts": ts, "dur": dur, "name": name,
            "cat": "c", "args": {"name": "n", "step": 1, "x": dur}})
    })
}

/// What must hold of whatever was read.
fn check(trace: &ForeignTrace) {
    for (index, thread) in trace.threads.iter().enumerate() {
        let spans = &trace.spans[thread.spans.clone()];
        assert!(!spans.is_empty() && spans.iter().all(|span| span.thread as usize == index));
        assert!(spans.is_sorted_by_key(|span| span.start_ns));
        assert!(spans.iter().all(|span| usize::from(span.lane) < thread.lanes));
        assert!(thread.process < trace.processes.len());
    }
    for span in &trace.spans {
        assert!(span.end_ns >= span.start_ns);
        let _ = (trace.word(span.name), trace.arguments(span));
    }
    for &(from, to) in &trace.flows {
        assert!(from != to && (from.max(to) as usize) < trace.spans.len());
    }
    for counter in &trace.counters {
        assert!(counter.samples.is_sorted_by_key(|(at, _)| *at));
    }
}

proptest! {
    #[test]
    fn any_events_are_read(events in prop::collection::vec(event(), 0..40)) {
        let list = Value::from(events);
        for text in [list.to_string(), json!({"traceEvents": list}).to_string()] {
            if let Ok(read) = from_json(text) {
                check(&read.foreign);
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in r#"[\[\]{},:"\\ tseraphdunm0-9.XBEé]{0,120}"#) {
        let _ = FileKind::of(text.as_bytes());
        for text in [text.clone(), format!("[{text}"), format!(r#"{{"traceEvents":[{{"ph":"X",{text}"#)] {
            if let Ok(read) = from_json(text) {
                check(&read.foreign);
            }
        }
    }

    #[test]
    fn any_bytes_are_something(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(!FileKind::of(&bytes).name().is_empty());
        if let Ok(read) = from_json(String::from_utf8_lossy(&bytes).into_owned()) {
            check(&read.foreign);
        }
    }

    #[test]
    fn a_trace_that_is_cut_anywhere_has_what_comes_before_the_cut(
        times in prop::collection::vec((0_u32..100, 1_u32..50), 1..12),
        as_list in any::<bool>(),
    ) {
        let event = |(index, (start, length)): (usize, &(u32, u32))| {
            span(&format!("é{index}"), 1, index % 3, f64::from(*start), f64::from(*length))
        };
        let events: Vec<Value> = times.iter().enumerate().map(event).collect();
        let text = if as_list {
            json!(events).to_string()
        } else {
            format!(r#"{{"schemaVersion": 1, "traceEvents": {}, "traceName": "x"}}"#, json!(events))
        };
        // Where each event ends in the text.
        let ends: Vec<usize> = events.iter().map(|event| {
            let event = event.to_string();
            text.find(&event).unwrap() + event.len()
        }).collect();
        for cut in 0..text.len() {
            let before = ends.iter().filter(|end| **end <= cut).count();
            let part = String::from_utf8_lossy(&text.as_bytes()[..cut]).into_owned();
            let read = from_json(part).map(|read| read.foreign).unwrap_or_default();
            check(&read);
            prop_assert_eq!(read.spans.len(), before);
        }
    }
}
