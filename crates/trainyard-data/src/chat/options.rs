//! Options of the source `chat`.

use std::path::PathBuf;

use trainyard_config::{BadKey, choices, keys, must};

use crate::plain_text::is_encoding;

choices! {
    /// What is learned of a chat.
    pub enum TrainOn {
        /// What the assistant says, with the token that ends it.
        Answers = "answers",
        /// All of it.
        All = "all",
    }
}

choices! {
    /// What becomes of a chat that is longer than the context.
    pub enum TooLong {
        /// Its end is left out.
        Cut = "cut",
        /// It becomes several samples; the later ones do not see the earlier.
        Split = "split",
        /// It is an error.
        Refuse = "refuse",
    }
}

keys! {
    /// Chats and instructions of JSON-lines and Parquet files, as a model's own template writes them: a chat a
    /// row, filled up to the context with what does not count, or several.
    pub struct ChatOptions in "data", check = check {
        /// Files, folders (all .jsonl and .parquet in them and below) and patterns. A line or row has `messages`
        /// (each with `role` and `content`), `conversations` (each with `from`, human or gpt,
        /// and `value`), `prompt` and `completion`, or `instruction`, `input` and `output`; beside the latter three `system`
        /// may stand. gzip is unpacked.
        chat: Vec<PathBuf>;
        /// Encoding of files that have no byte order mark, such as "windows-1252"; UTF-8 where not given,
        /// or UTF-16 and UTF-32 where that is certain.
        encoding: Option<String>,
            must("the name of an encoding, such as \"utf-16le\" or \"windows-1252\"", |it| is_encoding(it));
        /// Tokenizer that makes the tokens: a model's folder, its tokenizer.json or .gguf file; an hf model
        /// has its own.
        tokenizer: Option<PathBuf>;
        /// File with a template of chats (Jinja, as transformers has it); the tokenizer's own where not
        /// given.
        template: Option<PathBuf>;
        /// What is learned; answers whose message has `weight` 0 are not.
        train_on: TrainOn = TrainOn::Answers;
        /// What becomes of chats that are longer than the context.
        too_long: TooLong = TooLong::Cut;
        /// Whether several chats share a row where they fit into it together, without seeing each other. Rows are
        /// then nearly full, and fewer; for hf models.
        packing: bool = false;
        /// Tokens of a row. gpt and hf models have their own: `model.context`.
        context: usize, derived("64, or model.context where the model has one", |_| 64), in 1..=1_000_000;
    }
}

fn check(options: &ChatOptions) -> Result<(), BadKey> {
    must(!options.chat.is_empty(), "chat", &"missing", "the path of a .jsonl file")
}
