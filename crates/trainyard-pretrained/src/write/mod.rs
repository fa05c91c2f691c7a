//! Writing models: a folder in Hugging Face layout, or a GGUF file.

mod folder;
mod gguf;
mod metadata;
mod safetensors;
mod tokenizer;

use std::path::Path;

use crate::error::PretrainedError;
use crate::gguf::{InGguf, in_gguf};
use crate::layout::expected;
use crate::open::Pretrained;
use crate::tokenizer::Tokenizer;
use crate::weight::Element;
use gguf::{Datum, NewTensor};

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

    /// Writes the model with other numbers as a folder in Hugging Face layout, which `transformers` opens: config,
    /// tokenizer and weights. `values` gives the numbers of each weight of [`Self::layout`] by its name; no more
    /// than one weight's are in memory.
    ///
    /// # Errors
    /// [`PretrainedError`] where something cannot be written, or `element` is none of F32, F16 and BF16; whatever
    /// `values` fails with.
    pub fn write_folder<E: From<PretrainedError>>(
        &self,
        folder: &Path,
        element: Element,
        values: &mut dyn FnMut(&str) -> Result<Vec<f32>, E>,
    ) -> Result<(), E> {
        folder::write_configs(self, folder, element)?;
        let file = folder.join("model.safetensors");
        safetensors::write(&file, &self.layout(), element, values)?;
        // The crate makes files that nobody else may read.
        let like =
            std::fs::metadata(folder.join("config.json")).map_err(PretrainedError::io(folder))?;
        let shared = std::fs::set_permissions(&file, like.permissions());
        Ok(shared.map_err(PretrainedError::written(&file))?)
    }

    /// The same as a GGUF file, with the tokenizer and its template of chats in it. Vectors are stored as F32, and
    /// as F16 what `element` has no whole blocks of.
    ///
    /// # Errors
    /// [`PretrainedError`] where something cannot be written, or llama.cpp has no such model or tokenizer; whatever
    /// `values` fails with.
    pub fn write_gguf<E: From<PretrainedError>>(
        &self,
        file: &Path,
        element: Element,
        values: &mut dyn FnMut(&str) -> Result<Vec<f32>, E>,
    ) -> Result<(), E> {
        let refused = |reason: &str| PretrainedError::bad_file(file, reason);
        let architecture = metadata::architecture(&self.config)
            .ok_or_else(|| refused("llama.cpp has no such model; write a folder instead"))?;
        let mut all = metadata::of_config(&self.config, architecture, &self.name, element);
        match Tokenizer::open(&self.path)? {
            Some(tokenizer) => {
                let keys = tokenizer::of_tokenizer(&tokenizer, self.config.vocabulary);
                all.extend(keys.map_err(|reason| refused(&reason))?);
            }
            None => {
                all.push(("tokenizer.ggml.model".to_owned(), Datum::Text("no_vocab".to_owned())));
            }
        }
        let weights = self.layout();
        let named = weights.iter().map(|weight| in_gguf(&self.config, &weight.name));
        let named: Option<Vec<InGguf>> = named.collect();
        let named = named
            .ok_or_else(|| refused("llama.cpp has no such weights; write a folder instead"))?;
        let tensor = |(weight, named): (&NewWeight, &InGguf)| {
            let shape = named.stored.shape(&weight.shape);
            let element = match shape.as_slice() {
                [] | [_] => Element::F32,
                _ if element.bytes_of(&shape).is_none() => Element::F16,
                _ => element,
            };
            NewTensor { name: named.name.clone(), shape, element }
        };
        let mut tensors: Vec<NewTensor> = weights.iter().zip(&named).map(tensor).collect();
        let factors = metadata::rope_factors(&self.config);
        tensors.extend(factors.as_ref().map(|factors| NewTensor {
            name: "rope_freqs.weight".to_owned(),
            shape: vec![factors.len() as u64],
            element: Element::F32,
        }));
        gguf::write(file, &all, &tensors, &mut |at| match weights.get(at).zip(named.get(at)) {
            Some((weight, named)) => Ok(named.stored.written(values(&weight.name)?, &weight.shape)),
            None => Ok(factors.clone().unwrap_or_default()),
        })
    }
}
