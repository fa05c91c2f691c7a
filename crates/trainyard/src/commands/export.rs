//! `trainyard export`: a fine-tuned model as files that other programs open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use trainyard_engine::Model;
use trainyard_engine::checkpoint::{LayerRecord, read_manifest, read_weights};
use trainyard_models::hf::{HfModel, MergedWeights};
use trainyard_models::{Request, Tuning};
use trainyard_plan::memory::human_bytes;
use trainyard_pretrained::{Element, NewModel, PretrainedError, Purpose};

use super::run_command::RunCommand;
use crate::app::App;
use crate::cli::{Output, Sets, say};
use crate::error::RunError;
use crate::export::peft::Adapter;
use crate::export::{Base, card};
use crate::generation::{PRETRAINED, RunTokenizer, has_chats};
use crate::run_dir::{CheckpointChoice, Found, RunDir, name_beside, sync_folder};
use crate::train::{CheckpointState, read_state};

/// Write a fine-tuned model to files that other programs open
#[derive(Debug, Args)]
pub struct Export {
    /// The run directory of a model with kind = "hf"
    #[arg(value_name = "RUN_DIR")]
    directory: PathBuf,
    /// A folder that does not exist yet, or a .gguf file
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// The adapter alone, as PEFT has it, instead of the whole model with the adapter in its weights
    #[arg(long)]
    adapter: bool,
    /// How numbers are stored; f32 in a folder and f16 in a .gguf file where it is not given
    #[arg(long, value_name = "TYPE")]
    dtype: Option<Stored>,
    /// Which checkpoint of the run
    #[arg(long, value_name = "latest|best|STEP", default_value = "latest")]
    checkpoint: CheckpointChoice,
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stored {
    F32,
    F16,
    Bf16,
    /// Blocks of 32 bytes and a scale; in a .gguf file alone
    #[value(name = "q8_0")]
    Q8,
}

impl Stored {
    fn element(self) -> Element {
        match self {
            Self::F32 => Element::F32,
            Self::F16 => Element::F16,
            Self::Bf16 => Element::BF16,
            Self::Q8 => Element::Q8_0,
        }
    }
}

/// Ends of names that a person takes for those of files, and that folders do not have.
const FILES: [&str; 6] = ["safetensors", "bin", "pt", "pth", "json", "onnx"];

impl RunCommand for Export {
    /// Reads a checkpoint and the files of the model that was fine-tuned, layer by layer, and writes what they are
    /// together. No device is opened.
    ///
    /// # Errors
    /// When the run is not of a pretrained model, something of it is missing or damaged, there is something at the
    /// output's place already, or it cannot be written.
    fn run(&self, app: &App) -> Result<ExitCode, RunError> {
        let is_gguf = self.output.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"));
        self.check(is_gguf)?;
        let directory = RunDir::open(&self.directory)?;
        let found = directory.find(self.checkpoint)?;
        found.note.iter().for_each(say);
        let (config, _) = app.config(&directory.run_file(), &Sets::default())?;
        if config.model.kind != PRETRAINED {
            return Err(RunError::Mismatch {
                what: format!("{} is not the run of a pretrained model", self.directory.display()),
                remedy: "export needs a run with kind = \"hf\" in [model]",
            });
        }
        let tuning = Tuning::of(config.train.method, &config.lora);
        let (model, data) = (&config.model, &config.data);
        let request = Request { model, data, vocabulary: None, tuning };
        let CheckpointState { classes, chat_template, .. } = read_state(&directory, &found)?;
        let model = HfModel::of_run(&request, classes.len())?;
        let manifest = directory.explain(found.step, read_manifest(&found.path))?;
        let frozen_from = model.frozen_from();
        directory
            .explain(found.step, manifest.check_frozen(&found.path, frozen_from.as_deref()))?;
        let mut checkpoint = Checkpoint::new(&found, &manifest.layers);
        let part = Part::new(&self.output)?;
        let weights = MergedWeights::new(&model, &classes);
        let (pretrained, new) = (model.pretrained(), weights.written());
        // What chats are written by and end with is that of the training.
        let of_chats = if has_chats(&config) {
            RunTokenizer::of_run(&config, chat_template.as_deref())?
        } else {
            None
        };
        let (chat_template, ends) =
            of_chats.map(|it| (it.own_template, it.own_ends)).unwrap_or_default();
        let new = &NewModel { chat_template, ends: ends.unwrap_or_default(), ..new.clone() };
        if self.adapter {
            let mut trained = |layer: usize, path: &str| checkpoint.weight(layer, path);
            let products = weights.adapters(&mut trained)?;
            let lora = model.lora().filter(|_| !products.is_empty()).ok_or(RunError::Mismatch {
                what: format!(
                    "{} has no adapter: all weights were trained",
                    self.directory.display()
                ),
                remedy: "leave --adapter out",
            })?;
            let mut values = |name: &str| weights.values(name, &mut trained);
            let (base, architecture) =
                (Base::of(pretrained).path(), pretrained.config.architecture);
            let all = pretrained.layout().into_iter().map(|weight| weight.name).collect();
            let purpose = new.purpose.as_ref();
            // Those of a head that is written apart go there.
            let is_beside = !purpose.is_some_and(Purpose::is_of_modules);
            let beside = weights.beside_adapters().iter().filter(|_| is_beside);
            let beside = beside.map(|it| Ok((it.clone(), values(&it.name)?)));
            let beside = beside.collect::<Result<_, RunError>>()?;
            part.folder()?;
            let adapter =
                Adapter { base, architecture, weights: all, purpose, lora, products, beside };
            adapter.write(&part.path)?;
            pretrained.write_modules(&part.path, new, &mut values)?;
        } else {
            let default = if is_gguf { Stored::F16 } else { Stored::F32 };
            let element = self.dtype.unwrap_or(default).element();
            let bar = match Output::detect(false) {
                Output::Terminal => ProgressBar::new(new.weights.len() as u64),
                _ => ProgressBar::hidden(),
            };
            let mut values = |name: &str| {
                bar.inc(1);
                let mut trained = |layer: usize, path: &str| checkpoint.weight(layer, path);
                weights.values(name, &mut trained)
            };
            if is_gguf {
                let written = pretrained.write_gguf(&part.path, element, new, &mut values);
                written.map_err(|error| part.named(error))?;
            } else {
                part.folder()?;
                let written = pretrained.write_folder(&part.path, element, new, &mut values);
                written.map_err(|error| part.named(error))?;
            }
            bar.finish_and_clear();
        }
        if !is_gguf {
            let text = card::card(&config, (pretrained, new), found.step, self.adapter);
            let path = part.path.join("README.md");
            std::fs::write(&path, text).map_err(RunError::io("write", &path))?;
        }
        if let Some(told) = pretrained.gguf_in_transformers().filter(|_| is_gguf) {
            let place = self.output.display();
            say(format_args!("{place} is whole for llama.cpp, but {told}; it opens a folder"));
        }
        let bytes = part.finish()?;
        say(format_args!(
            "{} has the weights after step {}, {}",
            self.output.display(),
            found.step,
            human_bytes(bytes)
        ));
        Ok(ExitCode::SUCCESS)
    }
}

impl Export {
    /// Refuses what could not be written before anything is read.
    fn check(&self, is_gguf: bool) -> Result<(), RunError> {
        let refused = |key: &str, value: String, must: &str| RunError::BadValue {
            key: key.to_owned(),
            value,
            must: must.to_owned(),
        };
        if self.output.exists() {
            let place = self.output.display().to_string();
            return Err(refused("--output", place, "a path where there is nothing yet"));
        }
        let end = self.output.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if FILES.contains(&end.as_str()) {
            let place = self.output.display().to_string();
            return Err(refused("--output", place, "the name of a folder, or of a .gguf file"));
        }
        if self.adapter && is_gguf {
            let place = self.output.display().to_string();
            return Err(refused("--output", place, "a folder for an adapter"));
        }
        if self.dtype == Some(Stored::Q8) && !is_gguf {
            return Err(refused("--dtype", "q8_0".to_owned(), "f32, f16 or bf16 in a folder"));
        }
        Ok(())
    }
}

/// The layers of a checkpoint, one in memory at a time.
struct Checkpoint<'a> {
    found: &'a Found,
    layers: &'a [LayerRecord],
    open: Option<(usize, BTreeMap<String, Vec<f32>>)>,
}

impl<'a> Checkpoint<'a> {
    fn new(found: &'a Found, layers: &'a [LayerRecord]) -> Self {
        Self { found, layers, open: None }
    }

    /// The numbers of a weight; None where the checkpoint has none of it.
    fn weight(&mut self, layer: usize, path: &str) -> Result<Option<Vec<f32>>, RunError> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != layer) {
            let record = self.layers.iter().find(|record| record.index == layer);
            let weights =
                record.map(|record| read_weights(&self.found.path, record)).transpose()?;
            self.open = Some((layer, weights.unwrap_or_default()));
        }
        Ok(self.open.as_ref().and_then(|(_, weights)| weights.get(path).cloned()))
    }
}

/// What is written beside its place until it is whole.
struct Part<'a> {
    place: &'a Path,
    path: PathBuf,
}

impl<'a> Part<'a> {
    fn new(place: &'a Path) -> Result<Self, RunError> {
        let path = name_beside(place).map_err(RunError::io("write", place))?;
        Ok(Self { place, path })
    }

    fn folder(&self) -> Result<(), RunError> {
        std::fs::create_dir_all(&self.path).map_err(RunError::io("make", &self.path))
    }

    /// What is wrong with a file of it, by the name that was to be its own.
    fn named(&self, error: RunError) -> RunError {
        match error {
            RunError::Pretrained(PretrainedError::BadFile { path, reason }) => {
                let within = path.strip_prefix(&self.path).map(|within| match within {
                    itself if itself.as_os_str().is_empty() => self.place.to_owned(),
                    within => self.place.join(within),
                });
                let path = within.unwrap_or(path);
                PretrainedError::BadFile { path, reason }.into()
            }
            other => other,
        }
    }

    /// Gives it its name; its size, bytes.
    fn finish(self) -> Result<u64, RunError> {
        let moved = std::fs::rename(&self.path, self.place);
        let moved = moved.and_then(|()| sync_folder(self.place));
        moved.map_err(RunError::io("write", self.place))?;
        size(self.place).map_err(RunError::io("read", self.place))
    }
}

/// Bytes of a file, or of all files in a folder.
fn size(path: &Path) -> std::io::Result<u64> {
    if !path.is_dir() {
        return Ok(std::fs::metadata(path)?.len());
    }
    std::fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}

impl Drop for Part<'_> {
    /// What was not finished goes.
    fn drop(&mut self) {
        let removed = if self.path.is_dir() {
            std::fs::remove_dir_all(&self.path)
        } else {
            std::fs::remove_file(&self.path)
        };
        // After it has got its name there is nothing.
        drop(removed);
    }
}
