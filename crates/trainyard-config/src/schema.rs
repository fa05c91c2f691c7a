//! A JSON Schema (draft 7) of run files, for editors such as those that use taplo.
//!
//! A section with kinds allows the keys of all its kinds, so that an editor can offer them, and
//! holds those of the kind that is named to their ranges and names.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::key::{Key, KeyGroup, Keys};
use crate::kinds::{KINDS, KindOf};
use crate::moved::MOVED;
use crate::names::is_list;
use crate::sections::{self, DataKeys};
use crate::value::Choice;

/// The schema of a run file, given the kinds of models, data sources and optimizers there are.
pub fn schema(kinds: &[KeyGroup]) -> Value {
    let mut properties = Map::new();
    for of in &KINDS {
        properties.insert(of.section.to_owned(), section_of_kinds(of, kinds));
    }
    for group in sections::groups() {
        let mut section = object(&(group.doc)(), &(group.keys)().iter().map(property).collect());
        if group.section == "train" {
            add_moved(&mut section, kinds);
        }
        if is_list(group.section) {
            section = json!({"type": "array", "items": section, "description": (group.doc)()});
        }
        match group.section.split_once('.') {
            None => {
                properties.insert(group.section.to_owned(), section);
            }
            Some((outer, name)) => {
                if let Some(outer) = properties.get_mut(outer) {
                    outer["properties"][name] = section;
                }
            }
        }
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Trainyard run file",
        "description": "What to train, on what, and how. Made by `trainyard keys --schema`.",
        "type": "object",
        "properties": properties,
        "required": ["model"],
        "additionalProperties": false,
    })
}

fn object(description: &str, properties: &Map<String, Value>) -> Value {
    json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn section_of_kinds(of: &KindOf, kinds: &[KeyGroup]) -> Value {
    let groups: Vec<&KeyGroup> = kinds.iter().filter(|group| group.section == of.section).collect();
    let common: Vec<Key> = match of.section {
        "data" => DataKeys::keys().into_iter().filter(|key| key.name != "kind").collect(),
        _ => Vec::new(),
    };
    let mut properties: Map<String, Value> = common.iter().map(property).collect();
    properties.insert("kind".to_owned(), kind_property(of, &groups));
    for (name, keys) in by_name(&groups) {
        properties.insert(name.to_owned(), union(&keys));
    }
    let mut section = object(&format!("[{}]", of.section), &properties);
    section["allOf"] = groups.iter().map(|group| condition(of, group)).collect();
    if of.default.is_none() && of.section == "model" {
        section["required"] = json!(["kind"]);
    }
    section
}

/// The keys of all kinds: each name with the kinds that have it.
fn by_name<'g>(groups: &[&'g KeyGroup]) -> BTreeMap<&'static str, Vec<(&'g KeyGroup, Key)>> {
    let mut names: BTreeMap<&'static str, Vec<_>> = BTreeMap::new();
    for group in groups {
        for key in (group.keys)() {
            names.entry(key.name).or_default().push((*group, key));
        }
    }
    names
}

/// A key as any of its kinds declares it: only described, held to its range by its kind's
/// condition.
fn union(keys: &[(&KeyGroup, Key)]) -> Value {
    let description = keys.iter().map(|(group, key)| format!("{}: {}", group.kind, describe(key)));
    let mut schemas: Vec<&Value> = Vec::new();
    for (_, key) in keys {
        if !schemas.contains(&&key.schema) {
            schemas.push(&key.schema);
        }
    }
    let mut schema = match schemas[..] {
        [only] => only.clone(),
        _ => json!({"anyOf": schemas}),
    };
    schema["description"] = json!(description.collect::<Vec<_>>().join("\n\n"));
    schema
}

fn kind_property(of: &KindOf, groups: &[&KeyGroup]) -> Value {
    let names: Vec<&str> = groups.iter().map(|group| group.kind).collect();
    let lines: Vec<String> =
        groups.iter().map(|group| format!("{}: {}", group.kind, (group.doc)())).collect();
    let mut kind = json!({"type": "string", "description": lines.join("\n\n")});
    if !names.is_empty() {
        kind["enum"] = json!(names);
    }
    if let Some(default) = of.default {
        kind["default"] = json!(default);
    }
    kind
}

/// Where a kind is named, only its own keys stand, within their ranges.
fn condition(of: &KindOf, group: &KeyGroup) -> Value {
    let keys = (group.keys)();
    let names: Vec<&str> =
        of.common.iter().copied().chain(keys.iter().map(|key| key.name)).collect();
    let properties: Map<String, Value> = keys.iter().map(property).collect();
    let mut named = json!({"properties": {"kind": {"const": group.kind}}});
    // The default kind is meant where none is named.
    if of.default != Some(group.kind) {
        named["required"] = json!(["kind"]);
    }
    json!({"if": named, "then": {"propertyNames": {"enum": names}, "properties": properties}})
}

/// Keys of the optimizer may still stand in `[train]`.
fn add_moved(train: &mut Value, kinds: &[KeyGroup]) {
    for group in kinds.iter().filter(|group| group.section == "optimizer") {
        for key in (group.keys)().iter().filter(|key| MOVED.contains(&key.name)) {
            let (name, mut schema) = property(key);
            schema["description"] =
                json!(format!("The same as optimizer.{name}, its place today. {}", key.doc));
            train["properties"][name] = schema;
        }
    }
}

/// A key's name and schema.
fn property(key: &Key) -> (String, Value) {
    let mut schema = key.schema.clone();
    schema["description"] = json!(describe(key));
    let has_docs = key.choices.iter().any(|choice| !choice.doc.is_empty());
    if !key.choices.is_empty() && !has_docs {
        let names: Vec<&str> = key.choices.iter().map(|choice| choice.name.as_str()).collect();
        schema["enum"] = json!(names);
    }
    // A schema of several types, such as a list or its one entry, has no bounds of its own.
    if schema["type"] == "integer" || schema["type"] == "number" {
        for (name, bound) in [
            ("minimum", key.bounds.at_least),
            ("maximum", key.bounds.at_most),
            ("exclusiveMaximum", key.bounds.below),
        ] {
            if let Some(bound) = bound {
                schema[name] = number(bound);
            }
        }
    }
    if let Some(default) = key.default.as_ref().and_then(|text| default_json(text)) {
        schema["default"] = default;
    }
    (key.name.to_owned(), schema)
}

/// A bound as a whole number where it is one.
fn number(bound: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if bound.fract() == 0.0 && bound.abs() < EXACT { json!(bound as i64) } else { json!(bound) }
}

fn default_json(text: &str) -> Option<Value> {
    let value: toml::Value = text.parse().ok()?;
    serde_json::to_value(value).ok()
}

/// Doc, range, choices and default of a key, as an editor shows them.
fn describe(key: &Key) -> String {
    let mut text = key.doc.clone();
    if !key.must.is_empty() {
        text = format!("{text}\n\nMust be {}.", key.must.join("; "));
    }
    for Choice { name, doc } in key.choices.iter().filter(|choice| !choice.doc.is_empty()) {
        text = format!("{text}\n\n{name}: {doc}");
    }
    if let Some(from) = key.derived {
        text = format!("{text}\n\nFollows from {from} where it is not given.");
    }
    text
}
