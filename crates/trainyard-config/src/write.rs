//! The resolved run file as text.

use std::fmt::Write;

use toml::{Table, Value};

use crate::error::ConfigError;
use crate::key::{Entry, Keys};
use crate::names::heading;
use crate::run_config::RunConfig;
use crate::sections::{LoraSection, TrainMethod};

impl RunConfig {
    /// The resolved file: all defaults filled in, paths absolute. What follows from other keys is
    /// written as a comment, so that it goes on to follow. It parses back to an equal config.
    ///
    /// # Errors
    /// [`ConfigError`] if a value cannot be written as TOML: a path that is not UTF-8, a whole
    /// number above 2⁶³ − 1.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        run_file(self)
    }
}

/// Every section with every key.
fn run_file(config: &RunConfig) -> Result<String, ConfigError> {
    let RunConfig { model, data, optimizer, optimizer_groups, train, lora, pipeline, run, devices } =
        config;
    let mut text = String::from(
        "# Written by Trainyard: the run file as resolved, with every default. What follows from \
         other\n# keys is a comment.\n",
    );
    of_kind(&mut text, "model", Some(&model.kind), &model.options);
    of_kind(&mut text, "data", data.kind.as_ref(), &data.options);
    line(&mut text, "validation_fraction", &Value::Float(data.validation_fraction));
    of_kind(&mut text, "optimizer", Some(&optimizer.kind), &optimizer.options);
    for group in optimizer_groups {
        section(&mut text, "optimizer.group", group)?;
    }
    section(&mut text, "train", train)?;
    if train.method != TrainMethod::Full || *lora != LoraSection::default() {
        section(&mut text, "lora", lora)?;
    }
    section(&mut text, "pipeline", pipeline)?;
    section(&mut text, "run", run)?;
    for device in devices {
        section(&mut text, "device", device)?;
    }
    Ok(text)
}

fn of_kind(text: &mut String, name: &str, kind: Option<&String>, options: &Table) {
    begin(text, name);
    if let Some(kind) = kind {
        line(text, "kind", &Value::String(kind.clone()));
    }
    for (key, value) in options {
        line(text, key, value);
    }
}

fn section(text: &mut String, name: &str, keys: &impl Keys) -> Result<(), ConfigError> {
    begin(text, name);
    for Entry { name, value, derived } in keys.entries()? {
        match derived {
            None => line(text, name, &value),
            Some(from) => comment(text, name, &value, from),
        }
    }
    Ok(())
}

fn begin(text: &mut String, name: &str) {
    text.push('\n');
    text.push_str(&heading(name));
    text.push('\n');
}

fn line(text: &mut String, key: &str, value: &Value) {
    let _written = writeln!(text, "{} = {value}", quoted(key)).is_ok();
}

fn comment(text: &mut String, key: &str, value: &Value, from: &str) {
    let _written = writeln!(text, "# {key} = {value}, from {from}").is_ok();
}

/// A key as TOML writes it: bare where it can be.
fn quoted(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(is_bare) {
        return key.to_owned();
    }
    let mut quoted = String::from('"');
    for c in key.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _written = write!(quoted, "\\u{:04X}", u32::from(c)).is_ok();
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
