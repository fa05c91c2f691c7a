//! The run file (`run.toml`) as a whole: what to train, on what, and how.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use toml::Table;
use trainyard_plan::FileKind;

use crate::document::Document;
use crate::error::ConfigError;
use crate::file::read_file;
use crate::key::{KeyGroup, Keys};
use crate::kinds::{self, KINDS};
use crate::known::Known;
use crate::section::SectionReader;
use crate::sections::{
    DataKeys, DeviceSection, LoraSection, OptimizerGroup, PipelineSection, RunSection, TrainSection,
};

/// The longest run file, bytes: a vocabulary of 65 536 characters and 10 000 devices take a tenth of it.
const LONGEST: u64 = 8 << 20;

/// So much of a longer file shows what it is, bytes.
const BEGINNING: u64 = 64 << 10;

/// The most devices of a run: links are measured and planned between each two.
const MOST_DEVICES: usize = 256;

/// `[model]` or `[optimizer]`: which one, and its own options.
#[derive(Clone, Debug, PartialEq)]
pub struct KindSection {
    /// Its name in its registry: `gpt`, `adamw`, ….
    pub kind: String,
    /// Its options. Where the caller knows the kind: checked, all defaults filled in, paths
    /// absolute; to be read with [`Keys::from_table`].
    pub options: Table,
}

/// `[data]`: what the model learns from.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSection {
    /// Name of the data source; `None` where the file names no data.
    pub kind: Option<String>,
    /// Share of the data kept for validation, from 0 to 0.9.
    pub validation_fraction: f64,
    /// The source's options, as those of a [`KindSection`].
    pub options: Table,
}

/// A whole run file, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct RunConfig {
    /// `[model]`
    pub model: KindSection,
    /// `[data]`
    pub data: DataSection,
    /// `[optimizer]`
    pub optimizer: KindSection,
    /// `[[optimizer.group]]`, in the order of the file.
    pub optimizer_groups: Vec<OptimizerGroup>,
    /// `[train]`
    pub train: TrainSection,
    /// `[lora]`; read where `train.method` asks for adapters.
    pub lora: LoraSection,
    /// `[pipeline]`
    pub pipeline: PipelineSection,
    /// `[run]`
    pub run: RunSection,
    /// `[[device]]`, in the order of the file; empty where the file names none.
    pub devices: Vec<DeviceSection>,
}

impl DataSection {
    /// Reads `[data]` of a document. `groups` are the data sources there are.
    ///
    /// # Errors
    /// As [`RunConfig::load`].
    pub fn read(document: &Document, groups: &[KeyGroup]) -> Result<Self, ConfigError> {
        let [_, of_data, _] = &KINDS;
        let section = document.section(of_data.section)?;
        let kinds::Chosen { kind, group } = kinds::choose(of_data, &section, groups)?;
        let validation_fraction = DataKeys::read(&section)?.validation_fraction;
        let options = kinds::options(of_data, &section, group.as_ref())?;
        Ok(Self { kind, validation_fraction, options })
    }
}

impl RunConfig {
    /// Reads a run file, puts the `--set key=value` arguments over it, fills in the defaults and
    /// checks the result. `groups` are the kinds of models, data sources and optimizers there are;
    /// a section of which there are none may hold anything.
    ///
    /// With the config comes the document, which gives what is found out later a place
    /// ([`Document::locate`]).
    ///
    /// # Errors
    /// [`ConfigError`], with line and column for anything wrong in the file.
    pub fn load(
        path: &Path,
        sets: &[String],
        groups: &[KeyGroup],
    ) -> Result<(Self, Document), ConfigError> {
        let is_other = |bytes: &[u8]| {
            let reason = FileKind::instead_of(bytes, "a run file")?;
            Some(ConfigError::OtherFile { path: path.to_owned(), reason })
        };
        let bytes = read_file(path, LONGEST).map_err(|source| {
            let beginning = beginning(path).unwrap_or_default();
            // Of a longer file it helps only to know what it is and what to do with it.
            let has_remedy =
                matches!(FileKind::of(&beginning), FileKind::Other(it) if !it.remedy.is_empty());
            let other = has_remedy.then(|| is_other(&beginning)).flatten();
            other.unwrap_or(ConfigError::Read { path: path.to_owned(), source })
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            if let Some(other) = is_other(error.as_bytes()) {
                return other;
            }
            let valid = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..valid).unwrap_or_default();
            let line = before.split(|byte| *byte == b'\n').count() as u64;
            ConfigError::NotUtf8 { name: path.display().to_string(), offset: valid as u64, line }
        })?;
        let read = Self::from_text(&text, path, sets, groups);
        read.map_err(|error| is_other(text.as_bytes()).unwrap_or(error))
    }

    /// The same for a text that is already in memory. `path` gives the name for messages and for
    /// `runs/<name>`, and the folder for relative paths; nothing is read from it.
    ///
    /// # Errors
    /// As [`RunConfig::load`].
    pub fn from_text(
        text: &str,
        path: &Path,
        sets: &[String],
        groups: &[KeyGroup],
    ) -> Result<(Self, Document), ConfigError> {
        let mut document = Document::parse(text, path)?;
        let naming = kinds::naming_keys("data", groups);
        for set in sets {
            document.set(set, &naming)?;
        }
        Known::of(&document, groups).check(&document)?;
        let config = Self::read(&document, path, groups)?;
        Ok((config, document))
    }

    fn read(document: &Document, path: &Path, groups: &[KeyGroup]) -> Result<Self, ConfigError> {
        let [of_model, _, of_optimizer] = &KINDS;
        let section = |of: &kinds::KindOf| document.section(of.section);
        let (model, optimizer) = (section(of_model)?, section(of_optimizer)?);
        let model_kind = kinds::choose(of_model, &model, groups)?;
        let optimizer_kind = kinds::choose(of_optimizer, &optimizer, groups)?;
        kinds::refuse_two_places(&optimizer)?;
        let run = RunSection::read(&document.section("run")?)?;
        Ok(Self {
            model: KindSection {
                kind: model_kind.kind.ok_or_else(|| kinds::no_model(document, groups))?,
                options: kinds::options(of_model, &model, model_kind.group.as_ref())?,
            },
            data: DataSection::read(document, groups)?,
            optimizer: KindSection {
                kind: optimizer_kind.kind.unwrap_or_default(),
                options: kinds::options(of_optimizer, &optimizer, optimizer_kind.group.as_ref())?,
            },
            optimizer_groups: optimizer_groups(document)?,
            train: TrainSection::read(&document.section("train")?)?,
            lora: LoraSection::read(&document.section("lora")?)?,
            pipeline: PipelineSection::read(&document.section("pipeline")?)?,
            run: RunSection { dir: run_dir(run.dir, path)?, ..run },
            devices: devices(document)?,
        })
    }

    /// Rows of one micro-batch; at least 1.
    #[must_use]
    pub fn rows_of_micro_batch(&self) -> usize {
        (self.train.batch / self.train.micro_batches.max(1)).max(1)
    }
}

/// The beginning of a file, which shows what it is however long it is.
fn beginning(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    crate::file::check_file(path)?;
    std::fs::File::open(path)?.take(BEGINNING).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The run directory, or where a run goes that names none: `runs/<file stem>`.
fn run_dir(named: PathBuf, run_file: &Path) -> Result<PathBuf, ConfigError> {
    if named != Path::new("") {
        return Ok(named);
    }
    let dir = Path::new("runs").join(run_file.file_stem().unwrap_or_else(|| "run".as_ref()));
    std::path::absolute(&dir).map_err(|source| {
        ConfigError::unplaced(format!("the working directory cannot be found: {source}"))
    })
}

fn optimizer_groups(document: &Document) -> Result<Vec<OptimizerGroup>, ConfigError> {
    let sections = SectionReader::open_list(document, &["optimizer", "group"], "group")?;
    sections.iter().map(OptimizerGroup::read).collect()
}

fn devices(document: &Document) -> Result<Vec<DeviceSection>, ConfigError> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut devices = Vec::new();
    let sections = SectionReader::open_list(document, &["device"], "device")?;
    if sections.len() > MOST_DEVICES {
        return Err(ConfigError::unplaced(format!(
            "there are {} [[device]] sections, but at most {MOST_DEVICES} devices can be planned for",
            sections.len()
        )));
    }
    for section in sections {
        let device = DeviceSection::read(&section)?;
        if let Some(first) = seen.insert(device.id.clone(), devices.len()) {
            let must = format!("a name of its own: device.{first}.id is the same");
            let (key, value) = ("id".to_owned(), format!("'{}'", device.id));
            return Err(section.refuse(crate::BadKey { key, value, must }));
        }
        devices.push(device);
    }
    Ok(devices)
}
