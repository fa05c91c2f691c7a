//! A low-rank adapter as PEFT has it: `adapter_model.safetensors` and `adapter_config.json`.

use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use trainyard_config::LoraSection;
use trainyard_models::hf::PeftWeight;
use trainyard_pretrained::{Architecture, Pretrained};

use crate::error::RunError;

/// What PEFT puts before the names of a model's products.
const PREFIX: &str = "base_model.model.";

/// Writes the adapters of a model into a folder.
///
/// # Errors
/// [`RunError::Io`].
pub(crate) fn write(
    folder: &Path,
    model: &Pretrained,
    lora: &LoraSection,
    adapters: &[PeftWeight],
) -> Result<(), RunError> {
    let path = folder.join("adapter_config.json");
    let config = format!("{:#}\n", config(model, lora, adapters));
    std::fs::write(&path, config).map_err(RunError::io("write", &path))?;
    let weights: Vec<(String, [usize; 2], Vec<u8>)> =
        adapters.iter().flat_map(|adapter| weights(adapter, lora.rank)).collect();
    let path = folder.join("adapter_model.safetensors");
    let failed = |error: safetensors::SafeTensorError| {
        RunError::io("write", &path)(std::io::Error::other(error.to_string()))
    };
    let views = weights.iter().map(|(name, shape, bytes)| {
        TensorView::new(Dtype::F32, shape.to_vec(), bytes).map(|view| (name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let format = [("format".to_owned(), "pt".to_owned())].into_iter().collect();
    safetensors::serialize_to_file(views, Some(format), &path).map_err(failed)
}

/// A and B of a product with PEFT's names, shapes and bytes.
fn weights(adapter: &PeftWeight, rank: usize) -> [(String, [usize; 2], Vec<u8>); 2] {
    let PeftWeight { product, a, b } = adapter;
    let bytes = |numbers: &[f32]| numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
    let name = |which: &str| format!("{PREFIX}{product}.lora_{which}.weight");
    let other = |numbers: &[f32]| numbers.len() / rank.max(1);
    [(name("A"), [rank, other(a)], bytes(a)), (name("B"), [other(b), rank], bytes(b))]
}

fn config(model: &Pretrained, lora: &LoraSection, adapters: &[PeftWeight]) -> Value {
    let products: Vec<&str> = adapters.iter().map(|adapter| adapter.product.as_str()).collect();
    json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": model.name,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "target_modules": products,
        "bias": "none",
        "inference_mode": true,
        // GPT-2's products are stored as [inputs, outputs].
        "fan_in_fan_out": model.config.architecture == Architecture::Gpt2,
    })
}
