//! Checks `[model]` with the model registry, so that what is wrong there has a place as well.

use toml::{Table, Value};
use trainyard_models::ModelError;
use trainyard_models::registry;

use super::document::Document;
use super::read::described;
use super::{RunConfig, keys};
use crate::error::RunError;

/// Refuses a model that does not exist, options it does not take, and sizes that make no sense.
pub(super) fn check(document: &Document, config: &RunConfig) -> Result<(), RunError> {
    let kind = config.model.kind.as_str();
    let Some(known) = registry::option_names(kind) else {
        let hint = match keys::nearest(kind, registry::kinds().iter().copied()) {
            Some(near) => format!("; did you mean \"{near}\"?"),
            None => String::new(),
        };
        let kinds = keys::list(registry::kinds().iter().copied());
        return Err(document.problem_at(&["model", "kind"], "this model", |at| {
            format!("{at}: there is no model '{kind}'; there are: {kinds}{hint}")
        }));
    };
    for (key, value) in &config.model.options {
        let path = ["model", key];
        if !known.contains(&key.as_str()) {
            let hint = match keys::nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("a {kind} takes: {}", keys::list(known.iter().copied())),
            };
            let what = |at: &str| format!("unknown key '{key}' in [model] ({at}); {hint}");
            return Err(match document.place(&path) {
                Some(place) => document.problem(place.source, place.key.clone(), "unknown", what),
                None => RunError::config(what("")),
            });
        }
        // One by one, so that the place of a wrong one is known.
        let alone = Table::from_iter([(key.clone(), value.clone())]);
        if let Err(error) = registry::read_options(kind, Value::Table(alone)) {
            return Err(document.problem_at(&path, "this value", |at| {
                let must = expected(&error);
                format!("{at}: model.{key} is {}, but must be {must}", described(value))
            }));
        }
    }
    let options = registry::read_options(kind, Value::Table(config.model.options.clone()))?;
    // How many characters the text has is not known here; what follows from that is met later.
    match registry::model(options, None) {
        Err(ModelError::BadValue { option, value, must }) => {
            Err(document.problem_at(&["model", &option], "this value", |at| {
                format!("{at}: model.{option} is {value}, but must be {must}")
            }))
        }
        Err(other) => Err(other.into()),
        Ok(_) => Ok(()),
    }
}

/// What a value must be, from what the reader says: `invalid type: …, expected usize`.
fn expected(error: &ModelError) -> String {
    let text = error.to_string();
    let wanted = text.rsplit("expected ").next().unwrap_or_default();
    match wanted.split_whitespace().next().unwrap_or_default() {
        "usize" | "u64" | "u32" => "a whole number, 0 or more".to_owned(),
        "f64" | "f32" => "a number".to_owned(),
        "a" if wanted.starts_with("a boolean") => "true or false".to_owned(),
        _ => format!("something else: {text}"),
    }
}
