//! Traces: from a journal, as Chrome JSON, as text.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use trainyard_plan::journal::{Header, HeaderDevice, Record};
use trainyard_plan::{
    Action, ActionKind, Lane, MemorySample, Precision, Trace, TraceBuilder, TraceDevice,
    TraceEvent, chrome, text,
};

fn event(device: usize, lane: Lane, action: &str, start_ns: u64, end_ns: u64) -> TraceEvent {
    let bytes = if lane == Lane::Compute { 0 } else { 64 };
    let action = action.parse().unwrap();
    TraceEvent { step: 1, device, lane, action, start_ns, end_ns, bytes, peer: None }
}

/// Two devices, two micro-batches; transfers of device 0 overlap.
fn sample() -> Trace {
    use Lane::{Compute, TransferIn, TransferOut};
    let device =
        |id: &str| TraceDevice { id: id.into(), name: "\"big\" card".into(), budget_bytes: 100 };
    Trace {
        devices: vec![device("dgpu"), device("a-device-with-a-long-name")],
        events: vec![
            event(0, Compute, "0F0", 1000, 2000),
            event(0, TransferOut, "0SEND_F0", 2000, 3400),
            event(1, TransferIn, "1RECV_F0", 2100, 3500),
            event(0, Compute, "0F1", 2000, 3000),
            event(0, TransferOut, "0SEND_F1", 3000, 4000),
            event(1, TransferIn, "1RECV_F1", 2900, 4000),
            event(1, Compute, "1F0", 4000, 5000),
            event(1, Compute, "1B0", 5000, 7000),
            event(1, TransferOut, "1SEND_B0", 7000, 7500),
            event(0, TransferIn, "0RECV_B0", 7000, 7500),
            event(0, Compute, "0B0", 7500, 9500),
            event(1, Compute, "1F1", 7000, 8000),
            event(1, Compute, "1B1", 8000, 10000),
            event(1, TransferOut, "1SEND_B1", 10000, 10500),
            event(0, TransferIn, "0RECV_B1", 10000, 10500),
            event(0, Compute, "0B1", 10500, 12500),
            event(0, Compute, "0OPT0", 12500, 13000),
            event(1, Compute, "1OPT0", 12500, 13000),
        ],
        memory: vec![MemorySample {
            at_ns: 2500,
            device: 1,
            in_use_bytes: 42,
            padding_bytes: Some(6),
            ..MemorySample::default()
        }],
    }
}

#[test]
fn sums_and_ranges() {
    let trace = sample();
    assert_eq!(trace.step_range(1), Some((1000, 13000)));
    assert_eq!(trace.step_range(2), None);
    assert_eq!((trace.busy_ns(0), trace.busy_ns(1), trace.busy_ns(2)), (6500, 6500, 0));
    let bubble = trace.bubble_fraction(1).unwrap();
    assert!((bubble - (24_000.0 - 13_000.0) / 24_000.0).abs() < 1e-12);
    assert_eq!(trace.bubble_fraction(2), None);
}

#[test]
fn the_timeline_is_to_scale() {
    let expected = "\
step 1: 0.012 ms, bubble 45.8 % (idle ÷ (devices × step time))
dgpu             |0011·········aaaa··bbbb#|
a-device-with-a- |······00aaaa11bbbb·····#|
0-9 forward  a-j backward  # optimizer  · idle (by micro-batch, last digit)
";
    assert_eq!(text::timeline(&sample(), 1, 24, false), expected);
    assert_eq!(text::timeline(&sample(), 2, 24, true), "step 2 is not in the trace\n");
    // Halves have their own signs; a short one is where most of it is; other steps are not drawn.
    let mut halves = sample();
    halves.events.retain(|event| event.action.to_string() != "1B1");
    halves.events.push(event(1, Lane::Compute, "1I1", 8000, 9000));
    halves.events.push(event(1, Lane::Compute, "1W1", 9000, 10000));
    halves.events.push(event(0, Lane::Compute, "0F7", 3800, 4700));
    let other = TraceEvent { step: 2, ..event(1, Lane::Compute, "0F9", 1000, 4000) };
    halves.events.push(other);
    let drawn = text::timeline(&halves, 1, 24, false);
    let expected = "\
dgpu             |0011··7······aaaa··bbbb#|
a-device-with-a- |······00aaaa11bbBB·····#|
0-9 forward  a-j backward  A-J weight gradient  # optimizer  · idle (by micro-batch, last digit)
";
    assert_eq!(drawn.split_once('\n').unwrap().1, expected);
    let coloured = text::timeline(&sample(), 1, 24, true);
    assert!(
        coloured.contains("|\x1b[34m0011\x1b[0m\x1b[90m·········\x1b[0m\x1b[38;5;208maaaa\x1b[0m")
    );
    let rows = text::timeline(&sample(), 1, usize::MAX, false);
    assert_eq!(rows.lines().nth(1).unwrap().chars().count(), 16 + 3 + 1000);
}

/// The checks every export must pass; returns its events.
fn check_chrome(trace: &Trace) -> Vec<Value> {
    let json: Value = serde_json::from_str(&chrome::to_string(trace)).unwrap();
    assert_eq!(json["displayTimeUnit"], "ms");
    let events = json["traceEvents"].as_array().unwrap().clone();
    let ns = |value: &Value| (value.as_f64().unwrap() * 1000.0).round() as u64;
    let number = |event: &Value, key: &str| event[key].as_u64().unwrap();

    let mut threads: BTreeMap<(u64, u64), Vec<(u64, u64)>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let span = (ns(&event["ts"]), ns(&event["ts"]) + ns(&event["dur"]));
        threads.entry((number(event, "pid"), number(event, "tid"))).or_default().push(span);
        for key in ["stage", "microbatch", "step", "bytes"] {
            assert!(event["args"][key].is_u64());
        }
    }
    for spans in threads.values() {
        assert!(spans.windows(2).all(|two| two[0].1 <= two[1].0), "overlap: {spans:?}");
    }

    let mut flows: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "s" || event["ph"] == "f") {
        let at = ns(&event["ts"]);
        let spans = &threads[&(number(event, "pid"), number(event, "tid"))];
        assert!(
            spans.iter().any(|(start, end)| *start <= at && at <= *end),
            "{event} is in no slice"
        );
        flows.entry(number(event, "id")).or_default().push(event);
    }
    for ends in flows.values() {
        let [s, f] = ends[..] else { panic!("{ends:?}") };
        assert_eq!((&s["ph"], &f["ph"], &f["bp"]), (&"s".into(), &"f".into(), &"e".into()));
        assert_eq!((&s["name"], &s["cat"]), (&f["name"], &f["cat"]));
        assert!(ns(&s["ts"]) <= ns(&f["ts"]));
    }
    events
}

#[test]
fn chrome_has_names_slices_counters_steps_and_arrows() {
    let events = check_chrome(&sample());
    let of = |ph: &str| events.iter().filter(|event| event["ph"] == ph).collect::<Vec<_>>();
    assert_eq!((of("X").len(), of("s").len(), of("f").len()), (18, 4, 4));
    assert_eq!(of("X")[0]["name"], "0F0");
    assert_eq!(of("X")[0]["ts"].to_string(), "1.0");
    let names: Vec<_> = of("M").iter().map(|event| event["args"]["name"].clone()).collect();
    assert!(
        names.contains(&"dgpu (\"big\" card)".into()) && names.contains(&"transfers in".into())
    );
    assert_eq!(of("C")[0]["args"], serde_json::json!({"in_use": 42, "padding": 6, "budget": 100}));
    assert_eq!((of("i").len(), &of("i")[0]["name"]), (1, &"step 1".into()));
    // The two overlapping sends of device 0 lie on two threads.
    let sends = of("X").into_iter().filter(|e| e["name"].as_str().unwrap().starts_with("0SEND"));
    assert_eq!(sends.map(|event| event["tid"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 100]);
    // They are shown one below the other, between the device's other threads.
    let place = |tid: u64| {
        let of_thread = |event: &&&Value| event["pid"] == 1 && event["tid"] == tid;
        let names = of("M").into_iter().filter(|event| event["name"] == "thread_sort_index");
        let found: Vec<_> = names.filter(|event| of_thread(&event)).collect();
        found[0]["args"]["sort_index"].as_u64().unwrap()
    };
    assert!([1, 2, 100, 3].map(place).is_sorted());
}

/// Device 1 receives two tensors by one name: the output of the stage before, and by a skip that
/// takes longer that of an earlier one.
#[test]
fn of_several_receives_of_one_name_the_arrow_leads_to_that_of_the_same_time() {
    use Lane::{TransferIn, TransferOut};
    for (ends, tid) in [([2500, 3000], 3), ([3000, 2500], 100)] {
        let mut trace = sample();
        trace.events = vec![
            event(0, TransferOut, "1SEND_F0", 2000, ends[0]),
            event(1, TransferIn, "2RECV_F0", 2000, ends[0]),
            event(1, TransferIn, "2RECV_F0", 2000, ends[1]),
        ];
        let events = check_chrome(&trace);
        let of_arrow = events.iter().find(|event| event["ph"] == "f").unwrap();
        assert_eq!((&of_arrow["pid"], &of_arrow["tid"]), (&2.into(), &tid.into()), "{ends:?}");
    }
}

#[test]
fn threads_without_names_are_known_by_their_numbers() {
    let mut trace = sample();
    // Without a second thread for what overlaps.
    trace.events.retain(|event| event.action.to_string() != "0SEND_F0");
    trace.events.retain(|event| event.action.to_string() != "1RECV_F0");
    let mut json: Value = serde_json::from_str(&chrome::to_string(&trace)).unwrap();
    let events = json["traceEvents"].as_array_mut().unwrap();
    events.retain(|event| event["name"] != "thread_name");
    let lanes = |trace: &Trace| {
        let lanes = trace.events.iter().map(|e| {
            (e.device, e.action.to_string(), e.lane == Lane::Compute, e.lane == Lane::TransferIn)
        });
        lanes.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(lanes(&chrome::from_json(json.to_string()).unwrap().trace), lanes(&trace));
}

#[test]
fn a_journal_becomes_a_trace() {
    let header = |started_unix_ms, first_step, ids: &[&str]| {
        let device = |id: &&str| HeaderDevice {
            id: (*id).into(),
            name: String::new(),
            budget_bytes: 1,
            precision: Precision::F32,
            clock_error_ns: None,
            times_noticed: false,
        };
        Record::Header(Header {
            format: Header::FORMAT.into(),
            version: Header::VERSION,
            program: String::new(),
            started_unix_ms,
            first_step,
            segment: 0,
            steps: 4,
            model: String::new(),
            parameters: 0,
            unit: "tokens".into(),
            devices: ids.iter().map(device).collect(),
        })
    };
    let action = |step, device, start_ns| {
        let action = Action::new(0, ActionKind::Forward, 0);
        let (lane, end_ns) = (Lane::Compute, start_ns + 10);
        let (bytes, peer) = (0, None);
        Record::Action(TraceEvent { step, device, lane, action, start_ns, end_ns, bytes, peer })
    };
    let memory = Record::Memory {
        at_ns: 5,
        device: 0,
        in_use_bytes: 7,
        reserved_bytes: None,
        padding_bytes: None,
        peak_bytes: 7,
        predicted_bytes: 8,
    };
    let records = [
        action(1, 0, 0), // before any header
        header(1000, 0, &["a", "b"]),
        action(1, 0, 100),
        action(2, 1, 200), // done again below
        action(2, 9, 200), // no such device
        header(1001, 1, &["b", "c"]),
        action(2, 0, 50),
        action(2, 1, 60),
        memory,
        Record::Unknown,
    ];
    let trace = Trace::from_journal(&records);
    let ids: Vec<_> = trace.devices.iter().map(|device| device.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    let event = |e: &TraceEvent| (e.step, e.device, e.start_ns, e.duration_ns());
    let events: Vec<_> = trace.events.iter().map(event).collect();
    assert_eq!(events, [(1, 0, 100, 10), (2, 1, 1_000_050, 10), (2, 2, 1_000_060, 10)]);
    assert_eq!(
        trace.memory,
        [MemorySample { at_ns: 1_000_005, device: 1, in_use_bytes: 7, ..MemorySample::default() }]
    );

    // Samples go with the steps they were taken in.
    let mut builder = TraceBuilder::default();
    let at = |at_ns| Record::Memory {
        at_ns,
        device: 0,
        in_use_bytes: 7,
        reserved_bytes: None,
        padding_bytes: None,
        peak_bytes: 7,
        predicted_bytes: 8,
    };
    let records =
        [header(1000, 0, &["a"]), action(1, 0, 100), at(105), at(200), action(2, 0, 200), at(250)];
    for record in &records {
        builder.push(record);
    }
    builder.forget_before(2);
    let left = builder.into_trace().memory;
    assert_eq!(left.iter().map(|sample| sample.at_ns).collect::<Vec<_>>(), [200, 250]);
}

proptest! {
    #[test]
    fn any_trace_can_be_drawn(
        events in prop::collection::vec((0_usize..3, 0_u8..3, 0_usize..9, 0_usize..3, 0_u64..60, 0_u64..20), 0..40),
    ) {
        const KINDS: [&str; 9] = ["F", "B", "I", "W", "OPT", "SEND_F", "SEND_B", "RECV_F", "RECV_B"];
        let mut trace = sample();
        trace.events = events.into_iter().map(|(device, lane, kind, m, start, length)| {
            let lane = [Lane::Compute, Lane::TransferOut, Lane::TransferIn][usize::from(lane)];
            let action = format!("{device}{}{m}", KINDS[kind]);
            // Some end before they start, as in a damaged file.
            event(device, lane, &action, start, (start + length).saturating_sub(3))
        }).collect();
        check_chrome(&trace);
        let rows = text::timeline(&trace, 1, 20, false);
        prop_assert!(rows.lines().count() == 4 || trace.events.is_empty());
        let bubble = trace.bubble_fraction(1).unwrap_or(0.0);
        prop_assert!((0.0..=1.0).contains(&bubble));
    }
}

#[test]
fn a_trace_says_by_which_clock_the_times_of_a_device_are_and_in_what_it_computes() {
    let named = |clock_error_ns, times_noticed, precision| {
        let device = HeaderDevice {
            id: "gpu".into(),
            name: "some GPU".into(),
            budget_bytes: 1,
            precision,
            clock_error_ns,
            times_noticed,
        };
        let header = Header {
            format: Header::FORMAT.into(),
            version: Header::VERSION,
            program: String::new(),
            started_unix_ms: 0,
            first_step: 0,
            segment: 0,
            steps: 1,
            model: String::new(),
            parameters: 0,
            unit: "tokens".into(),
            devices: vec![device],
        };
        Trace::from_journal([&Record::Header(header)]).devices[0].name.clone()
    };
    let f32 = Precision::F32;
    assert_eq!(named(None, false, f32), "some GPU");
    assert_eq!(named(Some(1500), false, f32), "some GPU, by its own clock ±2 µs");
    assert_eq!(named(None, true, f32), "some GPU, as the host noticed");
    assert_eq!(named(None, true, Precision::F16), "some GPU, f16, as the host noticed");
}
