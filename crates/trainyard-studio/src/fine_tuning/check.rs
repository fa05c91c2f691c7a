//! Whether a form makes sense, and what of it does not.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::form::{DataKind, Field, Form, Learned, Method};
use super::sizes::Sizes;
use super::texts::{Task, Texts};

/// What makes no sense, in words that stand beside its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The field; `None` for what is of none.
    pub field: Option<Field>,
    /// What it must be, or what went wrong.
    pub words: String,
}

/// A fine-tuning that makes sense as far as it can be told without its files.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// What memory and time follow from.
    pub sizes: Sizes,
    /// What sort of data it learns from.
    pub kind: DataKind,
    /// Its file, folder or pattern.
    pub data: PathBuf,
    /// What counts of chats.
    pub learned: Learned,
    /// What is learned of a table: only the columns that are used.
    pub texts: Texts,
    /// An adapter counts alpha ÷ rank times.
    pub alpha: f64,
    /// Which products get adapters.
    pub targets: Vec<String>,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Optimizer steps.
    pub steps: u64,
}

impl Wrong {
    fn of(field: Field, words: impl Into<String>) -> Self {
        Self { field: Some(field), words: words.into() }
    }
}

impl Form {
    /// The part of it that the board follows.
    ///
    /// # Errors
    /// What of it makes no sense.
    pub fn sizes(&self) -> Result<Sizes, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let model =
            path(&self.model, Field::Model, "name the model's folder or .gguf file", &mut wrong);
        let has_adapters = self.method != Method::Full;
        let rank = if has_adapters { whole(&self.rank, Field::Rank, &mut wrong) } else { Some(1) };
        let context = match self.context.trim() {
            "" => Some(None),
            text => whole(text, Field::Context, &mut wrong).map(Some),
        };
        let batch = whole(&self.batch, Field::Batch, &mut wrong);
        match (model, rank, context, batch) {
            (Some(model), Some(rank), Some(context), Some(batch)) => {
                let (method, precision) = (self.method, self.precision);
                let devices = self.devices.clone();
                Ok(Sizes { model, method, rank, precision, context, batch, devices })
            }
            _ => Err(wrong),
        }
    }

    /// The training that it describes.
    ///
    /// # Errors
    /// All that makes no sense.
    pub fn wanted(&self) -> Result<Wanted, Vec<Wrong>> {
        let (sizes, mut wrong) = match self.sizes() {
            Ok(sizes) => (Some(sizes), Vec::new()),
            Err(wrong) => (None, wrong),
        };
        let words = match self.kind {
            DataKind::Chat => "name a .jsonl file with chats",
            DataKind::Text => "name a file with text",
            DataKind::Sentences => "name a .csv, .tsv or .jsonl file with texts",
        };
        let data = path(&self.data, Field::Data, words, &mut wrong);
        let texts = self.texts_that_are_used(&mut wrong);
        let has_adapters = self.method != Method::Full;
        let alpha =
            if has_adapters { above_0(&self.alpha, Field::Alpha, &mut wrong) } else { Some(1.0) };
        let targets: Vec<String> = self
            .targets
            .split(',')
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .map(str::to_owned)
            .collect();
        if has_adapters && targets.is_empty() {
            let words = "all, attention, mlp, or names of products such as q, v";
            wrong.push(Wrong::of(Field::Targets, words));
        }
        let learning_rate = above_0(&self.learning_rate, Field::LearningRate, &mut wrong);
        let steps = whole(&self.steps, Field::Steps, &mut wrong);
        match (sizes, data, alpha, learning_rate, steps) {
            (Some(sizes), Some(data), Some(alpha), Some(learning_rate), Some(steps))
                if wrong.is_empty() =>
            {
                let (kind, learned) = (self.kind, self.learned);
                let wanted = Wanted {
                    sizes,
                    kind,
                    data,
                    learned,
                    texts,
                    alpha,
                    targets,
                    learning_rate,
                    steps,
                };
                Ok(wanted)
            }
            _ => Err(wrong),
        }
    }
}

impl Form {
    /// The columns that are used, without what is of another task.
    fn texts_that_are_used(&self, wrong: &mut Vec<Wrong>) -> Texts {
        let Texts { task, pooling, .. } = self.texts;
        let mut used = Texts { task, pooling, ..Texts::default() };
        if self.kind != DataKind::Sentences {
            return used;
        }
        let is_pair = task == Task::Embed;
        for field in self.columns() {
            let (from, to, words) = match field {
                Field::Second if is_pair => {
                    (&self.texts.second, &mut used.second, "name the column of the second text")
                }
                Field::Second => (&self.texts.second, &mut used.second, ""),
                Field::Label => {
                    (&self.texts.label, &mut used.label, "name the column of the classes")
                }
                Field::Score => {
                    (&self.texts.score, &mut used.score, "name the column of the scores")
                }
                _ => (&self.texts.column, &mut used.column, "name the column of the text"),
            };
            from.trim().clone_into(to);
            if to.is_empty() && !words.is_empty() {
                wrong.push(Wrong::of(*field, words));
            } else if !to.is_empty() && *field != Field::Column && *to == self.texts.column.trim() {
                wrong.push(Wrong::of(*field, "another column than the text's"));
            }
        }
        if is_pair && !self.texts.full_score.trim().is_empty() {
            let full = above_0(&self.texts.full_score, Field::FullScore, wrong);
            used.full_score = full.map(|full| format!("{full:?}")).unwrap_or_default();
        }
        used
    }
}

/// A path that is written; an absolute one, as a run file may lie elsewhere.
fn path(text: &str, field: Field, words: &str, wrong: &mut Vec<Wrong>) -> Option<PathBuf> {
    let text = text.trim();
    if text.is_empty() {
        wrong.push(Wrong::of(field, words));
        return None;
    }
    Some(Path::new(text).to_owned())
}

fn number<T: FromStr>(text: &str, is_good: impl Fn(&T) -> bool) -> Option<T> {
    text.trim().parse().ok().filter(is_good)
}

fn whole(text: &str, field: Field, wrong: &mut Vec<Wrong>) -> Option<u64> {
    let number = number(text, |number| *number > 0);
    if number.is_none() {
        wrong.push(Wrong::of(field, "a whole number above 0"));
    }
    number
}

fn above_0(text: &str, field: Field, wrong: &mut Vec<Wrong>) -> Option<f64> {
    let number = number(text, |number: &f64| number.is_finite() && *number > 0.0);
    if number.is_none() {
        wrong.push(Wrong::of(field, "a number above 0, such as 2e-4"));
    }
    number
}

#[cfg(test)]
mod tests {
    use super::Field as F;
    use super::*;

    fn form() -> Form {
        Form { model: "m".into(), data: "d.jsonl".into(), ..Form::default() }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_and_beside_its_field() {
        let fields = |form: &Form| -> Vec<Field> {
            form.wanted().unwrap_err().into_iter().filter_map(|wrong| wrong.field).collect()
        };
        assert!(form().wanted().is_ok());
        assert_eq!(fields(&Form::default()), [Field::Model, Field::Data]);
        let bad = Form {
            rank: "0".into(),
            alpha: "much".into(),
            targets: " , ".into(),
            batch: "1.5".into(),
            learning_rate: "-1".into(),
            steps: "inf".into(),
            context: "-3".into(),
            ..form()
        };
        assert_eq!(
            fields(&bad),
            [F::Rank, F::Context, F::Batch, F::Alpha, F::Targets, F::LearningRate, F::Steps]
        );
        // What a full training does not have does not matter.
        let full = Form { method: Method::Full, rank: "?".into(), alpha: "?".into(), ..form() };
        assert!(full.wanted().is_ok());
    }

    #[test]
    fn a_table_needs_the_columns_of_its_task() {
        let table = |task| {
            let texts = Texts { task, column: " a ".into(), ..Texts::default() };
            Form { kind: DataKind::Sentences, texts, ..form() }
        };
        let fields = |form: &Form| -> Vec<Field> {
            form.wanted().unwrap_err().into_iter().filter_map(|wrong| wrong.field).collect()
        };
        assert_eq!(fields(&table(Task::Classify)), [F::Label]);
        assert_eq!(fields(&table(Task::Embed)), [F::Second, F::Score]);
        let wanted = table(Task::Masked).wanted().unwrap();
        assert_eq!(wanted.texts.column, "a");
        let mut pairs = table(Task::Embed);
        pairs.texts =
            Texts { second: "a".into(), score: "s".into(), label: "l".into(), ..pairs.texts };
        pairs.texts.full_score = "-5".into();
        assert_eq!(fields(&pairs), [F::Second, F::FullScore]);
        (pairs.texts.second, pairs.texts.full_score) = ("b".into(), "5".into());
        let texts = pairs.wanted().unwrap().texts;
        // What is of another task is not written.
        assert_eq!((texts.label.as_str(), texts.full_score.as_str()), ("", "5.0"));
        // Of chats no column matters.
        let chats = Form { kind: DataKind::Chat, ..table(Task::Classify) };
        assert_eq!(chats.wanted().unwrap().texts.column, "");
    }

    #[test]
    fn a_context_that_is_not_written_is_the_model_s() {
        let sizes = Form { context: " ".into(), ..form() }.sizes().unwrap();
        assert_eq!((sizes.context, sizes.batch, sizes.rank), (None, 8, 16));
    }
}
