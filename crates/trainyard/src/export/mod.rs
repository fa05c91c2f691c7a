//! What is written beside the weights of an exported model.

pub(crate) mod card;
pub(crate) mod peft;
mod usage;

use std::path::Path;

use trainyard_pretrained::Pretrained;

use crate::config::RunConfig;

/// The name of the model that a run began with, for others to find it: as the run file has it where that is no path,
/// else that of its folder. What its config calls it may be the model that it was made from.
pub(crate) fn base_name(config: &RunConfig, model: &Pretrained) -> String {
    let path = config.model.options.get("path").and_then(toml::Value::as_str).map(Path::new);
    match path {
        Some(path) if !path.exists() => path.to_string_lossy().into_owned(),
        Some(path) if path.is_dir() => {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            name.unwrap_or_else(|| model.name.clone())
        }
        _ => model.name.clone(),
    }
}
