//! The form of a fine-tuning, as a person fills it in.

use serde::{Deserialize, Serialize};
use trainyard_plan::Precision;

use super::texts::{Task, Texts};
use crate::run_file::Entry;

/// What a person wrote, word by word: what makes no sense stays there to be mended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Form {
    /// The model: a folder, a file, or a name in the cache of Hugging Face's tools.
    pub model: String,
    /// What sort of data it learns from.
    pub kind: DataKind,
    /// Its file or folder.
    pub data: String,
    /// What counts of chats.
    pub learned: Learned,
    /// What is learned of a table of texts.
    pub texts: Texts,
    /// Which weights train.
    pub method: Method,
    /// Numbers between an adapter's two products.
    pub rank: String,
    /// An adapter counts alpha ÷ rank times.
    pub alpha: String,
    /// Which products get adapters, with commas between.
    pub targets: String,
    /// The numbers in which cards compute products.
    pub precision: Precision,
    /// Positions of a row; as the model has it where nothing is written.
    pub context: String,
    /// Rows of a step.
    pub batch: String,
    /// The highest learning rate.
    pub learning_rate: String,
    /// Optimizer steps.
    pub steps: String,
    /// Devices; all of the machine where there are none.
    pub devices: Vec<Entry>,
    /// The folder of the run file and the run.
    pub folder: String,
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// [`Form::model`].
    Model,
    /// [`Form::data`].
    Data,
    /// [`Texts::column`].
    Column,
    /// [`Texts::second`].
    Second,
    /// [`Texts::label`].
    Label,
    /// [`Texts::score`].
    Score,
    /// [`Texts::full_score`].
    FullScore,
    /// [`Texts::pooling`].
    Pooling,
    /// [`Form::method`].
    Method,
    /// [`Form::rank`].
    Rank,
    /// [`Form::alpha`].
    Alpha,
    /// [`Form::targets`].
    Targets,
    /// [`Form::context`].
    Context,
    /// [`Form::batch`].
    Batch,
    /// [`Form::learning_rate`].
    LearningRate,
    /// [`Form::steps`].
    Steps,
    /// [`Form::devices`].
    Devices,
    /// [`Form::folder`].
    Folder,
}

impl Field {
    /// Whether it is about a column of a table.
    #[must_use]
    pub fn is_of_table(self) -> bool {
        use Field::{Column, FullScore, Label, Score, Second};
        matches!(self, Column | Second | Label | Score | FullScore)
    }
}

/// Which weights train.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// All.
    Full,
    /// Adapters beside frozen ones.
    #[default]
    Lora,
    /// Adapters beside frozen ones in few bits.
    Qlora,
}

/// What sort of data it learns from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataKind {
    /// Chats and instructions, a line each.
    #[default]
    Chat,
    /// Plain text.
    Text,
    /// A table of texts, from which encoders learn.
    Sentences,
}

/// What counts of chats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Learned {
    /// What the assistant says.
    #[default]
    Answers,
    /// All of it.
    All,
}

impl Default for Form {
    fn default() -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            model: String::new(),
            kind: DataKind::default(),
            data: String::new(),
            learned: Learned::default(),
            texts: Texts::default(),
            method: Method::default(),
            rank: text("16"),
            alpha: text("32"),
            targets: text("all"),
            precision: Precision::default(),
            context: String::new(),
            batch: text("8"),
            learning_rate: text("2e-4"),
            steps: text("100"),
            devices: Vec::new(),
            folder: String::new(),
        }
    }
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Full, Self::Lora, Self::Qlora];

    /// Its name in run files.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Lora => "lora",
            Self::Qlora => "qlora",
        }
    }

    /// Its name and what it does.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Full => ("Full", "All weights train: needs the most memory"),
            Self::Lora => {
                ("LoRA", "Small adapters train beside the model's own weights, which are frozen")
            }
            Self::Qlora => {
                ("QLoRA", "As LoRA, with the frozen weights in 4 or 8 bits: needs the least memory")
            }
        }
    }
}

impl Form {
    /// The columns of its table that are used, by what they are for.
    #[must_use]
    pub fn columns(&self) -> &'static [Field] {
        match (self.kind, self.texts.task) {
            (DataKind::Chat | DataKind::Text, _) => &[],
            (DataKind::Sentences, Task::Classify) => &[Field::Column, Field::Second, Field::Label],
            (DataKind::Sentences, Task::Embed) => &[Field::Column, Field::Second, Field::Score],
            (DataKind::Sentences, Task::Masked) => &[Field::Column],
        }
    }
}

impl DataKind {
    /// Those that a model can learn from, the usual one first.
    #[must_use]
    pub fn of_model(is_encoder: bool) -> [Self; 2] {
        if is_encoder { [Self::Sentences, Self::Text] } else { [Self::Chat, Self::Text] }
    }

    /// Its key in run files.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Text => "text",
            Self::Sentences => "sentences",
        }
    }

    /// Its name and what it is.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Chat => (
                "Chats",
                "A .jsonl file: lines with messages, with prompt and completion, or with instruction, input and \
                 output",
            ),
            Self::Text => ("Text", "Plain text, cut into windows of the context"),
            Self::Sentences => (
                "Table of texts",
                "A .csv, .tsv or .jsonl file with a text a row, or a pair of texts",
            ),
        }
    }
}

impl Learned {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Answers, Self::All];

    /// Its name in run files.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::All => "all",
        }
    }

    /// Its name and what it means.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Answers => {
                ("Answers alone", "What the assistant says counts, the questions do not")
            }
            Self::All => ("Everything", "Questions and answers count alike"),
        }
    }
}
