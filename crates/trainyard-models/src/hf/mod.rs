//! `hf`: pretrained models, from a folder in Hugging Face layout, a GGUF file, or the local cache of Hugging
//! Face's tools.
//!
//! An architecture is a file with the names of its weights and its block, put together of what all share:
//! [`projection`], [`norm`], [`rope`], [`heads`], [`attention`], [`mlp`], [`block`] and [`ends`] of decoders, [`post_norm`],
//! [`encoder_embed`] and [`encoder_heads`] of encoders. To add one: such a file, a line in [`decoder`] or [`encoder`], and
//! what its config says in `trainyard-pretrained`.

mod adapters;
mod attention;
mod bert;
mod block;
mod decoder;
mod distilbert;
mod encoder;
mod encoder_embed;
mod encoder_heads;
mod encoder_recipe;
mod encoder_task;
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
mod pooling;
mod post_norm;
mod projection;
mod roberta;
mod rope;
#[cfg(test)]
mod tests;
mod weights;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use trainyard_config::{BadKey, ConfigError, KeyGroup, TrainMethod, keys, must};
use trainyard_data::{SEGMENTS, tokenizer_at, tokenizer_mark};
use trainyard_pretrained::{Architecture, ModelConfig, Pretrained, Tokenizer, find_or_download};

use crate::gpt;
use crate::recipe::{Job, Recipe, RecipeError, Request, Tuning, gives, needs_text};

pub use encoder_recipe::{HfPooling, HfTask};
pub use encoder_task::{EncoderHead, EncoderTask};
pub use merged::{MergedWeights, PeftWeight, Trained};
pub use model::HfModel;
pub use weights::WeightName;

/// The longest context of a decoder where a run file names none, tokens.
const USUAL_CONTEXT: u64 = 1024;

keys! {
    /// A pretrained language model: Llama, Mistral, Qwen, Gemma, Phi-3, GPT-2, GPT-NeoX; or an encoder: BERT,
    /// RoBERTa, DistilBERT.
    pub struct HfOptions in "model", check = check {
        /// A folder in Hugging Face layout, a .gguf file, or the name of a model that Hugging Face's tools have
        /// downloaded, such as "HuggingFaceTB/SmolLM2-135M"; with the cargo feature hub it is downloaded.
        path: Option<PathBuf>;
        /// Positions the model sees at once; those it was made for, but at most 1024, or 128 of an encoder, where
        /// it is not given.
        context: Option<usize>, in 1..=10_000_000;
        /// What an encoder learns; what the data have to be learned, where it is not given: classes, scores of
        /// pairs, else tokens that are masked.
        task: Option<HfTask>;
        /// How an encoder makes one vector of a text; as its files say where it is not given, else the first
        /// token's for classes, and the mean for pairs.
        pooling: Option<HfPooling>;
        /// Share of an encoder's numbers dropped in training, behind the embedding, in blocks and before the
        /// product to classes; 0.1 where it is not given.
        dropout: Option<f64>, must("at least 0 and below 1", |share| (0.0..1.0).contains(share));
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
        let (options, pretrained) = opened(request)?;
        if pretrained.config.architecture.is_encoder() && request.vocabulary.is_none() {
            return encoder_recipe::load(request, &options, pretrained);
        }
        let model = HfModel::decoder(request, &options, pretrained)?;
        let data = request
            .open_data(None, &data_options(request, model.pretrained(), model.context())?)?;
        if let Some(data) = &data {
            let pretrained = model.pretrained();
            let name = pretrained.path.display().to_string();
            let architecture = pretrained.config.architecture.name();
            needs_text(("hf", &name, Some(architecture)), model.context(), data.info())?;
            data.check_known(pretrained.config.vocabulary)?;
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

/// Options of the data that follow from the model: how many tokens a row has, and what makes them.
///
/// # Errors
/// [`ConfigError`] for `data.tokenizer` where it makes other tokens than the model's own, or more than it knows.
fn data_options(
    request: &Request<'_>,
    pretrained: &Pretrained,
    context: usize,
) -> Result<Vec<(&'static str, toml::Value)>, RecipeError> {
    let length = i64::try_from(context).unwrap_or(i64::MAX);
    let own = &pretrained.path;
    let named =
        request.data.options.get("tokenizer").and_then(toml::Value::as_str).map(PathBuf::from);
    let path = match &named {
        Some(named) if request.vocabulary.is_none() && !same_tokenizer(named, pretrained)? => named,
        _ => own,
    };
    Ok(vec![("context", length.into()), ("tokenizer", path.to_string_lossy().into_owned().into())])
}

/// Whether the tokenizer that the data name makes the tokens of the model's own; false where the model has none and
/// knows all tokens that the named one makes.
fn same_tokenizer(named: &Path, pretrained: &Pretrained) -> Result<bool, RecipeError> {
    let refuse = |must: String| {
        let (key, value) = ("tokenizer".to_owned(), format!("'{}'", named.display()));
        BadKey { key, value, must }.in_section("data")
    };
    let given = tokenizer_at(named)?;
    let path = pretrained.path.display();
    let Some(own) = Tokenizer::open(&pretrained.path)? else {
        let (known, tokens) = (pretrained.config.vocabulary, given.size());
        if tokens as u64 <= known {
            return Ok(false);
        }
        let words =
            format!("one of at most {known} tokens, which {path} knows; this one has {tokens}");
        return Err(refuse(words).into());
    };
    if tokenizer_mark(&given)? == tokenizer_mark(&own)? {
        return Ok(true);
    }
    Err(refuse(format!("left out: {path} has a tokenizer of its own, which makes other tokens"))
        .into())
}

/// The options of a run, and the files that they name.
fn opened(request: &Request<'_>) -> Result<(HfOptions, Pretrained), RecipeError> {
    let options: HfOptions = request.options()?;
    let path = find_or_download(&options.path.clone().unwrap_or_default())?;
    let pretrained = Pretrained::open(&path)?;
    Ok((options, pretrained))
}

impl HfModel {
    /// The model of a run file without its data, with its adapters where it trains some. `classes` is how many an
    /// encoder was trained to tell.
    ///
    /// # Errors
    /// [`RecipeError::Pretrained`] for files that cannot be used; [`RecipeError::Config`] for keys that do not go
    /// with them.
    pub fn of_run(request: &Request<'_>, classes: usize) -> Result<Self, RecipeError> {
        let (options, pretrained) = opened(request)?;
        if pretrained.config.architecture.is_encoder() {
            return encoder_recipe::of_run(request, &options, pretrained, classes);
        }
        Self::decoder(request, &options, pretrained)
    }

    fn decoder(
        request: &Request<'_>,
        options: &HfOptions,
        pretrained: Pretrained,
    ) -> Result<Self, RecipeError> {
        let architecture = pretrained.config.architecture;
        let context = context(options, &pretrained.config, USUAL_CONTEXT)?;
        if !architecture.is_encoder() {
            pretrained.check()?;
            check_is_for_encoders(options, architecture)?;
        }
        let path = pretrained.path.display().to_string();
        let model = Self::new(Arc::new(pretrained), context).ok_or_else(|| {
            let words = format!("that of a decoder; {} is an encoder", architecture.name());
            refused("path", path, words)
        })?;
        model.tuned(request.tuning)
    }

    /// The same with what is trained of it.
    ///
    /// # Errors
    /// [`RecipeError::Config`] for adapters of what it does not have.
    fn tuned(self, tuning: Tuning<'_>) -> Result<Self, RecipeError> {
        let model = match tuning.lora() {
            None => self,
            Some(lora) => self.with_adapters(lora).map_err(|bad| bad.in_section("lora"))?,
        };
        let is_packed = matches!(tuning, Tuning::Qlora(_));
        Ok(if is_packed { model.packed() } else { model })
    }
}

/// Refuses keys that mean nothing for a decoder.
fn check_is_for_encoders(
    options: &HfOptions,
    architecture: Architecture,
) -> Result<(), ConfigError> {
    let given = [
        ("task", options.task.map(|task| task.text().to_owned())),
        ("pooling", options.pooling.map(|pooling| pooling.text().to_owned())),
        ("dropout", options.dropout.map(|share| share.to_string())),
    ];
    match given.into_iter().find_map(|(key, value)| Some((key, value?))) {
        None => Ok(()),
        Some((key, value)) => {
            let words =
                format!("left out: it is for encoders, and {} is a decoder", architecture.name());
            Err(refused(key, value, words))
        }
    }
}

/// The context of a run, at most `usual` where it names none; one that is longer than the model was made for is
/// refused.
fn context(options: &HfOptions, config: &ModelConfig, usual: u64) -> Result<usize, ConfigError> {
    let most = config.context.saturating_sub(config.first_position);
    let Some(context) = options.context else { return Ok(most.min(usual) as usize) };
    if context as u64 <= most {
        return Ok(context);
    }
    let words = format!("at most {most}, the positions that this model was made for");
    Err(refused("context", context.to_string(), words))
}

fn refused(key: &str, value: String, must: String) -> ConfigError {
    BadKey { key: key.to_owned(), value, must }.in_section("model")
}
