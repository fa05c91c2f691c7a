//! The tokenizer of a run: that of its model or its data, with the template that its chats were written by, and what
//! ended their answers.

use std::path::{Path, PathBuf};

use toml::Value;
use trainyard_pretrained::{Pretrained, Tokenizer, find};

use super::text_form::PRETRAINED;
use crate::config::RunConfig;
use crate::error::RunError;

/// The key of a pretrained model for where its files are.
const PATH: &str = "path";
/// The keys of texts and chats for the tokenizer of their tokens, and for a template.
const TOKENIZER: &str = "tokenizer";
const TEMPLATE: &str = "template";
/// The kind of data that are chats.
const CHAT: &str = "chat";

/// A tokenizer, and what a model knows of it.
pub(crate) struct RunTokenizer {
    pub(crate) tokenizer: Tokenizer,
    /// The model has vectors for the first so many tokens.
    pub(crate) known: u64,
    /// The template of chats, where that is none of the tokenizer's files.
    pub(crate) own_template: Option<String>,
    /// The tokens that end a text, where its files name others.
    pub(crate) own_ends: Option<Vec<u32>>,
}

/// Whether a run is trained on chats.
pub(crate) fn has_chats(config: &RunConfig) -> bool {
    config.data.kind.as_deref() == Some(CHAT)
}

/// The file with a template of chats that a run file names.
pub(crate) fn template_of(config: &RunConfig) -> Option<&Path> {
    let path = config.data.options.get(TEMPLATE).and_then(Value::as_str);
    path.map(Path::new).filter(|_| has_chats(config))
}

impl RunTokenizer {
    /// That of a run; None for one whose tokens are made by none. `kept` is the template that its chats were written by,
    /// where they had one of their own.
    ///
    /// # Errors
    /// [`RunError::Pretrained`] for a model that is not there, or a tokenizer or template that cannot be used.
    pub(crate) fn of_run(config: &RunConfig, kept: Option<&str>) -> Result<Option<Self>, RunError> {
        let of_files = Self::of_files(config)?;
        let chats = |it: Self| if has_chats(config) { it.of_chats(config, kept) } else { Ok(it) };
        of_files.map(chats).transpose()
    }

    /// That of the model's own files, or else of its data.
    fn of_files(config: &RunConfig) -> Result<Option<Self>, RunError> {
        let of = |section: &toml::Table, key: &str| {
            section.get(key).and_then(Value::as_str).map(PathBuf::from)
        };
        let is_pretrained = config.model.kind == PRETRAINED;
        let path = of(&config.model.options, PATH).filter(|_| is_pretrained);
        let model = path.map(|path| find(&path)).transpose()?;
        if let Some(model) = &model
            && let Some(own) = Self::of_model(model)?
        {
            return Ok(Some(own));
        }
        let Some(path) = of(&config.data.options, TOKENIZER) else { return Ok(None) };
        let Some(tokenizer) = Tokenizer::open(&path)? else { return Ok(None) };
        let known = match &model {
            Some(model) => Pretrained::open(model)?.config.vocabulary,
            // It was made for these tokens.
            None => tokenizer.size() as u64,
        };
        Ok(Some(Self::new(tokenizer, known)))
    }

    /// That of a pretrained model's files; None where they have none.
    ///
    /// # Errors
    /// [`RunError::Pretrained`] for a tokenizer or a config that cannot be used.
    pub(crate) fn of_model(path: &Path) -> Result<Option<Self>, RunError> {
        let Some(tokenizer) = Tokenizer::open(path)? else { return Ok(None) };
        let known = Pretrained::open(path)?.config.vocabulary;
        Ok(Some(Self::new(tokenizer, known)))
    }

    fn new(tokenizer: Tokenizer, known: u64) -> Self {
        Self { tokenizer, known, own_template: None, own_ends: None }
    }

    /// The same with the template of the run's chats, and what ends an answer in them.
    fn of_chats(self, config: &RunConfig, kept: Option<&str>) -> Result<Self, RunError> {
        let Self { tokenizer, known, .. } = self;
        let (tokenizer, has_own) = match (kept, template_of(config)) {
            (Some(text), _) => (tokenizer.with_chat_template_text(text)?, true),
            (None, Some(path)) => (tokenizer.with_chat_template(path)?, true),
            (None, None) => (tokenizer, false),
        };
        let own_template = tokenizer.chat_template().filter(|_| has_own).map(str::to_owned);
        let ends = tokenizer.ends_of_answers();
        let own_ends = (ends != tokenizer.eos()).then(|| ends.clone());
        Ok(Self { tokenizer: tokenizer.with_eos(ends), known, own_template, own_ends })
    }
}
