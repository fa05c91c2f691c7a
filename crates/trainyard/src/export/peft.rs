//! A low-rank adapter as PEFT has it: `adapter_model.safetensors` and `adapter_config.json`.

use std::collections::BTreeSet;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use trainyard_config::LoraSection;
use trainyard_models::hf::PeftWeight;
use trainyard_pretrained::{Architecture, NewWeight, Purpose};

use crate::error::RunError;

/// What PEFT puts before the names of a model's products.
const PREFIX: &str = "base_model.model.";

/// An adapter, and what was trained beside it.
pub(crate) struct Adapter<'a> {
    /// The model that it is for, as PEFT finds it.
    pub(crate) base: String,
    pub(crate) architecture: Architecture,
    /// The names of all its weights.
    pub(crate) weights: Vec<String>,
    /// What the model is for; None for a decoder.
    pub(crate) purpose: Option<&'a Purpose>,
    pub(crate) lora: &'a LoraSection,
    pub(crate) products: Vec<PeftWeight>,
    /// Weights of the model's class that were trained as they are, with their numbers.
    pub(crate) beside: Vec<(NewWeight, Vec<f32>)>,
}

impl Adapter<'_> {
    /// Writes it into a folder.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub(crate) fn write(&self, folder: &Path) -> Result<(), RunError> {
        let path = folder.join("adapter_config.json");
        let config = format!("{:#}\n", self.config());
        std::fs::write(&path, config).map_err(RunError::io("write", &path))?;
        let weights = self.products.iter().flat_map(|product| self.weights(product));
        let beside = self.beside.iter().map(|(weight, numbers)| {
            let shape = weight.shape.iter().map(|size| *size as usize).collect();
            (format!("{PREFIX}{}", weight.name), shape, bytes(numbers))
        });
        let weights: Vec<(String, Vec<usize>, Vec<u8>)> = weights.chain(beside).collect();
        let path = folder.join("adapter_model.safetensors");
        let failed = |error: safetensors::SafeTensorError| {
            RunError::io("write", &path)(std::io::Error::other(error.to_string()))
        };
        let views = weights.iter().map(|(name, shape, bytes)| {
            TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let format = [("format".to_owned(), "pt".to_owned())].into_iter().collect();
        // Not by the crate's writer of files, which makes such that nobody else may read.
        let bytes = safetensors::serialize(views, Some(format)).map_err(failed)?;
        std::fs::write(&path, bytes).map_err(RunError::io("write", &path))
    }

    /// A and B of a product with PEFT's names, shapes and bytes.
    fn weights(
        &self,
        PeftWeight { product, a, b }: &PeftWeight,
    ) -> [(String, Vec<usize>, Vec<u8>); 2] {
        let (rank, product) = (self.lora.rank, self.name(product));
        let name = |which: &str| format!("{PREFIX}{product}.lora_{which}.weight");
        let other = |numbers: &[f32]| numbers.len() / rank.max(1);
        [(name("A"), vec![rank, other(a)], bytes(a)), (name("B"), vec![other(b), rank], bytes(b))]
    }

    /// The name that a product has in the class of its model.
    fn name<'a>(&self, product: &'a str) -> &'a str {
        self.purpose.map_or(product, |it| it.name_of(self.architecture, product))
    }

    fn config(&self) -> Value {
        let lora = self.lora;
        let task = match self.purpose {
            None => json!("CAUSAL_LM"),
            Some(Purpose::Masked) => Value::Null,
            Some(purpose) if purpose.is_of_modules() => json!("FEATURE_EXTRACTION"),
            Some(_) => json!("SEQ_CLS"),
        };
        json!({
            "peft_type": "LORA",
            "task_type": task,
            "base_model_name_or_path": self.base,
            "r": lora.rank,
            "lora_alpha": lora.alpha,
            "lora_dropout": lora.dropout,
            "target_modules": self.target_modules(),
            "modules_to_save": self.modules_to_save(),
            "bias": "none",
            "inference_mode": true,
            // GPT-2's products are stored as [inputs, outputs].
            "fan_in_fan_out": self.architecture == Architecture::Gpt2,
        })
    }

    /// The products that have adapters: by their last names, as people write them for PEFT, where all of that name have
    /// one, else by their whole names.
    fn target_modules(&self) -> BTreeSet<&str> {
        let have: BTreeSet<&str> = self.products.iter().map(|it| it.product.as_str()).collect();
        // What the classes of encoders have beside what is here.
        let more = self.architecture.is_encoder().then_some("pooler.dense");
        let all = self.weights.iter().filter_map(|name| name.strip_suffix(".weight")).chain(more);
        let without: BTreeSet<&str> = all.filter(|it| !have.contains(it)).map(last_name).collect();
        let targets = self.products.iter().map(|it| match last_name(&it.product) {
            last if without.contains(last) => self.name(&it.product),
            last => last,
        });
        targets.collect()
    }

    /// The parts of the model that were trained as they are, of which PEFT keeps its own.
    fn modules_to_save(&self) -> Option<BTreeSet<&str>> {
        // What the model's class has of its own, and what it has of the bare model.
        let bare = format!("{}.", self.architecture.model_type());
        let names = self.beside.iter().map(|(weight, _)| weight.name.as_str());
        let own = names.map(|name| name.strip_prefix(&bare).unwrap_or(name));
        let modules: BTreeSet<&str> = own.filter_map(|name| name.split('.').next()).collect();
        (!modules.is_empty()).then_some(modules)
    }
}

/// The last part of a module's name.
fn last_name(module: &str) -> &str {
    module.rsplit('.').next().unwrap_or(module)
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|it| it.to_le_bytes()).collect()
}
