//! What an encoder was made to learn, as its files say.

use std::path::Path;

use serde_json::Value;

use crate::error::PretrainedError;
use crate::modules::MODULES;
use crate::open::{Pretrained, read_config};

/// What an encoder was made to learn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaidTask {
    /// To find masked tokens, as the class of this name does.
    Masked(String),
    /// To tell classes, as the class of this name does.
    Classes(String),
    /// To make vectors of texts, as a file says.
    Vectors(String),
}

impl Pretrained {
    /// What the files say that an encoder was made to learn; None where they do not say it.
    ///
    /// # Errors
    /// [`PretrainedError`] for a config that cannot be read.
    pub fn said_task(&self) -> Result<Option<SaidTask>, PretrainedError> {
        let is_json = |end: &std::ffi::OsStr| end.eq_ignore_ascii_case("json");
        let (config, folder) = match &self.path {
            path if path.is_dir() => (path.join("config.json"), path.as_path()),
            path if path.extension().is_some_and(is_json) => {
                (path.clone(), path.parent().unwrap_or(Path::new("")))
            }
            // llama.cpp has no head for anything else.
            path => return Ok(Some(SaidTask::Vectors(path.display().to_string()))),
        };
        let config = read_config(&config)?;
        let classes = config.get("architectures").and_then(Value::as_array);
        let mut classes = classes.into_iter().flatten().filter_map(Value::as_str);
        let ends_with = |end: &'static str| move |class: &&str| class.ends_with(end);
        let masked = classes.clone().find(ends_with("ForMaskedLM"));
        let tells = classes.find(ends_with("ForSequenceClassification"));
        let modules = || folder.join(MODULES).is_file().then(|| MODULES.to_owned());
        let masked = masked.map(|class| SaidTask::Masked(class.to_owned()));
        let tells = || tells.map(|class| SaidTask::Classes(class.to_owned()));
        Ok(masked.or_else(tells).or_else(|| modules().map(SaidTask::Vectors)))
    }
}
