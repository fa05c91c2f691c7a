//! From a document's values to the typed sections, defaults filled in.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::document::Document;
use super::{
    DataSection, DeviceSection, LearningRateSchedule, ModelSection, PipelineSection,
    RecomputeChoice, RunConfig, RunSection, ScheduleChoice, TrainSection, default_run_dir, keys,
};
use crate::error::RunError;

/// Reads all sections. `file` is where the document comes from.
pub(super) fn config(document: &Document, file: &Path) -> Result<RunConfig, RunError> {
    let folder = file.parent().unwrap_or(Path::new(""));
    Ok(RunConfig {
        model: model(document)?,
        data: data(document, folder)?,
        train: train(document)?,
        pipeline: pipeline(document, folder)?,
        run: run(document, file, folder)?,
        devices: devices(document)?,
    })
}

fn model(document: &Document) -> Result<ModelSection, RunError> {
    let section = Section::open(document, &["model"])?;
    let kind = section.optional::<String>("kind")?.ok_or_else(|| {
        let name = &document.sources[0].name;
        RunError::config(format!(
            "{name} does not say which model to train; write kind = \"gpt\" (or \"mlp\") under [model]"
        ))
    })?;
    let mut options = section.table.cloned().unwrap_or_default();
    options.remove("kind");
    Ok(ModelSection { kind, options })
}

fn data(document: &Document, folder: &Path) -> Result<DataSection, RunError> {
    let section = Section::open(document, &["data"])?;
    let default = DataSection::default();
    Ok(DataSection {
        text: section.path("text", folder)?,
        builtin: section.optional("builtin")?,
        validation_fraction: section.or("validation_fraction", default.validation_fraction)?,
    })
}

fn train(document: &Document) -> Result<TrainSection, RunError> {
    let section = Section::open(document, &["train"])?;
    let default = TrainSection::default();
    let steps: u64 = section.or("steps", default.steps)?;
    let batch = section.or("batch", default.batch)?;
    let learning_rate = section.or("learning_rate", default.learning_rate)?;
    let warmup: u64 = section.or("warmup", default.warmup)?;
    Ok(TrainSection {
        steps,
        batch,
        micro_batches: section.or("micro_batches", default_micro_batches(batch))?,
        learning_rate,
        min_learning_rate: section.or("min_learning_rate", learning_rate / 10.0)?,
        // A short trial run of a long recipe should not fail over its warm-up.
        warmup: warmup.min(steps.saturating_sub(1)),
        schedule: section.or("schedule", default.schedule)?,
        decay_steps: section.or("decay_steps", steps)?,
        weight_decay: section.or("weight_decay", default.weight_decay)?,
        beta1: section.or("beta1", default.beta1)?,
        beta2: section.or("beta2", default.beta2)?,
        epsilon: section.or("epsilon", default.epsilon)?,
        clip: section.or("clip", default.clip)?,
        seed: section.or("seed", default.seed)?,
        validate_every: section.or("validate_every", default.validate_every)?,
        validate_batches: section.or("validate_batches", default.validate_batches)?,
        validate_whole_at_end: section
            .or("validate_whole_at_end", default.validate_whole_at_end)?,
        sample_tokens: section.or("sample_tokens", default.sample_tokens)?,
        checkpoint_every: section.or("checkpoint_every", default.checkpoint_every)?,
        keep_checkpoints: section.or("keep_checkpoints", default.keep_checkpoints)?,
    })
}

/// The most micro-batches up to the default that divide the batch.
fn default_micro_batches(batch: usize) -> usize {
    let most = TrainSection::default().micro_batches;
    (1..=most).rev().find(|count| batch.is_multiple_of(*count)).unwrap_or(1)
}

fn pipeline(document: &Document, folder: &Path) -> Result<PipelineSection, RunError> {
    let section = Section::open(document, &["pipeline"])?;
    Ok(PipelineSection {
        schedule: section.or("schedule", ScheduleChoice::Auto)?,
        recompute: section.or("recompute", RecomputeChoice::Auto)?,
        lock: section.or("lock", Vec::new())?,
        plan: section.path("plan", folder)?,
    })
}

fn run(document: &Document, file: &Path, folder: &Path) -> Result<RunSection, RunError> {
    let section = Section::open(document, &["run"])?;
    let dir = if let Some(dir) = section.path("dir", folder)? {
        dir
    } else {
        let dir = default_run_dir(file);
        std::path::absolute(&dir).map_err(RunError::io("find the working directory for", dir))?
    };
    Ok(RunSection { dir })
}

fn devices(document: &Document) -> Result<Vec<DeviceSection>, RunError> {
    let entries = match document.root.get("device") {
        None => return Ok(Vec::new()),
        Some(Value::Array(entries)) => entries,
        Some(_) => {
            return Err(document.problem_at(&["device"], "not a list", |at| {
                format!("{at}: a device is written [[device]], with double brackets")
            }));
        }
    };
    (0..entries.len()).map(|index| device(document, &index.to_string())).collect()
}

fn device(document: &Document, index: &str) -> Result<DeviceSection, RunError> {
    let path = ["device", index];
    let section = Section::open(document, &path)?;
    let default = DeviceSection::default();
    Ok(DeviceSection {
        id: section.or("id", default.id)?,
        adapter: section.or("adapter", default.adapter)?,
        memory: section.optional::<Bytes>("memory")?.map(|bytes| bytes.0),
        reserve: section.optional::<Bytes>("reserve")?.map(|bytes| bytes.0),
        threads: section.optional("threads")?,
        speed: section.optional("speed")?,
        throttle: section.optional("throttle")?,
    })
}

/// One section of the document.
struct Section<'d> {
    document: &'d Document,
    path: &'d [&'d str],
    table: Option<&'d Table>,
}

impl<'d> Section<'d> {
    fn open(document: &'d Document, path: &'d [&'d str]) -> Result<Self, RunError> {
        match document.value(path) {
            None => Ok(Self { document, path, table: None }),
            Some(Value::Table(table)) => Ok(Self { document, path, table: Some(table) }),
            Some(other) => Err(document.problem_at(path, "not a section", |at| {
                let heading = keys::heading(path[0]);
                format!(
                    "{at}: '{}' is {}, but must be a section, {heading}",
                    path[0],
                    described(other)
                )
            })),
        }
    }

    /// A setting, or its default.
    fn or<T: Setting>(&self, key: &str, default: T) -> Result<T, RunError> {
        Ok(self.optional(key)?.unwrap_or(default))
    }

    /// A setting that need not be there.
    fn optional<T: Setting>(&self, key: &str) -> Result<Option<T>, RunError> {
        let Some(value) = self.table.and_then(|table| table.get(key)) else { return Ok(None) };
        let path = [self.path, &[key]].concat();
        T::read(value, self.document.typed_text(&path)).map(Some).map_err(|must| {
            self.document.problem_at(&path, "this value", |at| {
                format!("{at}: {} is {}, but must be {must}", path.join("."), described(value))
            })
        })
    }

    /// A file or folder that need not be named.
    fn path(&self, key: &str, folder: &Path) -> Result<Option<PathBuf>, RunError> {
        let Some(text) = self.optional::<String>(key)? else { return Ok(None) };
        let path = [self.path, &[key]].concat();
        let absolute = self.document.absolute(&path, &text, folder).ok();
        absolute.filter(|_| !text.is_empty()).map(Some).ok_or_else(|| {
            self.document.problem_at(&path, "this path", |at| {
                format!(
                    "{at}: {} is '{text}', but must be the name of a file or folder",
                    path.join(".")
                )
            })
        })
    }
}

/// A type a setting can have.
trait Setting: Sized {
    /// Reads a value; `typed` is its text where it comes from a `--set`. The error says what the
    /// value must be.
    fn read(value: &Value, typed: Option<&str>) -> Result<Self, String>;
}

impl Setting for u64 {
    fn read(value: &Value, _: Option<&str>) -> Result<Self, String> {
        let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
        number.ok_or_else(|| "a whole number, 0 or more".to_owned())
    }
}

impl Setting for usize {
    fn read(value: &Value, typed: Option<&str>) -> Result<Self, String> {
        let number = u64::read(value, typed)?;
        Self::try_from(number).map_err(|_| format!("at most {}", Self::MAX))
    }
}

impl Setting for f64 {
    fn read(value: &Value, _: Option<&str>) -> Result<Self, String> {
        let number = value.as_float().or_else(|| value.as_integer().map(|number| number as Self));
        number.ok_or_else(|| "a number".to_owned())
    }
}

impl Setting for bool {
    fn read(value: &Value, _: Option<&str>) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| "true or false".to_owned())
    }
}

impl Setting for Vec<String> {
    fn read(value: &Value, _: Option<&str>) -> Result<Self, String> {
        let texts = value.as_array().map(|values| values.iter().map(Value::as_str));
        let texts = texts.and_then(|texts| texts.map(|text| text.map(str::to_owned)).collect());
        texts.ok_or_else(|| "a list of texts in quotes".to_owned())
    }
}

impl Setting for String {
    fn read(value: &Value, typed: Option<&str>) -> Result<Self, String> {
        // `--set device.0.adapter=1` means the text "1": there are no quotes on a command line.
        let text = value.as_str().or(typed);
        text.map(str::to_owned).ok_or_else(|| "a text in quotes".to_owned())
    }
}

impl Setting for ScheduleChoice {
    fn read(value: &Value, typed: Option<&str>) -> Result<Self, String> {
        let name = String::read(value, typed).map_err(|_| {
            "\"auto\" or the name of a schedule, such as \"gpipe\" or \"1f1b\"".to_owned()
        })?;
        Ok(if name == "auto" { Self::Auto } else { Self::Named(name) })
    }
}

impl Setting for RecomputeChoice {
    fn read(value: &Value, _: Option<&str>) -> Result<Self, String> {
        one_of(value, &[("auto", Self::Auto), ("none", Self::None), ("full", Self::Full)])
    }
}

impl Setting for LearningRateSchedule {
    fn read(value: &Value, _: Option<&str>) -> Result<Self, String> {
        one_of(value, &[("cosine", Self::Cosine), ("constant", Self::Constant)])
    }
}

/// A size: bytes as a number, or a text with a unit.
struct Bytes(u64);

impl Setting for Bytes {
    fn read(value: &Value, typed: Option<&str>) -> Result<Self, String> {
        let must = "a size such as \"6 GiB\", or a whole number of bytes";
        if value.is_integer() {
            return u64::read(value, None).map(Self).map_err(|_| must.to_owned());
        }
        let text = String::read(value, typed).map_err(|_| must.to_owned())?;
        trainyard_plan::memory::parse_bytes(&text).map(Self).map_err(|_| must.to_owned())
    }
}

/// One of a few words.
fn one_of<T: Copy>(value: &Value, choices: &[(&str, T)]) -> Result<T, String> {
    let word = value.as_str().unwrap_or_default();
    choices.iter().find(|(name, _)| *name == word).map(|(_, choice)| *choice).ok_or_else(|| {
        let quoted: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        match keys::nearest(word, choices.iter().map(|(name, _)| *name)) {
            Some(near) if !word.is_empty() => {
                format!("{}; did you mean \"{near}\"?", quoted.join(" or "))
            }
            _ => quoted.join(" or "),
        }
    })
}

/// A value in words, short enough for a message.
pub(super) fn described(value: &Value) -> String {
    let shorten = |text: String| match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    };
    match value {
        Value::String(text) => shorten(format!("the text {text:?}")),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("the number {number:?}"),
        Value::Boolean(choice) => choice.to_string(),
        Value::Datetime(date) => format!("the date {date}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a section".to_owned(),
    }
}
