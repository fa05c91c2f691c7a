//! A table of texts, and what an encoder learns of it.

use serde::{Deserialize, Serialize};
use trainyard_plan::TableColumn;

/// The columns of a table by their names, and what is learned of them. What is empty is not used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Texts {
    /// What is learned.
    pub task: Task,
    /// How one vector is made of a text.
    pub pooling: Pooling,
    /// Column of the text.
    pub column: String,
    /// Column of the second text of each row.
    pub second: String,
    /// Column of the classes.
    pub label: String,
    /// Column of the scores.
    pub score: String,
    /// The score of texts that say the same; 1 where nothing is written.
    pub full_score: String,
}

/// What an encoder learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// To which class a text belongs.
    #[default]
    Classify,
    /// How alike two texts are.
    Embed,
    /// Which words were hidden.
    Masked,
}

/// How one vector is made of a text's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// As the model's files say.
    #[default]
    Model,
    /// The mean of all its tokens.
    Mean,
    /// That of its first token.
    First,
}

impl Task {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Classify, Self::Embed, Self::Masked];

    /// Its name in run files.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Classify => "classify",
            Self::Embed => "embed",
            Self::Masked => "masked",
        }
    }

    /// Its name and what it is.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Classify => ("Classes", "To which class a text belongs, or a pair of texts"),
            Self::Embed => ("Similarity", "How alike two texts are, as a score says of each pair"),
            Self::Masked => {
                ("Hidden words", "To fill in words that are hidden: the texts are enough for that")
            }
        }
    }

    /// Whether it makes one vector of a text.
    #[must_use]
    pub fn pools(self) -> bool {
        self != Self::Masked
    }
}

impl Pooling {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Model, Self::Mean, Self::First];

    /// Its name in run files; nothing for the model's own.
    #[must_use]
    pub fn text(self) -> Option<&'static str> {
        match self {
            Self::Model => None,
            Self::Mean => Some("mean"),
            Self::First => Some("first"),
        }
    }

    /// Its name and what it is.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Model => (
                "Model's own",
                "As its files say; else the first token for classes, and the mean for similarity",
            ),
            Self::Mean => ("Mean", "The mean of all tokens' vectors"),
            Self::First => ("First token", "The vector of the first token"),
        }
    }
}

impl Texts {
    /// Names columns of a table where it has none of the name that is there: those that tables usually have.
    pub fn suit(&mut self, columns: &[TableColumn]) {
        let has = |name: &str| columns.iter().any(|column| column.name == name);
        let named = |names: &[&str]| {
            let is_it =
                |column: &&TableColumn| names.contains(&column.name.to_lowercase().as_str());
            columns.iter().find(is_it).map(|column| column.name.clone())
        };
        let is_words = |column: &&TableColumn| {
            column.cells.iter().any(|cell| cell.trim().parse::<f64>().is_err())
        };
        let longest = || {
            let length =
                |column: &&TableColumn| column.cells.iter().map(String::len).sum::<usize>();
            columns.iter().filter(is_words).max_by_key(length).map(|column| column.name.clone())
        };
        if !has(&self.column) {
            self.column = named(&TEXTS).or_else(longest).unwrap_or_default();
        }
        for (column, names) in [
            (&mut self.second, &SECONDS[..]),
            (&mut self.label, &LABELS[..]),
            (&mut self.score, &SCORES[..]),
        ] {
            if !has(column) {
                *column = named(names).unwrap_or_default();
            }
        }
    }
}

/// Names that columns usually have.
const TEXTS: [&str; 7] =
    ["text", "sentence", "sentence1", "question", "question1", "premise", "content"];
const SECONDS: [&str; 5] = ["text2", "sentence2", "question2", "hypothesis", "second"];
const LABELS: [&str; 6] = ["label", "labels", "class", "category", "intent", "sentiment"];
const SCORES: [&str; 3] = ["score", "similarity", "similarity_score"];

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[(&str, &str)]) -> Vec<TableColumn> {
        let column = |(name, cell): &(&str, &str)| TableColumn {
            name: (*name).to_owned(),
            cells: vec![(*cell).to_owned()],
        };
        columns.iter().map(column).collect()
    }

    #[test]
    fn columns_are_named_that_the_table_has_and_what_was_chosen_stays() {
        let mut texts = Texts::default();
        texts.suit(&table(&[("id", "12345678"), ("utterance", "hi there"), ("Category", "x")]));
        assert_eq!((texts.column.as_str(), texts.label.as_str()), ("utterance", "Category"));
        assert_eq!((texts.second.as_str(), texts.score.as_str()), ("", ""));
        // Of another table.
        let pairs = table(&[("sentence1", "a"), ("sentence2", "b"), ("score", "3")]);
        texts.suit(&pairs);
        assert_eq!(
            [&texts.column, &texts.second, &texts.label, &texts.score],
            ["sentence1", "sentence2", "", "score"]
        );
        texts.column = "sentence2".to_owned();
        texts.suit(&pairs);
        assert_eq!(texts.column, "sentence2");
        texts.suit(&[]);
        assert_eq!(texts, Texts::default());
    }
}
