//! `--set key=value`: one setting of the run file, given on the command line.

use toml::{Table, Value};

use crate::document::{Document, Place, Source, note_inside};
use crate::error::ConfigError;
use crate::moved::alias_of;
use crate::names::list;
use crate::not_toml;

impl Document {
    /// Puts one `--set` over the file. The value is TOML; anything that is not stands for itself,
    /// so `--set data.text=input.txt` needs no quotes. A device is named by its id or its position:
    /// `device.left.memory=64 MiB`, `device.0.memory=64 MiB`; a group of the optimizer by its position:
    /// `optimizer.group.0.weight_decay=0`.
    /// Of `naming`, the keys of `[data]` that exclude each other, and of a key's old and new place,
    /// the one that is named last is meant.
    pub(crate) fn set(&mut self, argument: &str, naming: &[&str]) -> Result<(), ConfigError> {
        let source = self.sources.len();
        let name = format!("--set {argument}");
        self.sources.push(Source { name, text: argument.to_owned(), is_file: false });
        let Some((key, text)) = argument.split_once('=') else {
            return Err(self.problem(source, 0..argument.len(), "no value", |at| {
                format!("'{at}' has no '='; write --set {argument}=VALUE")
            }));
        };
        let (key_span, value_span) = (0..key.len(), key.len() + 1..argument.len());
        let value = parse_value(text).map_err(|reason| {
            self.problem(source, value_span.clone(), "this value", |at| {
                format!("'{at}': the value is not TOML: {reason}")
            })
        })?;
        let path = self.path_of(key).map_err(|reason| {
            self.problem(source, key_span.clone(), "this key", |at| format!("'{at}': {reason}"))
        })?;
        self.forget_rivals(&path, naming);
        put(&mut self.root, &path, value.clone()).map_err(|reason| {
            self.problem(source, key_span.clone(), "this key", |at| format!("'{at}': {reason}"))
        })?;
        // What stood below this path in the file is gone, and its places with it.
        self.places.retain(|other, _| !other.starts_with(&path));
        let place = Place { source, key: key_span, value: value_span, exact: true };
        note_inside(&mut self.places, &path, &value, &place);
        self.places.insert(path, place);
        Ok(())
    }

    /// The names of a dotted key, a device's id replaced by its position.
    pub(crate) fn path_of(&self, key: &str) -> Result<Vec<String>, String> {
        let mut path: Vec<String> = key.split('.').map(|name| name.trim().to_owned()).collect();
        if path.iter().any(String::is_empty) {
            return Err(format!("'{key}' is not a key; a key looks like train.steps"));
        }
        match &mut path[..] {
            [section, device, ..] if section == "device" => {
                *device = self.device_position(device)?;
            }
            [section, list, number, ..] if section == "optimizer" && list == "group" => {
                *number = self.group_position(number)?;
            }
            _ => {}
        }
        Ok(path)
    }

    /// The position of a device, which is named by its id or its position.
    fn device_position(&self, device: &str) -> Result<String, String> {
        let none = Vec::new();
        let entries = self.root.get("device").and_then(Value::as_array).unwrap_or(&none);
        let ids: Vec<&str> =
            entries.iter().map(|e| e.get("id").and_then(Value::as_str).unwrap_or("?")).collect();
        let by_id = ids.iter().position(|id| *id == device);
        let by_position = || device.parse().ok().filter(|&index: &usize| index < ids.len());
        match by_id.or_else(by_position) {
            Some(index) => Ok(index.to_string()),
            None if ids.is_empty() => {
                Err("the run file has no [[device]]; add one to it".to_owned())
            }
            None => {
                let known = list(ids.iter().copied());
                Err(format!("there is no [[device]] '{device}'; there are: {known}"))
            }
        }
    }

    /// The position of a group of the optimizer.
    fn group_position(&self, number: &str) -> Result<String, String> {
        let groups = self.value(&["optimizer", "group"]).and_then(Value::as_array);
        let count = groups.map_or(0, Vec::len);
        match number.parse().ok().filter(|index: &usize| *index < count) {
            Some(index) => Ok(index.to_string()),
            None if count == 0 => {
                Err("the run file has no [[optimizer.group]]; add one to it, or give the whole \
                      list, such as --set 'optimizer.group=[{pattern = \"embed/*\"}]'"
                    .to_owned())
            }
            None => {
                let which = match count {
                    1 => "the only one is 0".to_owned(),
                    _ => format!("say its position, 0 to {}", count - 1),
                };
                Err(format!("there is no [[optimizer.group]] '{number}'; {which}"))
            }
        }
    }

    /// Removes what a value at a path excludes.
    fn forget_rivals(&mut self, path: &[String], naming: &[&str]) {
        let [section, key] = path else { return };
        if let Some(alias) = alias_of(section, key) {
            self.forget(alias);
        }
        if section == "data" && naming.contains(&key.as_str()) {
            // The key says the kind.
            for rival in naming.iter().filter(|name| *name != key).chain([&"kind"]) {
                self.forget(["data", rival]);
            }
        }
    }

    /// Removes a value and its places.
    fn forget(&mut self, path: [&str; 2]) {
        if let Some(Value::Table(section)) = self.root.get_mut(path[0]) {
            section.remove(path[1]);
        }
        self.places.retain(|other, _| other.as_slice() != path.as_slice());
    }
}

/// A TOML value, or the text itself where it does not try to be one.
fn parse_value(text: &str) -> Result<Value, String> {
    let text = text.trim();
    match text.parse::<Value>() {
        Ok(value) => Ok(value),
        Err(error) if text.starts_with(['"', '\'', '[', '{']) => {
            Err(not_toml::in_words(text, &error))
        }
        Err(_) => Ok(Value::String(text.to_owned())),
    }
}

/// Puts a value at a path, making the tables on the way.
fn put(root: &mut Table, path: &[String], value: Value) -> Result<(), String> {
    let Some((last, sections)) = path.split_last() else { return Ok(()) };
    let mut table = root;
    let mut names = sections.iter();
    while let Some(name) = names.next() {
        let inner = table.entry(name.clone()).or_insert_with(|| Value::Table(Table::new()));
        let inner = match inner {
            Value::Array(entries) => names
                .next()
                .and_then(|index| entries.get_mut(index.parse::<usize>().ok()?))
                .ok_or_else(|| {
                    format!("'{name}' is a list; name one of its entries by position")
                })?,
            other => other,
        };
        table = match inner {
            Value::Table(table) => table,
            _ => return Err(format!("'{name}' is a value and has no '{last}' in it")),
        };
    }
    table.insert(last.clone(), value);
    Ok(())
}
