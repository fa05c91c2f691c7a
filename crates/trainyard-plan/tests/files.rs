//! What is read from files: actions, plans, journals. Round trips, other versions, and text that
//! nobody meant.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use trainyard_plan::journal::{Header, HeaderDevice, Record, State, read_line};
use trainyard_plan::simulate::IdleTime;
use trainyard_plan::{
    Action, ActionKind, Api, DeviceKind, DeviceList, DeviceProfile, Lane, LayerProfile, MemoryUse,
    ModelProfile, Plan, PlanError, Precision, Predicted, PredictedDevice, Profile, Recompute,
    Schedule, Stage, TraceEvent,
};

const KINDS: [(ActionKind, &str); 9] = [
    (ActionKind::Forward, "F"),
    (ActionKind::Backward, "B"),
    (ActionKind::InputGrad, "I"),
    (ActionKind::WeightGrad, "W"),
    (ActionKind::SendForward, "SEND_F"),
    (ActionKind::RecvForward, "RECV_F"),
    (ActionKind::SendBackward, "SEND_B"),
    (ActionKind::RecvBackward, "RECV_B"),
    (ActionKind::Optimizer, "OPT"),
];

fn plan() -> Plan {
    let stage =
        |device: &str, layers, recompute| Stage { device: device.into(), layers, recompute };
    let device = PredictedDevice {
        id: "a".into(),
        budget_bytes: 10,
        busy_us: 1.25,
        idle_us: IdleTime { drain_us: 0.25, ..IdleTime::default() },
        peak_bytes: MemoryUse { weights: 1, ..MemoryUse::default() },
    };
    let stages = vec![stage("a", (0, 2), Recompute::None), stage("b", (2, 5), Recompute::Full)];
    let predicted =
        Predicted { step_us: 1.5, bubble_fraction: 0.5, estimated: true, devices: vec![device] };
    Plan {
        notes: vec!["a note".into()],
        predicted: Some(predicted),
        ..Plan::new("gpt", stages, Schedule::named("1f1b", 2, 3).unwrap(), 3)
    }
}

fn header() -> Header {
    Header {
        format: Header::FORMAT.into(),
        version: Header::VERSION,
        program: "0.1.0".into(),
        started_unix_ms: 1,
        first_step: 0,
        steps: 9,
        model: "gpt".into(),
        parameters: 7,
        segment: 0,
        unit: "tokens".into(),
        devices: vec![HeaderDevice {
            id: "a".into(),
            name: "A \"card\"".into(),
            budget_bytes: 5,
            precision: Precision::F16,
            clock_error_ns: Some(2500),
            times_noticed: false,
        }],
    }
}

#[test]
fn a_plan_reads_back() {
    let text = serde_json::to_string_pretty(&plan()).unwrap();
    assert_eq!(Plan::from_json(&text).unwrap(), plan());
    assert!(text.contains("\"1B2\""));
}

#[test]
fn plans_of_other_versions_and_files_of_other_kinds_are_refused() {
    let change = |pointer: &str, value: serde_json::Value| {
        let mut json = serde_json::to_value(plan()).unwrap();
        *json.pointer_mut(pointer).unwrap() = value;
        Plan::from_json(&json.to_string()).unwrap_err()
    };
    let version = change("/version", 2.into());
    assert_eq!(
        version,
        PlanError::UnknownVersion { format: Plan::FORMAT.into(), found: 2, expected: 1 }
    );
    // A newer version may have any shape; it is still told by its version.
    let newer = r#"{"format":"trainyard-plan","version":7,"tracks":[]}"#;
    assert!(matches!(Plan::from_json(newer), Err(PlanError::UnknownVersion { found: 7, .. })));
    let bad_plan =
        |error: PlanError| assert!(matches!(error, PlanError::BadPlan { .. }), "{error}");
    let bad_file = |error: PlanError, wanted: &str| {
        assert!(matches!(&error, PlanError::BadFile { field, .. } if field == wanted), "{error}");
    };
    bad_file(change("/format", "else".into()), "format");
    bad_plan(change("/stages", serde_json::json!([])));
    bad_plan(change("/stages/1/layers", serde_json::json!([3, 5])));
    bad_plan(change("/stages/0/layers", serde_json::json!([0, u64::MAX])));
    bad_file(change("/schedule/ranks/0/0", "0X0".into()), "schedule.ranks[0][0]");
    let bad_schedule = |error| assert!(matches!(error, PlanError::BadSchedule { .. }));
    bad_schedule(change("/schedule/ranks/0/0", format!("{}F0", usize::MAX).into()));
    bad_schedule(change("/micro_batches", u64::MAX.into()));
}

#[test]
fn devices_are_called_in_files_what_they_are_called_in_words() {
    let word = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    for api in [Api::Vulkan, Api::Metal, Api::Dx12, Api::Gl, Api::Cpu] {
        assert_eq!(word(serde_json::to_value(api).unwrap()), api.text());
    }
    for kind in [
        DeviceKind::Discrete,
        DeviceKind::Integrated,
        DeviceKind::Virtual,
        DeviceKind::Software,
        DeviceKind::Cpu,
        DeviceKind::Other,
    ] {
        assert_eq!(word(serde_json::to_value(kind).unwrap()), kind.text());
    }
    let list = serde_json::to_value(DeviceList::new(Vec::new())).unwrap();
    let expected = serde_json::json!({"format": "trainyard-devices", "version": 1, "devices": []});
    assert_eq!(list, expected);
}

#[test]
fn every_record_reads_back() {
    let event = TraceEvent {
        step: 1,
        device: 0,
        lane: Lane::TransferOut,
        action: Action::new(2, ActionKind::SendBackward, 1),
        start_ns: 5,
        end_ns: 9,
        bytes: 64,
        peer: Some(1),
    };
    let records = [
        Record::Header(header()),
        Record::State { at_ns: 1, state: State::Failed, step: 2, message: "why".into() },
        Record::State { at_ns: 1, state: State::Running, step: 2, message: String::new() },
        Record::Step {
            at_ns: 1,
            step: 1,
            loss: 2.5,
            learning_rate: 1e-3,
            grad_norm: 0.5,
            step_ns: 10,
            tokens_per_s: 1e6,
            metrics: BTreeMap::from([("accuracy".into(), 0.25), ("perplexity".into(), 12.0)]),
        },
        validation(2.0, BTreeMap::from([("accuracy".into(), 0.5)])),
        Record::Corrected {
            at_ns: 1,
            step: 5,
            step_us: 96_000.0,
            factor: 0.5,
            reason: "busy".into(),
        },
        Record::LossScale { at_ns: 1, step: 5, scale: 32_768.0, skipped: true },
        Record::Action(event.clone()),
        Record::Action(TraceEvent { bytes: 0, lane: Lane::Compute, peer: None, ..event }),
        Record::Memory {
            at_ns: 1,
            device: 0,
            in_use_bytes: 2,
            reserved_bytes: Some(3),
            padding_bytes: Some(1),
            peak_bytes: 4,
            predicted_bytes: 5,
        },
        Record::Checkpoint { at_ns: 1, step: 1, path: "checkpoints/step-1".into() },
    ];
    for record in records {
        let line = serde_json::to_string(&record).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(read_line(&line).unwrap(), Some(record), "{line}");
        assert_eq!(read_line(&line[..line.len() - 1]), Ok(None));
    }
}

#[test]
fn what_is_zero_is_left_out() {
    let event = TraceEvent {
        step: 1,
        device: 0,
        lane: Lane::Compute,
        action: Action::forward(0, 0),
        start_ns: 5,
        end_ns: 9,
        bytes: 0,
        peer: None,
    };
    let us = vec![1.0];
    let device = DeviceProfile {
        id: "a".into(),
        forward_us: us.clone(),
        input_grad_us: us.clone(),
        weight_grad_us: us,
        ..DeviceProfile::default()
    };
    let model = ModelProfile {
        name: "gpt".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: vec![LayerProfile { name: "x".into(), ..LayerProfile::default() }],
    };
    let profile = Profile { devices: vec![device], ..Profile::new(model, 1) };
    let written = [serde_json::to_value(&event).unwrap(), serde_json::to_value(&profile).unwrap()];
    for (value, keys) in [
        (&written[0], &["bytes"][..]),
        (&written[1]["model"], &["fresh_bytes_per_param_byte", "kernels"]),
        (&written[1]["model"]["layers"][0], &["workspace_bytes", "forward_flops"]),
        (&written[1]["devices"][0], &["overhead_bytes"]),
    ] {
        assert!(value.is_object());
        assert!(keys.iter().all(|key| value.get(key).is_none()), "{value}");
    }
    assert_eq!(serde_json::from_value::<TraceEvent>(written[0].clone()).unwrap(), event);
    assert_eq!(Profile::from_json(&written[1].to_string()).unwrap(), profile);
}

#[test]
fn a_loss_that_is_not_a_number_is_still_a_record() {
    let metrics = BTreeMap::from([("accuracy".into(), f64::INFINITY), ("other".into(), 1.0)]);
    let line = serde_json::to_string(&validation(f64::NAN, metrics)).unwrap();
    let Some(Record::Validation { loss, metrics, .. }) = read_line(&line).unwrap() else {
        panic!("{line}");
    };
    assert!(loss.is_nan() && metrics["accuracy"].is_nan(), "{line}");
    assert_eq!(metrics["other"].to_bits(), 1.0_f64.to_bits());
}

#[test]
fn records_of_earlier_programs_have_no_metrics() {
    let line = r#"{"type":"validation","at_ns":1,"step":2,"loss":3.0,"tokens":4,"whole":true}"#;
    let read = read_line(line).unwrap().unwrap();
    let Record::Validation { rows: None, metrics, .. } = &read else { panic!("{read:?}") };
    assert!(metrics.is_empty());
    // Nor does one without metrics say so.
    assert_eq!(serde_json::to_string(&read).unwrap(), line);
    let event = r#"{"type":"action","step":1,"device":0,"lane":"transfer_out","action":"1SEND_F0","start_ns":1,"end_ns":2,"bytes":8}"#;
    let read = read_line(event).unwrap().unwrap();
    let Record::Action(sent) = &read else { panic!("{read:?}") };
    assert_eq!(sent.other_end().unwrap().to_string(), "2RECV_F0");
    let sent = TraceEvent { peer: Some(4), ..sent.clone() };
    assert_eq!(sent.other_end().unwrap().to_string(), "4RECV_F0");
}

fn validation(loss: f64, metrics: BTreeMap<String, f64>) -> Record {
    Record::Validation { at_ns: 1, step: 1, loss, tokens: 10, rows: Some(5), whole: true, metrics }
}

#[test]
fn sizes_under_their_earlier_name_are_read() {
    let text = r#"{"format":"trainyard-profile","version":1,"micro_batches":1,
        "model":{"name":"m","optimizer_bytes_per_param_byte":2,"layers":[
            {"name":"x","param_bytes":8,"input_bytes":4,"output_bytes":4,"saved_bytes":16,"work_bytes":7}]},
        "devices":[{"id":"a","memory_bytes":9,"forward_us":[1],"input_grad_us":[1],
            "weight_grad_us":[1],"work_bytes":[5]}]}"#;
    let profile = Profile::from_json(text).unwrap();
    assert_eq!(profile.model.layers[0].workspace_bytes, 7);
    assert_eq!(profile.workspace_bytes(0, 0), 5);
    assert!(!serde_json::to_string(&profile).unwrap().contains("\"work_bytes"));
}

#[test]
fn a_newer_journal_is_told_apart_from_a_newer_record() {
    assert_eq!(read_line(r#"{"type":"weather","sky":[1,{"a":null}]}"#), Ok(Some(Record::Unknown)));
    assert_eq!(read_line(""), Ok(None));
    let newer = r#"{"type":"header","version":3,"whatever":1}"#;
    let expected =
        PlanError::UnknownVersion { format: Header::FORMAT.into(), found: 3, expected: 1 };
    assert_eq!(read_line(newer), Err(expected));
}

proptest! {
    #[test]
    fn actions_round_trip(stage in any::<usize>(), kind in 0_usize..9, micro_batch in any::<usize>()) {
        let (kind, letters) = KINDS[kind];
        let action = Action::new(stage, kind, micro_batch);
        let text = action.to_string();
        prop_assert_eq!(&text, &format!("{stage}{letters}{micro_batch}"));
        prop_assert_eq!(text.parse::<Action>(), Ok(action));
        let json = serde_json::to_string(&action).unwrap();
        prop_assert_eq!(serde_json::from_str::<Action>(&json).unwrap(), action);
    }

    #[test]
    fn garbage_is_no_action(text in "[0-9]{0,25}[A-Z_é]{0,7}[0-9]{0,25}|.*") {
        if let Ok(action) = text.parse::<Action>() {
            let shown = action.to_string();
            prop_assert_eq!(shown.parse::<Action>(), Ok(action));
        }
    }

    #[test]
    fn any_text_is_a_plan_or_an_error(text in ".*") {
        let _ = Plan::from_json(&text);
        let _ = read_line(&text);
    }

    #[test]
    fn a_damaged_plan_never_panics(
        edits in prop::collection::vec((any::<prop::sample::Index>(), "[0-9]{1,20}|[\\[\\]{},:\"FBIW-]|null"), 1..4),
    ) {
        let mut text = serde_json::to_string(&plan()).unwrap();
        for (at, with) in edits {
            let at = at.index(text.len());
            text.replace_range(at..=at, &with);
        }
        if let Ok(plan) = Plan::from_json(&text) {
            prop_assert!(plan.check(plan.stages.last().unwrap().layers.1).is_ok());
        }
    }
}
