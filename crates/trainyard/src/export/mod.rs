//! What is written beside the weights of an exported model.

pub(crate) mod card;
pub(crate) mod peft;
mod usage;

use std::path::Path;

use trainyard_pretrained::{Pretrained, name_of_downloaded};

use crate::config::RunConfig;

/// The model that a run began with, for PEFT to find it: by its name on Hugging Face's hub where it was downloaded from
/// there, else by where its folder lies on this machine. PEFT opens no GGUF file by itself: that has its own name.
pub(crate) fn base_path(config: &RunConfig, model: &Pretrained) -> String {
    let folder = || model.path.is_dir().then(|| model.path.display().to_string());
    name_on_hub(config).or_else(folder).unwrap_or_else(|| model.name.clone())
}

/// Its name for people: that on the hub, else that which its files give it, else that of its folder or file.
pub(crate) fn base_name(config: &RunConfig, model: &Pretrained) -> String {
    name_on_hub(config).unwrap_or_else(|| model.name.clone())
}

/// Paths of a run file begin with the folder of that file, names on the hub too.
fn name_on_hub(config: &RunConfig) -> Option<String> {
    let path = config.model.options.get("path").and_then(toml::Value::as_str)?;
    name_of_downloaded(Path::new(path))
}
