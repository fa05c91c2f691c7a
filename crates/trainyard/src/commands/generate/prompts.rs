//! What texts begin with and where they stop, from the command line.

use std::path::{Path, PathBuf};

use clap::Args;
use trainyard_data::{DataError, in_known_letters, prompt_from, prompt_from_file, prompt_in_form};

use crate::config::DataSection;
use crate::error::RunError;
use crate::generation::TextForm;

/// What the texts begin with, and where they stop.
#[derive(Debug, Args)]
pub(super) struct Prompts {
    /// What a text starts with; a line end, or what else the model knows, where none is given. Several are
    /// written at once
    #[arg(long, value_name = "TEXT")]
    prompt: Vec<String>,
    /// A file with what a text starts with, without its last line end; - for standard input. May be given
    /// several times
    #[arg(long, value_name = "FILE")]
    prompt_file: Vec<PathBuf>,
    /// Stop before this text would be written, or at this special token, such as `<|im_end|>`; may be given several
    /// times
    #[arg(long, value_name = "TEXT")]
    pub(super) stop: Vec<String>,
}

/// What a text begins with.
pub(super) struct Prompt {
    pub(super) text: String,
    pub(super) tokens: Vec<u32>,
}

impl Prompt {
    /// With its tokens.
    pub(super) fn new(text: String, form: &TextForm) -> Result<Self, DataError> {
        Ok(Self { tokens: form.encode(&text)?, text })
    }
}

impl Prompts {
    /// The prompts in the form of the text that was trained on, those of files last.
    pub(super) fn read(
        &self,
        form: &TextForm,
        data: &DataSection,
    ) -> Result<Vec<String>, RunError> {
        let from_file = |path: &PathBuf| {
            if path.as_os_str() == "-" {
                prompt_from(std::io::stdin().lock(), data)
            } else {
                prompt_from_file(Path::new(path), data)
            }
        };
        let given = self.prompt.iter().map(|prompt| prompt_in_form(prompt, data));
        let texts: Vec<String> =
            given.chain(self.prompt_file.iter().map(from_file)).collect::<Result<_, _>>()?;
        Ok(texts.into_iter().map(|text| known(form, &text)).collect())
    }
}

/// A text in the letters that a model of characters knows.
pub(super) fn known(form: &TextForm, text: &str) -> String {
    match form {
        TextForm::Vocabulary(texts) => in_known_letters(text, texts),
        TextForm::Tokenizer { .. } => text.to_owned(),
    }
}
