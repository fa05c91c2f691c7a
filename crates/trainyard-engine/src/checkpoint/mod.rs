//! Checkpoints: a folder with a file a layer, and a manifest that is written last.
//!
//! A layer's file holds its weights and buffers (`weight/…`) and what the optimizer keeps of them
//! (`first/…`, `momentum/…`, …) in safetensors form, so any partition can load what any other wrote, and any tool can read it.
//! Everything is written into `….tmp` beside the folder, synced, and renamed at the end: a
//! checkpoint is there whole or not at all.

mod layer_file;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::EngineError;
use crate::optimizer::check_same_optimizer;

pub(crate) use layer_file::{read_layer, save_layer};

/// What a checkpoint holds: `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `trainyard-checkpoint`.
    pub format: String,
    /// 1.
    pub version: u64,
    /// The model's name.
    pub model: String,
    /// The optimizer whose state it holds.
    #[serde(default = "adamw")]
    pub optimizer: String,
    /// Steps done.
    pub step: u64,
    /// A row a layer.
    pub layers: Vec<LayerRecord>,
    /// Whatever the program wants back on resume.
    pub state: serde_json::Value,
}

/// One layer's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// Index in the model.
    pub index: usize,
    /// The layer's name.
    pub name: String,
    /// File name in the checkpoint's folder.
    pub file: String,
    /// Size of the file.
    pub bytes: u64,
    /// BLAKE3 hash of the file, in hex.
    pub blake3: String,
}

const MANIFEST: &str = "manifest.json";

/// The optimizer of checkpoints that do not name one: there was no other.
fn adamw() -> String {
    "adamw".to_owned()
}

impl Manifest {
    const FORMAT: &'static str = "trainyard-checkpoint";
    const VERSION: u64 = 1;

    pub(crate) fn new(
        (model, optimizer): (&str, &str),
        step: u64,
        layers: Vec<LayerRecord>,
        state: serde_json::Value,
    ) -> Self {
        let (format, version) = (Self::FORMAT.to_owned(), Self::VERSION);
        let (model, optimizer) = (model.to_owned(), optimizer.to_owned());
        Self { format, version, model, optimizer, step, layers, state }
    }

    /// Checks that the checkpoint holds the state of an optimizer.
    pub(crate) fn check_optimizer(&self, folder: &Path, name: &str) -> Result<(), EngineError> {
        check_same_optimizer(&self.optimizer, name).map_err(|reason| bad(folder, reason))
    }

    /// Checks that the checkpoint holds exactly these layers.
    pub(crate) fn check_layers(&self, folder: &Path, names: &[String]) -> Result<(), EngineError> {
        let held: Vec<&str> = self.layers.iter().map(|layer| layer.name.as_str()).collect();
        if held == names {
            return Ok(());
        }
        Err(bad(
            folder,
            format!(
                "it is of another model: it holds {} layers ({}), this model has {} ({}). Use the run file it was made with",
                held.len(),
                brief(&held),
                names.len(),
                brief(names),
            ),
        ))
    }
}

fn brief<S: AsRef<str>>(names: &[S]) -> String {
    let shown: Vec<&str> = names.iter().take(6).map(AsRef::as_ref).collect();
    shown.join(", ") + if names.len() > shown.len() { ", …" } else { "" }
}

fn bad(path: &Path, reason: impl Into<String>) -> EngineError {
    EngineError::Checkpoint { path: path.to_owned(), reason: reason.into() }
}

/// Makes the folder in which a checkpoint is put together.
pub(crate) fn begin(folder: &Path) -> Result<PathBuf, EngineError> {
    let unfinished = beside(folder, ".tmp");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(|e| EngineError::io(&unfinished, e))?;
    }
    fs::create_dir_all(&unfinished).map_err(|e| EngineError::io(&unfinished, e))?;
    Ok(unfinished)
}

/// Writes the manifest and gives the checkpoint its name.
pub(crate) fn finish(
    unfinished: &Path,
    folder: &Path,
    manifest: &Manifest,
) -> Result<(), EngineError> {
    let text = serde_json::to_vec_pretty(manifest).map_err(EngineError::driver)?;
    write_synced(&unfinished.join(MANIFEST), &text)?;
    sync_folder(unfinished)?;
    // An older save of the same step goes only when this one has its place.
    let older = beside(folder, ".old");
    let replaces = folder.exists();
    if replaces {
        if older.exists() {
            fs::remove_dir_all(&older).map_err(|e| EngineError::io(&older, e))?;
        }
        fs::rename(folder, &older).map_err(|e| EngineError::io(folder, e))?;
    }
    if let Err(error) = fs::rename(unfinished, folder) {
        if replaces {
            fs::rename(&older, folder).map_err(|e| EngineError::io(&older, e))?;
        }
        return Err(EngineError::io(folder, error));
    }
    folder.parent().map_or(Ok(()), sync_folder)?;
    if replaces {
        fs::remove_dir_all(&older).map_err(|e| EngineError::io(&older, e))?;
    }
    Ok(())
}

/// Removes what an unsuccessful save has written, so that a full disk is not fuller than before.
pub(crate) fn give_up(unfinished: &Path) {
    if let Err(error) = fs::remove_dir_all(unfinished)
        && unfinished.exists()
    {
        tracing::warn!("{} stays: {error}", unfinished.display());
    }
}

/// A neighbour in the same folder whose name has something more at its end.
fn beside(folder: &Path, more: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(more);
    folder.with_file_name(name)
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    let write = || {
        let mut file = fs::File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| EngineError::io(path, e))
}

/// Makes renames in a folder survive a power cut. Windows has no such call and needs none.
fn sync_folder(folder: &Path) -> Result<(), EngineError> {
    if cfg!(unix) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let sync = fs::File::open(folder).and_then(|file| file.sync_all());
        sync.map_err(|e| EngineError::io(folder, e))?;
    }
    Ok(())
}

/// Reads and checks a manifest.
///
/// # Errors
/// [`EngineError::Checkpoint`] when the folder is no whole checkpoint of this version.
pub fn read_manifest(folder: &Path) -> Result<Manifest, EngineError> {
    let path = folder.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|error| {
        bad(folder, format!("it is not a whole checkpoint: cannot read {MANIFEST} ({error})"))
    })?;
    let manifest: Manifest = serde_json::from_str(&text)
        .map_err(|error| bad(&path, format!("it is damaged: {error}")))?;
    if manifest.format != Manifest::FORMAT || manifest.version != Manifest::VERSION {
        let found = format!("{} version {}", manifest.format, manifest.version);
        let expected = format!("{} version {}", Manifest::FORMAT, Manifest::VERSION);
        return Err(bad(&path, format!("it is {found}; this program reads {expected}")));
    }
    Ok(manifest)
}
