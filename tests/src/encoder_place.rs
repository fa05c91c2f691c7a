//! A small encoder with what it can learn.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::{root, temp_dir, write};

const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
/// Words of the one class.
pub const GOOD: [&str; 4] = ["fine", "great", "lovely", "nice"];
/// Words of the other.
pub const BAD: [&str; 4] = ["awful", "poor", "sad", "slow"];

/// A BERT with weights by chance and a tokenizer of words, tables for it, and a run file.
pub struct EncoderPlace {
    dir: TempDir,
    /// The run file.
    pub file: PathBuf,
}

impl EncoderPlace {
    /// Makes it.
    #[expect(clippy::new_without_default, reason = "it makes files")]
    pub fn new() -> Self {
        let dir = temp_dir();
        let model = dir.path().join("model");
        std::fs::create_dir(&model).expect("a folder");
        let fixture = root().join("crates/trainyard-models/tests/fixtures/hf/bert");
        for name in ["config.json", "model.safetensors"] {
            std::fs::copy(fixture.join(name), model.join(name)).expect("a copy");
        }
        let words = (0..24).map(|number| format!("train{number}"));
        let known = SPECIAL.iter().chain(&GOOD).chain(&BAD).map(ToString::to_string);
        write(&model.join("vocab.txt"), known.chain(words).collect::<Vec<_>>().join("\n"));
        let rows = |first: usize| -> String {
            let row = |row: usize| {
                let (word, of) = if row.is_multiple_of(2) { (GOOD, "good") } else { (BAD, "bad") };
                format!("train{} {},{of}\n", row * 7 % 24, word[row / 2 % 4])
            };
            (first..first + 48).map(row).collect()
        };
        write(&dir.path().join("train.csv"), format!("text,class\n{}", rows(0)));
        write(&dir.path().join("test.csv"), format!("text,class\n{}", rows(1)));
        let file = dir.path().join("run.toml");
        write(&file, RUN_FILE);
        Self { dir, file }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

const RUN_FILE: &str = r#"
[model]
kind = "hf"
path = "model"
context = 9
pooling = "mean"

[data]
sentences = "train.csv"
label = "class"

[train]
steps = 30
batch = 12
learning_rate = 1e-2
warmup = 3
validate_every = 0

[[device]]
id = "one"
adapter = "cpu"
memory = "1 GiB"
threads = 1

[[device]]
id = "other"
adapter = "cpu"
memory = "1 GiB"
threads = 1
"#;
