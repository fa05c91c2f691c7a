//! Where in the run file stands what an error is about.

use toml::Value;
use trainyard_config::Document;
use trainyard_data::DataError;
use trainyard_engine::EngineError;
use trainyard_plan::PlanError;

use crate::config::{DataSection, RunConfig};
use crate::error::RunError;

/// The error with its place in the run file, where it is about something that the run file says.
pub(super) fn located(error: RunError, config: &RunConfig, document: &Document) -> RunError {
    let key = match &error {
        RunError::BadValue { key, .. } => Some(key.clone()),
        RunError::Recipe(_) => Some("data".to_owned()),
        RunError::Data(error) => key_of(error, &config.data),
        RunError::Engine(
            EngineError::NoSuchAdapter { wanted, .. }
            | EngineError::AmbiguousAdapter { wanted, .. },
        ) => {
            let device = config.devices.iter().find(|device| device.adapter == *wanted);
            device.map(|device| format!("device.{}.adapter", device.id))
        }
        RunError::Plan(PlanError::NoSuchPlan { reason }) => {
            Some(asked_of_plan(config, reason).to_owned())
        }
        _ => None,
    };
    match key {
        Some(key) => error.at(document, &key),
        None => error,
    }
}

/// The key that asks most of a plan, of those that a reason is about.
fn asked_of_plan(config: &RunConfig, reason: &str) -> &'static str {
    let pipeline = &config.pipeline;
    if pipeline.schedule_file.is_some() && reason.starts_with("the schedule") {
        "pipeline.schedule_file"
    } else if !pipeline.split.is_empty() {
        "pipeline.split"
    } else if !pipeline.lock.is_empty() {
        "pipeline.lock"
    } else if !pipeline.exclude.is_empty() {
        "pipeline.exclude"
    } else if pipeline.schedule_file.is_some() {
        "pipeline.schedule_file"
    } else {
        "pipeline.schedule"
    }
}

/// The key that an error of the data is about, or `[data]` as a whole; None for what is not the
/// person's doing, such as a disk that cannot be read.
fn key_of(error: &DataError, data: &DataSection) -> Option<String> {
    if !error.is_wrong_input() {
        return None;
    }
    let value = match error {
        DataError::BadValue { key, .. } if key.contains('.') => return Some(key.clone()),
        DataError::BadValue { value, .. }
        | DataError::NoFiles { pattern: value, .. }
        | DataError::NoColumn { column: value, .. }
        | DataError::UnknownBuiltin { name: value, .. }
        | DataError::EmptyText { name: value }
        | DataError::NotUtf8 { name: value, .. } => Some(value.clone()),
        DataError::Io { path: file, .. }
        | DataError::BadFile { file, .. }
        | DataError::Cell { file, .. } => Some(file.display().to_string()),
        _ => None,
    };
    let says = |option: &Value| match option {
        Value::Array(entries) => {
            value.is_some() && entries.iter().any(|entry| entry.as_str() == value.as_deref())
        }
        option => option.as_str().is_some_and(|text| Some(text) == value.as_deref()),
    };
    let said = data.options.iter().find(|(_, option)| says(option));
    let key = said.map(|(key, _)| key.as_str());
    // The name of a file in a folder stands nowhere: the key that names the data names the folder.
    let key = key.or_else(|| data.kind.as_deref().filter(|kind| data.options.contains_key(*kind)));
    Some(key.map_or_else(|| "data".to_owned(), |key| format!("data.{key}")))
}
