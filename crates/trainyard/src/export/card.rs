//! The card of an exported model: what it was trained on, and how.

use std::fmt::Write;

use toml::Value;
use trainyard_pretrained::{NewModel, Pretrained};

use super::Base;
use super::usage::Usage;
use crate::config::{RunConfig, TrainMethod};

/// The text of its README.md, with the head that Hugging Face's tools read.
pub(crate) fn card(
    config: &RunConfig,
    (model, new): (&Pretrained, &NewModel),
    step: u64,
    is_adapter: bool,
) -> String {
    let mut card = "---\n".to_owned();
    let mut line = |text: String| {
        // Writing to a text cannot fail.
        let _written = writeln!(card, "{text}").is_ok();
    };
    let name = &model.name;
    line(format!("base_model: {name}"));
    let usage = Usage { base: &Base::of(model), new, is_adapter };
    line(format!("library_name: {}", usage.library()));
    if let Some(licence) = model.licence.as_ref().filter(|it| !it.starts_with("see ")) {
        line(format!("license: {licence}"));
    }
    line(format!("pipeline_tag: {}\ntags:\n- trainyard\n---\n", usage.pipeline()));
    let RunConfig { train, lora, data, optimizer, .. } = config;
    let what = match train.method {
        TrainMethod::Full => "all weights were trained".to_owned(),
        TrainMethod::Lora | TrainMethod::Qlora => {
            let (rank, alpha, targets) = (lora.rank, lora.alpha, lora.targets.join(", "));
            let what = if lora.targets == ["all"] {
                "all products of the blocks".to_owned()
            } else {
                targets
            };
            let place = if is_adapter {
                "these files are the adapters"
            } else {
                "they are merged into these weights"
            };
            format!(
                "low-rank adapters (LoRA) of rank {rank} and alpha {alpha} on {what} were trained; {place}"
            )
        }
    };
    line(format!("# {name}, fine-tuned\n"));
    line(format!("{}: {what}.\n", model.config.architecture.name()));
    line("| | |\n|---|---|".to_owned());
    line(format!("| steps | {step} of {} |", train.steps));
    line(format!("| rows a step | {} |", train.batch));
    line(format!("| optimizer | {} |", optimizer.kind));
    line(format!("| learning rate | {} |", train.learning_rate));
    line(format!("| seed | {} |", train.seed));
    let kind = data.kind.clone().unwrap_or_else(|| "none".to_owned());
    line(format!("| data | {kind} |"));
    for (key, value) in &data.options {
        if let Some(files) = files(value).filter(|_| *key == kind) {
            line(format!("| files | {files} |"));
        }
    }
    line(usage.text());
    line("\nTrained with Trainyard.".to_owned());
    card
}

/// Names of files without the folders of the machine they lay on.
fn files(value: &Value) -> Option<String> {
    let name = |value: &Value| {
        let path = std::path::Path::new(value.as_str()?);
        Some(path.file_name()?.to_string_lossy().into_owned())
    };
    match value {
        Value::Array(all) => Some(all.iter().filter_map(name).collect::<Vec<_>>().join(", ")),
        one => name(one),
    }
}
