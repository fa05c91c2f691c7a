//! Opening a model by its path.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::config::{ModelConfig, from_gguf, from_json};
use crate::error::PretrainedError;
use crate::gguf::Gguf;
use crate::hub_cache::name_of_snapshot;
use crate::layout::{bare, embedding_name, expected, is_derived, is_tied_copy};
use crate::mapping::MappedFiles;
use crate::model_card::licence;
use crate::modules::dense;
use crate::problem::{Problem, problems, problems_of_gguf};
use crate::safetensors_files;
use crate::tokenizer::{self, TokenizerInfo};
use crate::weight::Weight;

/// No config is longer, bytes.
const LONGEST_CONFIG: u64 = 16 << 20;

/// A model, as its files describe it.
#[derive(Debug)]
pub struct Pretrained {
    /// Its name: that on Hugging Face's hub where it was downloaded from there, that which a GGUF file gives it, or that
    /// of its folder or file. (What a config says is where its training began.)
    pub name: String,
    /// Architecture and sizes.
    pub config: ModelConfig,
    /// Every weight, in the order of its files; as the config tells, where there are no files of weights.
    pub weights: Vec<Weight>,
    /// Whether there are files of weights.
    pub has_weights: bool,
    /// Its tokenizer.
    pub tokenizer: Option<TokenizerInfo>,
    /// Its licence, where the files tell.
    pub licence: Option<String>,
    /// What the files of weights have otherwise than the config says.
    pub problems: Vec<Problem>,
    /// The folder, config.json or GGUF file.
    pub path: PathBuf,
    pub(crate) format: Format,
    pub(crate) files: MappedFiles,
    pub(crate) fingerprint: OnceLock<String>,
    /// How a GGUF file says that positions become one vector, by llama.cpp's numbers.
    pub(crate) pooling_type: Option<u64>,
}

/// By which names files have weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    HuggingFace,
    Gguf,
}

impl Pretrained {
    /// Opens a folder in Hugging Face layout, a config.json or a GGUF file. Of weights only the heads of
    /// files are read.
    ///
    /// # Errors
    /// [`PretrainedError`].
    pub fn open(path: &Path) -> Result<Self, PretrainedError> {
        let about = std::fs::metadata(path).map_err(PretrainedError::io(path))?;
        if about.is_dir() {
            return Self::open_folder(path);
        }
        let nothing = |reason: &str| PretrainedError::NoModel {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        if !about.is_file() {
            return Err(nothing("it is neither a file nor a folder"));
        }
        let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        match end.to_ascii_lowercase().as_str() {
            "gguf" => Self::open_gguf(path),
            "json" => {
                let folder = path.parent().unwrap_or(Path::new(""));
                let model = Self::of_config(path, folder, (Vec::new(), Vec::new()))?;
                Ok(Self { path: path.to_owned(), ..model })
            }
            "safetensors" => Err(nothing("weights alone do not say what they are the weights of")),
            _ => Err(nothing("it is a file of another kind")),
        }
    }

    fn open_folder(folder: &Path) -> Result<Self, PretrainedError> {
        let config = folder.join("config.json");
        if !config.is_file() {
            let reason = "the folder has no config.json".to_owned();
            return Err(PretrainedError::NoModel { path: folder.to_owned(), reason });
        }
        let (mut weights, lost) = safetensors_files::weights(folder)?;
        weights.extend(dense(folder)?);
        Self::of_config(&config, folder, (weights, lost))
    }

    fn of_config(
        path: &Path,
        folder: &Path,
        (weights, lost): (Vec<Weight>, Vec<String>),
    ) -> Result<Self, PretrainedError> {
        let map = read_config(path)?;
        let config = from_json(path, &map)?;
        let files = MappedFiles::new(folder);
        let has_weights = !(weights.is_empty() && lost.is_empty());
        let (copies, weights): (Vec<_>, Vec<_>) = weights
            .into_iter()
            .filter(|weight| !is_derived(&weight.name))
            .partition(|weight| is_tied_copy(&config, &weight.name));
        let mut problems = Vec::new();
        if has_weights {
            problems = self::problems(&config, &weights, &lost);
            problems.extend(untied(&config, &files, &weights, &copies)?);
        }
        Ok(Self {
            name: name_of(folder),
            weights: if has_weights { weights } else { expected(&config) },
            has_weights,
            tokenizer: tokenizer::of_folder(folder)?,
            licence: licence(folder),
            problems,
            path: folder.to_owned(),
            format: Format::HuggingFace,
            files,
            fingerprint: OnceLock::new(),
            pooling_type: None,
            config,
        })
    }

    fn open_gguf(path: &Path) -> Result<Self, PretrainedError> {
        let file = Gguf::open(path)?;
        let config = from_gguf(path, &file)?;
        let kind = file.tokenizer_kind();
        let tokenizer = kind.map(|kind| TokenizerInfo {
            file: name_of(path),
            kind: kind.to_owned(),
            tokens: file.tokens(),
        });
        Ok(Self {
            name: file.text("general.name").map_or_else(|| name_of(path), str::to_owned),
            licence: file.text("general.license").map(str::to_owned),
            problems: problems_of_gguf(&config, &file.weights),
            pooling_type: file.number("bert.pooling_type"),
            config,
            weights: file.weights,
            has_weights: true,
            tokenizer,
            path: path.to_owned(),
            format: Format::Gguf,
            files: MappedFiles::new(path.parent().unwrap_or(Path::new(""))),
            fingerprint: OnceLock::new(),
        })
    }

    /// Its name on Hugging Face's hub, where it lies in the cache of what was downloaded from there.
    pub fn name_on_hub(&self) -> Option<String> {
        name_of_snapshot(&std::path::absolute(&self.path).ok()?)
    }

    /// Numbers that can be trained, a shared one counted once.
    pub fn parameters(&self) -> u64 {
        self.weights.iter().fold(0, |all, weight| all.saturating_add(weight.numbers()))
    }

    /// What the weights take in their files, bytes.
    pub fn bytes(&self) -> u64 {
        self.weights.iter().fold(0, |all, weight| all.saturating_add(weight.bytes))
    }
}

/// Which of the heads that share the embedding have other numbers than it.
fn untied(
    config: &ModelConfig,
    files: &MappedFiles,
    weights: &[Weight],
    copies: &[Weight],
) -> Result<Option<Problem>, PretrainedError> {
    let bare = |name: &str| bare(config.architecture, name).into_owned();
    let Some(name) = embedding_name(config).map(|name| bare(&name)) else { return Ok(None) };
    let Some(embedding) = weights.iter().find(|weight| bare(&weight.name) == name) else {
        return Ok(None);
    };
    for copy in copies {
        let is_alike = copy.element == embedding.element && copy.shape == embedding.shape;
        if !is_alike || files.bytes(copy)?[..] != files.bytes(embedding)?[..] {
            let (name, embedding) = (copy.name.clone(), embedding.name.clone());
            return Ok(Some(Problem::Untied { name, embedding }));
        }
    }
    Ok(None)
}

fn name_of(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Some(name) = name_of_snapshot(&whole) {
        return name;
    }
    whole.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}

pub(crate) fn read_config(path: &Path) -> Result<Map<String, Value>, PretrainedError> {
    let bytes = std::fs::metadata(path).map_err(PretrainedError::io(path))?.len();
    if bytes > LONGEST_CONFIG {
        return Err(PretrainedError::bad_file(path, format!("{bytes} bytes are no config")));
    }
    let text = std::fs::read_to_string(path).map_err(PretrainedError::io(path))?;
    match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(PretrainedError::bad_file(path, "it is no object of JSON")),
        Err(error) => Err(PretrainedError::bad_file(
            path,
            format!("it is no JSON: {error}; download it again, or mend it"),
        )),
    }
}
