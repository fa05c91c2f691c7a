//! One value after the other, each damaged in every way.

use trainyard_plan::{Plan, PlanError, Profile};

use crate::{PROFILE, damage, plan};

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

/// Rows of line, field, text, what replaces it, and part of the reason.
fn check(rows: &[(usize, &str, &str, &str, &str)]) {
    for &(line, field, old, new, reason) in rows {
        let found = damage(old, new);
        assert!(found.2.contains(reason), "{new}: {}", found.2);
        assert_eq!((found.0, found.1.as_str()), (line, field), "{new}: {}", found.2);
    }
}

#[test]
fn a_value_of_another_kind_is_told_what_should_stand_there() {
    let times = "must be a time, or one for each layer";
    check(&[
        (29, "devices[0].forward_us[1]", "\n2,\n", "\n\"2\",\n", "must be a number"),
        (33, "devices[0].optimizer_us", "\"optimizer_us\": 5", "\"optimizer_us\": {}", times),
        (
            14,
            "model.layers[0].skips_to",
            "\"skips_to\": \"z\"",
            "\"skips_to\": 5",
            "must be a name or a list of names",
        ),
    ]);
    let text = serde_json::to_string(&plan()).unwrap().replace("\"0F0\"", "5");
    let told = Plan::from_json(&text).unwrap_err().to_string();
    assert!(told.contains("must be an action such as 0F3"), "{told}");
}

#[test]
fn every_damaged_layer_is_named_with_its_line() {
    check(&[
        (9, "model.layers[0].name", "\"name\": \"x\"", "\"name\": 5", "must be"),
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
        (14, "model.layers[0].skips_to[0]", "\"skips_to\": \"z\"", "\"skips_to\": [1]", "must be"),
    ]);
}

#[test]
fn every_damaged_device_link_and_count_is_named_with_its_line() {
    check(&[
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
        (3, "version", "\"version\": 1", "\"version\": \"1\"", "must be"),
        (3, "version", "\"version\": 1", "\"version\": -1", "must be"),
        (4, "version", "\"version\": 1", "\"version\": 1,\n\"version\": 1", "twice"),
        (
            11,
            "model.layers[0].param_bytes",
            "\"param_bytes\": 8,\n\"",
            "\"param_bytes\": 8,\n\"param_bytes\": 8, \"",
            "twice",
        ),
        (24, "devices[0]", "{\n\"id\": \"a\"", "7, {\n\"id\": \"a\"", "must be"),
    ]);
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
fn a_plan_names_what_is_wrong_with_it() {
    let text = serde_json::to_string_pretty(&plan()).unwrap();
    for (old, new, wanted) in [
        ("\"micro_batches\": 4", "\"micro_batches\": -4", "micro_batches: it is -4"),
        ("\"0F0\"", "\"0G0\"", "schedule.ranks[0][0]: '0G0' is not an action"),
        ("\"0F0\"", "7", "schedule.ranks[0][0]: it is 7"),
        ("\"device\": \"b\"", "\"device\": 7", "stages[1].device: it is 7"),
        (
            "\"recompute\": \"none\"",
            "\"recompute\": \"some\"",
            "stages[0].recompute: there is no \"some\"",
        ),
        ("\"model\": \"m\"", "\"modell\": \"m\"", "model: it is missing"),
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
