//! `hf`: pretrained decoders, from a folder in Hugging Face layout, a GGUF file, or the local cache of Hugging
//! Face's tools.
//!
//! An architecture is a file with the names of its weights and its block, put together of what all share:
//! [`projection`], [`norm`], [`rope`], [`heads`], [`attention`], [`mlp`], [`block`] and [`ends`]. To add one: such a file,
//! a line in [`decoder`], and what its config says in `trainyard-pretrained`.

mod adapters;
mod attention;
mod block;
mod decoder;
mod ends;
mod gemma;
mod gpt2;
mod gpt_neox;
mod heads;
mod llama;
mod merged;
mod mlp;
mod model;
mod norm;
mod phi3;
mod projection;
mod rope;
#[cfg(test)]
mod tests;
mod weights;

use std::path::PathBuf;
use std::sync::Arc;

use trainyard_config::{BadKey, ConfigError, KeyGroup, TrainMethod, keys, must};
use trainyard_data::SEGMENTS;
use trainyard_pretrained::{ModelConfig, Pretrained, find_or_download};

use crate::gpt;
use crate::recipe::{Job, Recipe, RecipeError, Request, Tuning, gives, needs};

pub use merged::{MergedWeights, PeftWeight, Trained};
pub use model::HfModel;
pub use weights::WeightName;

/// The longest context where a run file names none, tokens.
const USUAL_CONTEXT: u64 = 1024;

keys! {
    /// A pretrained language model: Llama, Mistral, Qwen, Gemma, Phi-3, GPT-2, GPT-NeoX.
    pub struct HfOptions in "model", check = check {
        /// A folder in Hugging Face layout, a .gguf file, or the name of a model that Hugging Face's tools have
        /// downloaded, such as "HuggingFaceTB/SmolLM2-135M"; with the cargo feature hub it is downloaded.
        path: Option<PathBuf>;
        /// Positions the model sees at once; those it was made for, but at most 1024, where it is not given.
        context: Option<usize>, in 1..=10_000_000;
    }
}

fn check(options: &HfOptions) -> Result<(), BadKey> {
    let words = "the path of a folder in Hugging Face layout or of a .gguf file";
    must(options.path.is_some(), "path", &"missing", words)
}

/// `kind = "hf"`: learns from `tokens` and the `targets` that follow them, from the weights of its files on.
pub struct HfRecipe;

impl Recipe for HfRecipe {
    fn group(&self) -> KeyGroup {
        KeyGroup::of::<HfOptions>("hf")
    }

    fn methods(&self) -> &[TrainMethod] {
        &[TrainMethod::Full, TrainMethod::Lora, TrainMethod::Qlora]
    }

    fn load(&self, request: &Request<'_>) -> Result<Job, RecipeError> {
        let model = HfModel::of_run(request)?;
        let length = i64::try_from(model.context()).unwrap_or(i64::MAX);
        let tokenizer = model.pretrained().path.to_string_lossy().into_owned();
        let set = [("context", length.into()), ("tokenizer", tokenizer.into())];
        let data = request.open_data(None, &set)?;
        if let Some(data) = &data {
            needs("hf", "a text", "tokens", data.info())?;
        }
        let has_segments = data.as_ref().is_some_and(|data| gives(data.info(), SEGMENTS));
        let model = if has_segments { model.with_segments() } else { model };
        Ok(Job {
            context: Some(model.context()),
            model: Arc::new(model),
            objective: Arc::new(gpt::objective()),
            data,
        })
    }
}

impl HfModel {
    /// The model of a run file, with its adapters where it trains some.
    ///
    /// # Errors
    /// [`RecipeError::Pretrained`] for files that cannot be used; [`RecipeError::Config`] for keys that do not go
    /// with them.
    pub fn of_run(request: &Request<'_>) -> Result<Self, RecipeError> {
        let options: HfOptions = request.options()?;
        let path = find_or_download(&options.path.clone().unwrap_or_default())?;
        let pretrained = Pretrained::open(&path)?;
        let architecture = pretrained.config.architecture;
        let context = context(&options, &pretrained.config)?;
        if !architecture.is_encoder() {
            pretrained.check()?;
        }
        let model = Self::new(Arc::new(pretrained), context).ok_or_else(|| {
            let words = format!("that of a decoder; {} is an encoder", architecture.name());
            refused("path", path.display().to_string(), words)
        })?;
        let model = match request.tuning.lora() {
            None => model,
            Some(lora) => model.with_adapters(lora).map_err(|bad| bad.in_section("lora"))?,
        };
        let is_packed = matches!(request.tuning, Tuning::Qlora(_));
        Ok(if is_packed { model.packed() } else { model })
    }
}

/// The context of a run; one that is longer than the model was made for is refused.
fn context(options: &HfOptions, config: &ModelConfig) -> Result<usize, ConfigError> {
    let most = config.context;
    let Some(context) = options.context else { return Ok(most.min(USUAL_CONTEXT) as usize) };
    if context as u64 <= most {
        return Ok(context);
    }
    let words = format!("at most {most}, the positions that this model was made for");
    Err(refused("context", context.to_string(), words))
}

fn refused(key: &str, value: String, must: String) -> ConfigError {
    BadKey { key: key.to_owned(), value, must }.in_section("model")
}
