//! The JSON Schemas in `assets/` say what the readers do: the same fields, the same ones required,
//! the same values refused. They are held against the readers by a validator of the few keywords
//! that they use. The example profile is a sound one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Map, Value, json};
use trainyard_plan::simulate::{IdleTime, check_memory};
use trainyard_plan::{MemoryUse, Plan, PlanError, Predicted, PredictedDevice, Profile, Schedule};
use trainyard_plan::{Recompute, Stage};

const EXAMPLE: &str = include_str!("../../../assets/example-profile.json");

/// A file format: its schema, its reader, and a file in which every field there is stands.
struct Format {
    schema: Value,
    read: fn(&str) -> Result<(), PlanError>,
    full: Value,
}

fn formats() -> [Format; 2] {
    let schema = |text| serde_json::from_str(text).unwrap();
    [
        Format {
            schema: schema(include_str!("../../../assets/profile.schema.json")),
            read: |text| Profile::from_json(text).map(|_| ()),
            full: full_profile(),
        },
        Format {
            schema: schema(include_str!("../../../assets/plan.schema.json")),
            read: |text| Plan::from_json(text).map(|_| ()),
            full: full_plan(),
        },
    ]
}

fn full_profile() -> Value {
    let layer = |name: &str, more: Value| {
        let mut layer = json!({
            "name": name, "kind": "block", "param_bytes": 8, "frozen_bytes": 3, "frozen_as": ["q4_1"], "buffer_bytes": 1,
            "optimizer_bytes": 4, "input_bytes": 4, "output_bytes": 4,
            "saved_bytes": 16, "weight_saved_bytes": 8, "fresh_bytes": 5, "split_workspace_bytes": 7, "weight_workspace_bytes": 6, "output_saved_bytes": 2, "input_saved_bytes": 3, "workspace_bytes": 2,
            "largest_weight_bytes": 6, "largest_tensor_bytes": 9, "forward_flops": 100,
            "context": 8, "carried_bytes": 12,
        });
        layer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        layer
    };
    let h = json!({"name": "h", "bytes": 4, "gradient_bytes": 2, "to": ["z"]});
    let mask = json!({"name": "mask", "bytes": 3});
    let link = json!({"from": "a", "to": "b", "latency_us": 1.5, "bytes_per_us": 2.0});
    let device = |id: &str| {
        json!({
            "id": id, "name": "A", "kind": "discrete", "api": "vulkan", "precision": "f16", "memory_bytes": 1000,
            "reserve_bytes": 10, "max_tensor_bytes": 500,
                "overhead_bytes": 5, "forward_us": [1.0, 2.0, 3.0], "input_grad_us": [1.0, 2.0, 3.0],
            "weight_grad_us": [1.0, 2.0, 3.0], "optimizer_us": [1.0, 0.0, 1.0],
            "saved_bytes": [1, 2, 3], "workspace_bytes": [1, 2, 3],
            "fixed_us": {
                "forward": [0.5, 0.5, 0.5], "input_grad": [0.0, 0.0, 0.0],
                "weight_grad": [0.0, 0.0, 0.0],
            },
            "kernels": ["gelu"],
        })
    };
    json!({
        "format": "trainyard-profile", "version": 1, "estimated": true,
        "sizes_estimated": true,
        "model": {
            "name": "m", "optimizer_bytes_per_param_byte": 2, "fresh_bytes_per_param_byte": 1,
            "kernels": ["gelu"], "layers": [
                layer("x", json!({"skips_to": ["z"], "param_bytes": 0, "forward_only": true})), layer("y", json!({"gives": [h], "batch": [mask]})),
                layer("z", json!({"tied_to": "x"})),
            ],
        },
        "devices": [device("a"), device("b")], "links": [link],
        "default_link": {"latency_us": 1.0, "bytes_per_us": 4.0}, "micro_batches": 4, "rows": 2, "slices": 2,
        "noise": {"share": 0.6, "disturbed": 0.9, "uncertainty": 0.4},
    })
}

fn full_plan() -> Value {
    let stage =
        |device: &str, layers| Stage { device: device.into(), layers, recompute: Recompute::Full };
    let device = PredictedDevice {
        id: "a".into(),
        budget_bytes: 10,
        busy_us: 1.25,
        idle_us: IdleTime::default(),
        peak_bytes: MemoryUse::default(),
    };
    let predicted =
        Predicted { step_us: 1.5, bubble_fraction: 0.5, estimated: true, devices: vec![device] };
    let stages = vec![stage("a", (0, 2)), stage("b", (2, 3))];
    let schedule = Schedule::in_slices("1f1b", 2, 1, 3, 3).unwrap();
    let plan = Plan {
        notes: vec!["a note".into()],
        predicted: Some(predicted),
        ..Plan::new("m", stages, schedule, 3)
    };
    serde_json::to_value(plan).unwrap()
}

/// Whether a value is what a schema allows.
fn allows(root: &Value, schema: &Value, value: &Value) -> bool {
    schema.as_object().unwrap().iter().all(|(keyword, what)| {
        let list = |of: &Value| of.as_array().unwrap().clone();
        match keyword.as_str() {
            // The last two say no more than the readers' own checks do.
            "$schema" | "$id" | "title" | "description" | "$defs" | "uniqueItems" | "pattern" => {
                true
            }
            "$ref" => {
                let pointer = what.as_str().unwrap().strip_prefix('#').unwrap();
                allows(root, root.pointer(pointer).unwrap(), value)
            }
            "anyOf" => list(what).iter().any(|schema| allows(root, schema, value)),
            "const" => value == what,
            "enum" => list(what).contains(value),
            "type" => match what.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "number" => value.is_number(),
                "integer" => value.is_u64() || value.is_i64(),
                "null" => value.is_null(),
                other => panic!("type {other}"),
            },
            "minimum" => value.as_f64().is_none_or(|value| value >= what.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|value| value <= what.as_f64().unwrap()),
            "minItems" => value.as_array().is_none_or(|v| v.len() as u64 >= what.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|v| v.len() as u64 <= what.as_u64().unwrap()),
            "items" => {
                value.as_array().is_none_or(|v| v.iter().all(|item| allows(root, what, item)))
            }
            "required" => value.as_object().is_none_or(|object| {
                list(what).iter().all(|key| object.contains_key(key.as_str().unwrap()))
            }),
            "properties" => value.as_object().is_none_or(|object| {
                let property = |(key, value): (&String, &Value)| {
                    what.get(key).is_none_or(|schema| allows(root, schema, value))
                };
                object.iter().all(property)
            }),
            other => panic!("the keyword {other}"),
        }
    })
}

/// The pointers of all values in a file, the file itself left out.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(key, v)| (key.clone(), v)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let pointer = format!("{at}/{key}");
        pointers(child, &pointer, all);
        all.push(pointer);
    }
}

#[test]
fn the_example_is_a_profile_of_three_unlike_devices() {
    let profile = Profile::from_json(EXAMPLE).unwrap();
    let value = serde_json::from_str(EXAMPLE).unwrap();
    let schema = &formats()[0].schema;
    assert!(allows(schema, schema, &value));
    let ids: Vec<_> = profile.devices.iter().map(|device| device.id.as_str()).collect();
    assert_eq!(ids, ["dgpu", "igpu", "cpu"]);
    assert_eq!(profile.model.layers.len(), 26);
    assert_eq!(profile.model.ties(), [(25, 0)]);
    // It is what the planner is for: no device can hold the model alone, all three together can.
    let stage =
        |device: &str, layers, recompute| Stage { device: device.into(), layers, recompute };
    let plan = |stages: Vec<Stage>| {
        let schedule = Schedule::named("1f1b", stages.len(), profile.micro_batches).unwrap();
        Plan::new("gpt", stages, schedule, profile.micro_batches)
    };
    for id in ["dgpu", "igpu"] {
        let alone = plan(vec![stage(id, (0, 26), Recompute::None)]);
        assert!(matches!(check_memory(&profile, &alone), Err(PlanError::DoesNotFit { .. })));
    }
    let together = plan(vec![
        stage("cpu", (0, 1), Recompute::None),
        stage("igpu", (1, 4), Recompute::None),
        stage("dgpu", (4, 26), Recompute::Full),
    ]);
    assert!(check_memory(&profile, &together).is_ok());
}

#[test]
fn a_file_with_every_field_is_allowed_and_reads_back() {
    for Format { schema, read, full } in formats() {
        assert!(allows(&schema, &schema, &full));
        read(&full.to_string()).unwrap();
    }
    // Whatever the types can hold is in the full file: they write what was read.
    let profile = Profile::from_json(&full_profile().to_string()).unwrap();
    assert_eq!(serde_json::to_value(profile).unwrap(), full_profile());
}

#[test]
fn a_profile_from_code_is_checked_like_one_from_a_file() {
    let mut profile = Profile::from_json(EXAMPLE).unwrap();
    assert_eq!(profile.check(), Ok(()));
    profile.devices[1].forward_us.pop();
    let error = profile.check().unwrap_err();
    let field = "devices[1].forward_us";
    assert!(matches!(&error, PlanError::BadFile { line: 0, field: f, .. } if f == field));
    let said = error.to_string();
    assert!(said.starts_with(&format!("trainyard-profile: {field}: it has ")), "{said}");
    let text = serde_json::to_string(&profile).unwrap();
    assert!(Profile::from_json(&text).unwrap_err().to_string().contains(", line 1: "));
}

#[test]
fn the_schemas_list_the_fields_that_are_written() {
    for Format { schema, full, .. } in formats() {
        same_fields(&schema, &schema, &full);
    }
}

/// Walks file and schema side by side: the same properties in each object, all described.
fn same_fields(root: &Value, schema: &Value, value: &Value) {
    let schema = resolve(root, schema, value);
    match value {
        Value::Object(object) => {
            let properties = schema["properties"].as_object().unwrap();
            let described = |(key, schema): (&String, &Value)| {
                assert!(schema["description"].is_string(), "{key} is not described");
            };
            properties.iter().for_each(described);
            // Not every layer has a tie, a skip and named tensors.
            let optional = ["tied_to", "skips_to", "gives", "batch", "forward_only"];
            let keys = |of: &Map<String, Value>| {
                let mut keys: Vec<_> =
                    of.keys().filter(|k| !optional.contains(&k.as_str())).cloned().collect();
                keys.sort();
                keys
            };
            assert_eq!(keys(properties), keys(object));
            for (key, child) in object {
                same_fields(root, &properties[key], child);
            }
        }
        Value::Array(list) => {
            for child in list {
                same_fields(root, &schema["items"], child);
            }
        }
        _ => {}
    }
}

/// Follows references and takes the alternative that the value is.
fn resolve<'a>(root: &'a Value, schema: &'a Value, value: &Value) -> &'a Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').unwrap();
        return resolve(root, root.pointer(pointer).unwrap(), value);
    }
    match schema["anyOf"].as_array() {
        Some(all) => {
            let one = all.iter().find(|one| allows(root, one, value)).unwrap();
            resolve(root, one, value)
        }
        None => schema,
    }
}

#[test]
fn schemas_and_readers_refuse_the_same() {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!("text"),
        json!([]),
        json!({}),
        json!([1]),
        json!(["x"]),
        json!(u64::MAX),
        json!(1e15),
        json!(-0.5),
    ];
    for Format { schema, read, full } in formats() {
        let mut all = Vec::new();
        pointers(&full, "", &mut all);
        for pointer in &all {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let mut without = full.clone();
            if let Some(object) = without.pointer_mut(parent).unwrap().as_object_mut() {
                object.remove(key);
                let (allowed, read) =
                    (allows(&schema, &schema, &without), read(&without.to_string()));
                assert_eq!(allowed, read.is_ok(), "without {pointer}: {read:?}");
            }
            for value in &values {
                let mut with = full.clone();
                *with.pointer_mut(pointer).unwrap() = value.clone();
                let (allowed, read) = (allows(&schema, &schema, &with), read(&with.to_string()));
                // The readers know more than a schema can say: names, lengths, orders.
                assert!(allowed || read.is_err(), "{pointer} = {value} is read");
                let refused_by_shape = matches!(&read, Err(PlanError::BadFile { reason, .. })
                    if ["invalid ", "missing ", "it must be", " is not a "].iter().any(|r| reason.starts_with(r)));
                assert!(
                    !(allowed && refused_by_shape),
                    "{pointer} = {value} is not read: {read:?}"
                );
            }
        }
    }
}
