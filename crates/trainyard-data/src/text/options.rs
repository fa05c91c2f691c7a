//! Options of the source `text`.

use std::path::PathBuf;

use trainyard_config::{BadKey, keys, must};

use crate::text::{BUILTIN_TEXTS, builtin_names};

keys! {
    /// Windows of UTF-8 text files, a token a character; or of a text that the program makes itself.
    pub struct TextOptions in "data", check = check {
        /// Files, folders (all files in them and below) and patterns such as `books/**/*.txt`, in this
        /// order one text; `.gz` is unpacked.
        text: Vec<PathBuf>;
        /// Name of a text that the program makes itself, instead of files.
        builtin: Option<String>, one_of(builtins);
        /// Tokens of a row; a gpt has its own `model.context`.
        context: usize = 64, in 1..=1_000_000;
        /// Characters that are tokens, such as those of another text; those of the text where not
        /// given.
        vocabulary: Option<String>;
    }
}

fn builtins() -> Vec<String> {
    BUILTIN_TEXTS.iter().map(ToString::to_string).collect()
}

fn check(options: &TextOptions) -> Result<(), BadKey> {
    let TextOptions { text, builtin, .. } = options;
    let words = "given either as data.text or as data.builtin, not both";
    must(builtin.is_none() || text.is_empty(), "text", &"given twice", words)?;
    let words = format!("the path of a text file, or data.builtin one of: {}", builtin_names());
    must(builtin.is_some() || !text.is_empty(), "text", &"missing", words)
}
