//! The run file (`run.toml`): what to train, on what, and how.
//!
//! Every setting has a default but `model.kind`. A file is read in four moves, a file each:
//! `set` puts the `--set key=value` arguments over it, `document` remembers where every value
//! stands, `read` turns values into the typed `sections`, and `validate` refuses numbers that
//! make no sense; `model` asks the model registry the same. Whatever is wrong is reported with its line and column.
//!
//! To add a setting: a field and its default in `sections.rs`, its name in `keys.rs`, a line in
//! `read.rs`, and a line in `validate.rs` unless every value is fine.
//!
//! A path is relative to the place it is written in: the folder of the run file, or the working
//! directory for a `--set`. A loaded config holds absolute paths.

mod document;
mod keys;
mod model;
mod read;
mod sections;
mod set;
mod validate;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use sections::{
    DataSection, DeviceSection, LearningRateSchedule, ModelSection, PipelineSection,
    RecomputeChoice, RunSection, ScheduleChoice, TrainSection,
};

use crate::data::line_ends;
use crate::error::{RunError, shown};
use document::Document;

/// A whole run file, with every default filled in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunConfig {
    /// `[model]`
    pub model: ModelSection,
    /// `[data]`
    pub data: DataSection,
    /// `[train]`
    pub train: TrainSection,
    /// `[pipeline]`
    pub pipeline: PipelineSection,
    /// `[run]`
    pub run: RunSection,
    /// `[[device]]`, in the order of the pipeline; empty where the file names none.
    #[serde(rename = "device", skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceSection>,
}

impl RunConfig {
    /// Reads a run file, puts the `--set key=value` arguments over it, fills in the defaults and
    /// checks the result.
    ///
    /// # Errors
    /// [`RunError::Io`] if the file cannot be read, [`RunError::Config`] with line and column for
    /// anything wrong in it.
    pub fn load(path: &Path, sets: &[String]) -> Result<Self, RunError> {
        let bytes = fs::read(path).map_err(RunError::io("read the run file", path))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let line = 1 + line_ends(error.as_bytes().get(..valid).unwrap_or_default());
            RunError::NotUtf8 { name: shown(path), offset: valid as u64, line }
        })?;
        let (document, config) = Self::with_places(&text, path, sets)?;
        model::check(&document, &config)?;
        Ok(config)
    }

    /// The same for a text that is already in memory. `path` gives the name for messages and for
    /// `runs/<name>`, and the folder for relative paths; nothing is read from it. The model's own
    /// options are left to the model registry.
    ///
    /// # Errors
    /// As [`RunConfig::load`].
    pub fn from_text(text: &str, path: &Path, sets: &[String]) -> Result<Self, RunError> {
        Self::with_places(text, path, sets).map(|(_, config)| config)
    }

    fn with_places(text: &str, path: &Path, sets: &[String]) -> Result<(Document, Self), RunError> {
        let mut document = Document::parse(text, &shown(path))?;
        for set in sets {
            document.set(set)?;
        }
        document.refuse_unknown_keys()?;
        let config = read::config(&document, path)?;
        config.validate().map_err(|error| document.locate(error))?;
        Ok((document, config))
    }

    /// The resolved file: all defaults filled in, paths absolute. It parses back to an equal config.
    ///
    /// # Errors
    /// [`RunError::Config`] if a value cannot be written as TOML: a path that is not UTF-8, a whole
    /// number above 2⁶³ − 1.
    pub fn to_toml(&self) -> Result<String, RunError> {
        let body = toml::to_string(self).map_err(|e| {
            RunError::config(format!("this run cannot be written as a run file: {e}"))
        })?;
        Ok(format!(
            "# Written by Trainyard: the run file as resolved, with every default.\n\n{body}"
        ))
    }
}

/// Where a run goes unless `run.dir` says otherwise: `runs/<file stem>`.
fn default_run_dir(run_file: &Path) -> PathBuf {
    let stem = run_file.file_stem().unwrap_or_else(|| "run".as_ref());
    Path::new("runs").join(stem)
}
