//! Writing models: a folder in Hugging Face layout, or a GGUF file.

mod folder;
mod gguf;
mod metadata;
mod purpose;
mod readers;
mod safetensors;
mod tokenizer;
mod tokenizer_readers;
mod transformers;

use std::path::Path;

use crate::error::PretrainedError;
use crate::gguf::{InGguf, ROPE_FACTORS, in_gguf};
use crate::layout::{expected, prefix};
use crate::modules::DENSE;
use crate::open::Pretrained;
use crate::tokenizer::Tokenizer;
use crate::weight::Element;
use gguf::{Datum, NewTensor};

pub use purpose::Purpose;

/// What is written of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewModel {
    /// Its weights.
    pub weights: Vec<NewWeight>,
    /// What it is for; None for what the files say that it comes from.
    pub purpose: Option<Purpose>,
    /// Tokens that it was trained to see at once.
    pub context: u64,
    /// The template of its chats; None for that of the files that it comes from.
    pub chat_template: Option<String>,
    /// The tokens that end a text, the usual one first; empty for those that the files name.
    pub ends: Vec<u32>,
}

impl NewModel {
    /// The tokenizer of its files as it is now.
    ///
    /// # Errors
    /// [`PretrainedError::BadFile`] for what is no template.
    fn tokenizer(&self, of_files: Tokenizer) -> Result<Tokenizer, PretrainedError> {
        let tokenizer = match &self.chat_template {
            Some(text) => of_files.with_chat_template_text(text)?,
            None => of_files,
        };
        let has_ends = !self.ends.is_empty();
        Ok(if has_ends { tokenizer.with_eos(self.ends.clone()) } else { tokenizer })
    }
}

/// A weight by its name in Hugging Face layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWeight {
    /// Its name, with the prefix of the model's class.
    pub name: String,
    /// Sizes of its dimensions, the slowest first.
    pub shape: Vec<u64>,
}

impl Pretrained {
    /// The weights that a model of this config has, in the order of its layers.
    pub fn layout(&self) -> Vec<NewWeight> {
        let weights = expected(&self.config).into_iter();
        weights.map(|weight| NewWeight { name: weight.name, shape: weight.shape }).collect()
    }

    /// The model with the weights of [`Self::layout`].
    pub fn as_it_is(&self) -> NewModel {
        NewModel {
            weights: self.layout(),
            purpose: None,
            context: self.config.context,
            chat_template: None,
            ends: Vec::new(),
        }
    }

    /// Writes the model with other numbers as a folder in Hugging Face layout, which `transformers` opens: config,
    /// tokenizer and weights; or, with what is behind the vector of a text, as one of `sentence-transformers`.
    /// `values` gives the numbers of each weight of `new` by its name; no more than one weight's are in memory.
    ///
    /// # Errors
    /// [`PretrainedError`] where something cannot be written, or `element` is none of F32, F16 and BF16; whatever
    /// `values` fails with.
    pub fn write_folder<E: From<PretrainedError>>(
        &self,
        folder: &Path,
        element: Element,
        new: &NewModel,
        values: &mut dyn FnMut(&str) -> Result<Vec<f32>, E>,
    ) -> Result<(), E> {
        let purpose = new.purpose.as_ref();
        folder::write_configs(self, folder, element, new)?;
        // The bare model has the names of its weights without that of its part in others.
        let is_bare = purpose.is_some_and(Purpose::is_of_modules);
        let prefix = if is_bare { prefix(self.config.architecture) } else { "" };
        let (behind, weights): (Vec<_>, Vec<_>) =
            new.weights.iter().cloned().partition(|weight| weight.name.starts_with(DENSE));
        let more = if is_bare { self.pooler() } else { Vec::new() };
        let weights = [weights, more].concat();
        write_weights(folder, (element, prefix), &weights, values)?;
        if let Some(purpose) = purpose {
            purpose::write_modules(self, folder, purpose, new.context)?;
        }
        if behind.is_empty() {
            return Ok(());
        }
        write_weights(&folder.join(purpose::DENSE_FOLDER), (element, DENSE), &behind, values)
    }

    /// The product behind the first position that the bare model has, as far as the files have it. Nothing here uses
    /// it, and without `transformers` would draw one.
    fn pooler(&self) -> Vec<NewWeight> {
        let name = |end: &str| format!("{}pooler.dense.{end}", prefix(self.config.architecture));
        let (wide, width) = (vec![self.config.width; 2], vec![self.config.width]);
        let both = [(name("weight"), wide), (name("bias"), width)].into_iter();
        both.filter(|(name, _)| self.has(name))
            .map(|(name, shape)| NewWeight { name, shape })
            .collect()
    }

    /// Writes what a model has beside its adapter. An encoder: how a text becomes one vector, what follows, and the
    /// tokenizer, but nothing where a class of `transformers` has its head. A decoder: the tokenizer, where chats have
    /// another template than its files, or other ends.
    ///
    /// # Errors
    /// As [`Self::write_folder`].
    pub fn write_modules<E: From<PretrainedError>>(
        &self,
        folder: &Path,
        new: &NewModel,
        values: &mut dyn FnMut(&str) -> Result<Vec<f32>, E>,
    ) -> Result<(), E> {
        if new.chat_template.is_some() || !new.ends.is_empty() {
            folder::write_tokenizer(self, folder, new)?;
        }
        let Some(purpose) = new.purpose.as_ref().filter(|purpose| purpose.is_of_modules()) else {
            return Ok(());
        };
        purpose::write_modules(self, folder, purpose, new.context)?;
        folder::write_tokenizer(self, folder, new)?;
        let behind = new.weights.iter().filter(|weight| weight.name.starts_with(DENSE));
        let behind: Vec<NewWeight> = behind.cloned().collect();
        if behind.is_empty() {
            return Ok(());
        }
        let folder = folder.join(purpose::DENSE_FOLDER);
        write_weights(&folder, (Element::F32, DENSE), &behind, values)
    }

    /// The same as a GGUF file, with the tokenizer and its template of chats in it. Vectors are stored as F32, and
    /// as F16 what `element` has no whole blocks of.
    ///
    /// # Errors
    /// [`PretrainedError`] where something cannot be written, llama.cpp has no such model, head or tokenizer, or readers
    /// would take an option otherwise; whatever `values` fails with.
    pub fn write_gguf<E: From<PretrainedError>>(
        &self,
        file: &Path,
        element: Element,
        new: &NewModel,
        values: &mut dyn FnMut(&str) -> Result<Vec<f32>, E>,
    ) -> Result<(), E> {
        let refused = |reason: &str| PretrainedError::bad_file(file, reason);
        let architecture = metadata::architecture(&self.config)
            .ok_or_else(|| refused("llama.cpp has no such model; write a folder instead"))?;
        let pooling = match &new.purpose {
            None => None,
            Some(Purpose::Vectors { pooling }) => Some(*pooling),
            Some(Purpose::Masked) => {
                return Err(refused(&of_no_head("masked tokens")).into());
            }
            Some(Purpose::Classes { .. }) => return Err(refused(&of_no_head("classes")).into()),
        };
        let name = metadata::name(&self.config, &self.name);
        let mut all = metadata::of_config(&self.config, architecture, &name, element);
        all.extend(metadata::of_encoder(&self.config, architecture, pooling));
        let tokenizer = Tokenizer::open(&self.path)?;
        let tokenizer = tokenizer.map(|tokenizer| new.tokenizer(tokenizer)).transpose()?;
        match &tokenizer {
            Some(tokenizer) => {
                let keys = tokenizer::of_tokenizer(tokenizer, self.config.vocabulary);
                all.extend(keys.map_err(|reason| refused(&reason))?);
            }
            None => {
                all.push(("tokenizer.ggml.model".to_owned(), Datum::Text("no_vocab".to_owned())));
            }
        }
        let weights = &new.weights;
        let named = weights.iter().map(|weight| in_gguf(&self.config, &weight.name));
        let named: Option<Vec<InGguf>> = named.collect();
        let named = named
            .ok_or_else(|| refused("llama.cpp has no such weights; write a folder instead"))?;
        let tensor = |(weight, named): (&NewWeight, &InGguf)| {
            let shape = named.stored.shape(&weight.shape);
            let element = match shape.as_slice() {
                [] | [_] => Element::F32,
                // They are added to what is read of token_embd as they are.
                _ if ["position_embd.weight", "token_types.weight"].contains(&&*named.name) => {
                    Element::F32
                }
                _ if element.bytes_of(&shape).is_none() => Element::F16,
                _ => element,
            };
            NewTensor { name: named.name.clone(), shape, element }
        };
        let mut tensors: Vec<NewTensor> = weights.iter().zip(&named).map(tensor).collect();
        let head = gguf::head(&all, &tensors).map_err(|reason| refused(&reason))?;
        readers::check(file, &self.config, &head)?;
        if let Some(tokenizer) = &tokenizer {
            tokenizer_readers::check(file, tokenizer, &head)?;
        }
        let factors = metadata::rope_factors(&self.config);
        tensors.extend(factors.as_ref().map(|factors| NewTensor {
            name: ROPE_FACTORS.to_owned(),
            shape: vec![factors.len() as u64],
            element: Element::F32,
        }));
        gguf::write(file, &all, &tensors, &mut |at| match weights.get(at).zip(named.get(at)) {
            Some((weight, named)) => Ok(named.stored.written(values(&weight.name)?, &weight.shape)),
            None => Ok(factors.clone().unwrap_or_default()),
        })
    }
}

/// Writes `model.safetensors` into a folder, of names without what comes before all of them.
fn write_weights<E: From<PretrainedError>>(
    folder: &Path,
    (element, prefix): (Element, &str),
    weights: &[NewWeight],
    values: &mut dyn FnMut(&str) -> Result<Vec<f32>, E>,
) -> Result<(), E> {
    let file = folder.join("model.safetensors");
    let bare = |weight: &NewWeight| {
        let name = weight.name.strip_prefix(prefix).unwrap_or(&weight.name);
        NewWeight { name: name.to_owned(), shape: weight.shape.clone() }
    };
    let bare: Vec<NewWeight> = weights.iter().map(bare).collect();
    let whole = &mut |name: &str| values(&format!("{prefix}{name}"));
    safetensors::write(&file, &bare, element, whole)?;
    // The crate makes files that nobody else may read.
    let like =
        std::fs::metadata(folder.join("config.json")).map_err(PretrainedError::io(folder))?;
    let shared = std::fs::set_permissions(&file, like.permissions());
    Ok(shared.map_err(PretrainedError::written(&file))?)
}

fn of_no_head(what: &str) -> String {
    format!("llama.cpp has no head for {what} like this one; write a folder instead")
}
