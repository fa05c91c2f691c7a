//! Options of the source `text`.

use std::path::PathBuf;

use trainyard_config::{BadKey, keys, must};

use crate::plain_text::{Encoding, Newlines, Normalization, TextForm, is_encoding};
use crate::text::{BUILTIN_TEXTS, builtin_names};

keys! {
    /// Windows of UTF-8 text files, or of a text that the program makes itself, as tokens.
    pub struct TextOptions in "data", check = check {
        /// Files, folders (all files in them and below) and patterns such as `books/**/*.txt`, in this
        /// order one text; gzip is unpacked.
        text: Vec<PathBuf>;
        /// Encoding of files that have no byte order mark, such as "utf-16le" or "windows-1252"; UTF-8
        /// where not given, or UTF-16 and UTF-32 where that is certain.
        encoding: Option<String>,
            must("the name of an encoding, such as \"utf-16le\" or \"windows-1252\"", |it| is_encoding(it));
        /// What becomes of line ends.
        newlines: Newlines = Newlines::Keep;
        /// What becomes of letters that Unicode can write in several ways; prompts are changed alike.
        normalize: Normalization = Normalization::None;
        /// Name of a text that the program makes itself, instead of files.
        builtin: Option<String>, one_of(builtins);
        /// Tokens of a row. gpt and hf models have their own: `model.context`.
        context: usize, derived("64, or model.context where the model has one", |_| 64), in 1..=1_000_000;
        /// Tokenizer that makes the tokens: a model's folder, its tokenizer.json or .gguf file; an hf model
        /// has its own. A token is a character where not given.
        tokenizer: Option<PathBuf>;
        /// Characters that are tokens, in the order of their numbers, such as those of another text;
        /// those of the text where not given.
        vocabulary: Option<String>;
    }
}

impl TextOptions {
    /// The form of the text.
    pub(crate) fn form(&self) -> TextForm {
        TextForm {
            encoding: self.encoding.as_deref().and_then(Encoding::named),
            newlines: self.newlines,
            normalize: self.normalize,
        }
    }
}

fn builtins() -> Vec<String> {
    BUILTIN_TEXTS.iter().map(ToString::to_string).collect()
}

fn check(options: &TextOptions) -> Result<(), BadKey> {
    let TextOptions { text, builtin, tokenizer, vocabulary, .. } = options;
    let words = "given either as data.text or as data.builtin, not both";
    must(builtin.is_none() || text.is_empty(), "text", &"given twice", words)?;
    let words = format!("the path of a text file, or data.builtin one of: {}", builtin_names());
    must(builtin.is_some() || !text.is_empty(), "text", &"missing", words)?;
    let words = "left out beside data.tokenizer, which has its own";
    let one = tokenizer.is_none() || vocabulary.is_none();
    must(one, "vocabulary", &vocabulary.as_deref().unwrap_or_default(), words)
}
