//! Damaged profiles and plans: whatever is wrong, the error names line and field, and nothing
//! panics or takes forever.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write;

use proptest::prelude::*;
use trainyard_plan::journal::read_line;
use trainyard_plan::simulate::simulate_traced;
use trainyard_plan::{Plan, PlanError, Profile, Recompute, Schedule, Stage};

/// One value a line, so that a line tells which.
const PROFILE: &str = r#"{
"format": "trainyard-profile",
"version": 1,
"model": {
"name": "m",
"optimizer_bytes_per_param_byte": 2,
"layers": [
{
"name": "x",
"param_bytes": 8,
"input_bytes": 4,
"output_bytes": 4,
"saved_bytes": 16,
"skips_to": "z"
},
{"name": "y", "param_bytes": 8, "input_bytes": 4, "output_bytes": 4, "saved_bytes": 16},
{
"name": "z", "param_bytes": 8, "input_bytes": 4, "output_bytes": 4, "saved_bytes": 16,
"tied_to": "x"
}
]
},
"devices": [
{
"id": "a",
"memory_bytes": 1000,
"reserve_bytes": 10,
"forward_us": [1,
2,
3],
"input_grad_us": [1, 2, 3],
"weight_grad_us": [1, 2, 3],
"optimizer_us": 5
},
{
"id": "b", "memory_bytes": 1000, "forward_us": [1, 2, 3],
"input_grad_us": [1, 2, 3], "weight_grad_us": [1, 2, 3],
"optimizer_us": [1, 2, 3]
}
],
"links": [
{
"from": "a",
"to": "b",
"latency_us": 1.5,
"bytes_per_us": 2
}
],
"default_link": {
"latency_us": 0,
"bytes_per_us": 1e3
},
"micro_batches": 4
}
"#;

fn plan() -> Plan {
    let stage =
        |device: &str, layers| Stage { device: device.into(), layers, recompute: Recompute::None };
    let stages = vec![stage("a", (0, 2)), stage("b", (2, 3))];
    Plan::new("m", stages, Schedule::named("1f1b", 2, 4).unwrap(), 4)
}

/// Line and field of what is wrong after a text has been replaced.
fn damage(old: &str, new: &str) -> (usize, String, String) {
    assert_eq!(PROFILE.matches(old).count(), 1, "{old}");
    let text = PROFILE.replace(old, new);
    match Profile::from_json(&text) {
        Err(PlanError::BadFile { line, field, reason, .. }) => (line, field, reason),
        other => panic!("{old} → {new}: {other:?}"),
    }
}

#[test]
fn the_undamaged_ones_are_read() {
    let profile = Profile::from_json(PROFILE).unwrap();
    assert_eq!(profile.model.skips(), [(0, 2)]);
    assert_eq!(profile.link(0, 1).transfer_us(4), 3.5);
    assert_eq!(profile.link(1, 0).transfer_us(1000), 1.0);
    let no_default = PROFILE.replace("\"default_link\"", "\"something_else\"");
    assert_eq!(Profile::from_json(&no_default).unwrap().link(1, 0).transfer_us(1000), 0.0);
    let list = PROFILE.replace("\"skips_to\": \"z\"", "\"skips_to\": [\"z\"]");
    assert_eq!(Profile::from_json(&list).unwrap(), profile);
    assert!(Plan::from_json(&serde_json::to_string_pretty(&plan()).unwrap()).is_ok());
}

#[test]
fn every_damaged_value_is_named_with_its_line() {
    let bad_times =
        ["-1", "NaN", "Infinity", "-Infinity", "1e999", "1.1e14", "null", "\"1\"", "[]"];
    let bad_bytes = ["-1", "1.5", "1e3", "NaN", "18446744073709551616", "null", "\"8\"", "{}"];
    for bad in bad_times {
        for (line, field, old, new) in [
            (29, "devices[0].forward_us[1]", "\n2,\n", "\n@,\n"),
            (45, "links[0].latency_us", "1.5", "@"),
            (50, "default_link.latency_us", "\"latency_us\": 0", "\"latency_us\": @"),
            (33, "devices[0].optimizer_us", "\"optimizer_us\": 5", "\"optimizer_us\": @"),
        ] {
            // An empty list is a list: its length is what is wrong.
            let found = damage(old, &new.replace('@', bad));
            assert_eq!((found.0, found.1.as_str()), (line, field), "{bad}: {}", found.2);
        }
    }
    for bad in ["0", "-2", "NaN", "1e999", "1e-7", "null", "\"2\""] {
        let found = damage("\"bytes_per_us\": 2", &format!("\"bytes_per_us\": {bad}"));
        assert_eq!((found.0, found.1.as_str()), (46, "links[0].bytes_per_us"), "{bad}");
    }
    for bad in bad_bytes {
        for (line, field, old) in [
            (10, "model.layers[0].param_bytes", "\"param_bytes\": 8,\n"),
            (11, "model.layers[0].input_bytes", "\"input_bytes\": 4,\n"),
            (26, "devices[0].memory_bytes", "\"memory_bytes\": 1000,\n"),
            (6, "model.optimizer_bytes_per_param_byte", "\"optimizer_bytes_per_param_byte\": 2,\n"),
            (53, "micro_batches", "\"micro_batches\": 4\n"),
        ] {
            let (key, end) = old.split_once(": ").unwrap();
            let comma = if end.contains(',') { "," } else { "" };
            let found = damage(old, &format!("{key}: {bad}{comma}\n"));
            assert_eq!((found.0, found.1.as_str()), (line, field), "{bad}: {}", found.2);
        }
    }
}

#[test]
fn every_damaged_name_list_and_count_is_named_with_its_line() {
    for (line, field, old, new, reason) in [
        (9, "model.layers[0].name", "\"name\": \"x\"", "\"name\": 5", "invalid type"),
        (
            18,
            "model.layers[2].name",
            "\"name\": \"z\"",
            "\"name\": \"y\"",
            "'y'; names must differ",
        ),
        (
            19,
            "model.layers[2].tied_to",
            "\"tied_to\": \"x\"",
            "\"tied_to\": \"q\"",
            "no other layer 'q'",
        ),
        (
            19,
            "model.layers[2].tied_to",
            "\"tied_to\": \"x\"",
            "\"tied_to\": \"z\"",
            "no other layer 'z'",
        ),
        (14, "model.layers[0].tied_to", "\"skips_to\": \"z\"", "\"tied_to\": \"z\"", "itself tied"),
        (
            14,
            "model.layers[0].skips_to",
            "\"skips_to\": \"z\"",
            "\"skips_to\": \"x\"",
            "no later layer 'x'",
        ),
        (
            14,
            "model.layers[0].skips_to",
            "\"skips_to\": \"z\"",
            "\"skips_to\": [\"q\"]",
            "no later layer 'q'",
        ),
        (
            14,
            "model.layers[0].skips_to",
            "\"skips_to\": \"z\"",
            "\"skips_to\": [\"z\", \"z\"]",
            "twice",
        ),
        (
            14,
            "model.layers[0].skips_to[0]",
            "\"skips_to\": \"z\"",
            "\"skips_to\": [1]",
            "invalid type",
        ),
        (36, "devices[1].id", "\"id\": \"b\"", "\"id\": \"a\"", "'a'; ids must differ"),
        (
            28,
            "devices[0].forward_us",
            "[1,\n2,\n3]",
            "[1, 2]",
            "2 numbers for the model's 3 layers",
        ),
        (
            38,
            "devices[1].optimizer_us",
            "\"optimizer_us\": [1, 2, 3]",
            "\"optimizer_us\": [1]",
            "1 numbers",
        ),
        (
            38,
            "devices[1].optimizer_us[1]",
            "\"optimizer_us\": [1, 2, 3]",
            "\"optimizer_us\": [1, -2, 3]",
            "a time",
        ),
        (
            34,
            "devices[0].fixed_us.input_grad",
            "5\n}",
            "5,\n\"fixed_us\": {\"forward\": [0,0,0], \"input_grad\": [], \"weight_grad\": []}}",
            "0 numbers",
        ),
        (43, "links[0].from", "\"from\": \"a\"", "\"from\": \"q\"", "no device 'q'"),
        (44, "links[0].to", "\"to\": \"b\"", "\"to\": \"q\"", "no device 'q'"),
        (53, "micro_batches", "\"micro_batches\": 4", "\"micro_batches\": 0", "1 to 1048576"),
        (53, "micro_batches", "\"micro_batches\": 4", "\"micro_batches\": 1048577", "1 to 1048576"),
        (54, "rows", "\"micro_batches\": 4", "\"micro_batches\": 4,\n\"rows\": 0", "at least 1"),
        (2, "format", "trainyard-profile", "trainyard-plan", "\"trainyard-profile\" is read"),
        (3, "version", "\"version\": 1", "\"version\": \"1\"", "invalid type"),
        (3, "version", "\"version\": 1", "\"version\": -1", "invalid value"),
        (4, "version", "\"version\": 1", "\"version\": 1,\n\"version\": 1", "duplicate field"),
        (
            11,
            "model.layers[0].param_bytes",
            "\"param_bytes\": 8,\n\"",
            "\"param_bytes\": 8,\n\"param_bytes\": 8, \"",
            "duplicate field",
        ),
        (24, "devices[0]", "{\n\"id\": \"a\"", "7, {\n\"id\": \"a\"", "invalid type"),
    ] {
        let found = damage(old, new);
        assert!(found.2.contains(reason), "{new}: {}", found.2);
        assert_eq!((found.0, found.1.as_str()), (line, field), "{new}: {}", found.2);
    }
    let twice = PROFILE.replace(
        "\"links\": [",
        "\"links\": [\n{\"from\":\"a\",\"to\":\"b\",\"latency_us\":1,\"bytes_per_us\":1},",
    );
    let error = Profile::from_json(&twice).unwrap_err().to_string();
    assert_eq!(
        error,
        "trainyard-profile, line 44: links[1].from: the link from 'a' to 'b' is there twice"
    );
    let newer =
        PROFILE.replace("\"version\": 1", "\"version\": 2").replace("\"model\"", "\"models\"");
    assert!(matches!(Profile::from_json(&newer), Err(PlanError::UnknownVersion { found: 2, .. })));
}

#[test]
fn text_that_ends_early_is_an_error_where_it_ends() {
    for text in [PROFILE, &serde_json::to_string_pretty(&plan()).unwrap()] {
        let whole = text.trim_end();
        for end in 0..whole.len() {
            let read = |text: &str| match text.contains("trainyard-profile") || end < 40 {
                true => Profile::from_json(&text[..end]).map(|_| ()),
                false => Plan::from_json(&text[..end]).map(|_| ()),
            };
            let Err(PlanError::BadFile { line, reason, .. }) = read(whole) else {
                panic!("{}", &whole[..end]);
            };
            let lines = whole[..end].lines().count();
            assert!(line + 1 >= lines && line <= lines + 1, "line {line} of {lines}: {reason}");
        }
    }
    for text in ["", " ", "[]", "5", "null", "\u{feff}{}", "{\"format\": \"trainyard-profile\"}"] {
        for error in [Profile::from_json(text).map(|_| ()), Plan::from_json(text).map(|_| ())] {
            assert!(matches!(error, Err(PlanError::BadFile { .. })), "{text:?}: {error:?}");
        }
    }
    let error = Profile::from_json("{\"format\":\n\"trainyard-profile\"\n}").unwrap_err();
    assert_eq!(error.to_string(), "trainyard-profile, line 3: version: it is missing; 1 is read");
    let more = format!("{PROFILE}}}");
    assert!(matches!(Profile::from_json(&more), Err(PlanError::BadFile { line: 55, .. })));
}

#[test]
fn what_is_too_large_or_too_deep_is_refused_in_no_time() {
    let mut layers = String::new();
    for index in 0..1_000_000 {
        let rest = "\"param_bytes\":1,\"input_bytes\":1,\"output_bytes\":1,\"saved_bytes\":1";
        write!(layers, ",{{\"name\":\"l{index}\",{rest}}}").unwrap();
    }
    let (before, after) = PROFILE.split_once("\n{\"name\": \"y\"").unwrap();
    let before = before.strip_suffix(',').unwrap();
    let many = format!("{before}{layers},\n{{\"name\": \"y\"{after}");
    let Err(PlanError::BadFile { field, reason, .. }) = Profile::from_json(&many) else { panic!() };
    assert_eq!(
        (field.as_str(), reason.as_str()),
        ("model.layers", "1000003 layers, but 1 to 10000 may be planned")
    );

    for open in [
        "[",
        "{\"a\":",
        "{\"model\":",
        "{\"model\":{\"layers\":[",
        "{\"devices\":[{\"optimizer_us\":[",
    ] {
        let deep = open.repeat(100_000);
        assert!(matches!(Profile::from_json(&deep), Err(PlanError::BadFile { .. })));
        assert!(matches!(Plan::from_json(&deep), Err(PlanError::BadFile { .. })));
        assert_eq!(read_line(&deep), Ok(None));
    }
    let deep = format!("\"default_link\": {}5{},", "[".repeat(5000), "]".repeat(5000));
    let found = damage("\"default_link\": {", &format!("{deep} \"x\": {{"));
    assert_eq!(found.0, 49);
}

#[test]
fn a_plan_names_what_is_wrong_with_it() {
    let text = serde_json::to_string_pretty(&plan()).unwrap();
    for (old, new, wanted) in [
        ("\"micro_batches\": 4", "\"micro_batches\": -4", "micro_batches: invalid value"),
        ("\"0F0\"", "\"0G0\"", "schedule.ranks[0][0]: '0G0' is not an action"),
        ("\"0F0\"", "7", "schedule.ranks[0][0]: invalid type"),
        ("\"device\": \"b\"", "\"device\": 7", "stages[1].device: invalid type"),
        (
            "\"recompute\": \"none\"",
            "\"recompute\": \"some\"",
            "stages[0].recompute: unknown variant `some`",
        ),
        ("\"model\": \"m\"", "\"modell\": \"m\"", "model: missing field"),
        ("\"micro_batches\": 4", "\"micro_batches\": 5", "0F4"),
        ("\"0F0\"", "\"0F18446744073709551616\"", "is not an action"),
        ("\"version\": 1", "\"version\": 3", "trainyard-plan version 3"),
    ] {
        let damaged = text.replacen(old, new, 1);
        assert_ne!(damaged, text, "{old}");
        let error = Plan::from_json(&damaged).unwrap_err();
        assert!(error.to_string().contains(wanted), "{new}: {error}");
        if let PlanError::BadFile { line, .. } = error {
            let with =
                damaged.lines().position(|line| line.contains(new.split('\n').next().unwrap()));
            let end = damaged.lines().count();
            assert!(line == with.unwrap() + 1 || line == end, "{new}: line {line}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn arbitrary_bytes_are_a_file_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        let refused = matches!(Profile::from_json(&text), Err(PlanError::BadFile { .. }));
        prop_assert!(refused);
        let refused = matches!(Plan::from_json(&text), Err(PlanError::BadFile { .. }));
        prop_assert!(refused);
    }

    #[test]
    fn a_damaged_profile_is_refused_or_can_be_simulated(
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..8, "[0-9]{1,20}|[\\[\\]{},:\"-]|null|-0\\.0|1e14|\"[xyzab]\""),
            1..4,
        ),
    ) {
        let mut text = PROFILE.to_owned();
        for (at, length, with) in edits {
            let at = at.index(text.len());
            text.replace_range(at..(at + length).min(text.len()), &with);
        }
        match Profile::from_json(&text) {
            Ok(profile) => {
                prop_assert!(profile.check().is_ok());
                let written = serde_json::to_string(&profile).unwrap();
                prop_assert_eq!(Profile::from_json(&written), Ok(profile.clone()));
                if let Ok((simulation, _)) = simulate_traced(&profile, &plan()) {
                    prop_assert!(simulation.step_us.is_finite());
                }
            }
            Err(PlanError::BadFile { line, field, reason, .. }) => {
                prop_assert!((1..=text.lines().count() + 1).contains(&line), "{field}: {reason}");
            }
            Err(PlanError::UnknownVersion { .. }) => {}
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
