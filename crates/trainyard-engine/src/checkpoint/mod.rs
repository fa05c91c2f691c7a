//! Checkpoints: a folder with a file a layer, and a manifest that is written last.
//!
//! A layer's file holds its weights and buffers (`weight/…`) and what the optimizer keeps of them
//! (`first/…`, `momentum/…`, …) in safetensors form, so any partition can load what any other wrote, and any tool can read it.
//! Everything is written into `….tmp` beside the folder, synced, and renamed at the end: a
//! checkpoint is there whole or not at all.

mod grow;
mod layer_file;
mod manifest;
mod weights;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::{CheckpointFault, EngineError};

pub(crate) use layer_file::{read_layer, save_layer};
use manifest::MANIFEST;
pub use manifest::{LayerRecord, Manifest, SaveAs, check_whole, read_manifest};
pub use weights::read_weights;

/// How a checkpoint is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loading {
    /// Weights and optimizer state.
    Whole,
    /// The same, into a model whose tensors may be larger.
    IntoLarger,
    /// Weights and buffers alone, whatever the optimizer.
    Weights,
}

fn damaged(path: &Path, reason: impl Into<String>) -> EngineError {
    bad(path, CheckpointFault::Damaged, reason)
}

fn of_other_model(path: &Path, reason: impl Into<String>) -> EngineError {
    bad(path, CheckpointFault::OtherModel, reason)
}

fn bad(path: &Path, fault: CheckpointFault, reason: impl Into<String>) -> EngineError {
    EngineError::Checkpoint { path: path.to_owned(), fault, reason: reason.into() }
}

/// End of the name of a checkpoint that is just being replaced by one of the same step.
const OLDER: &str = ".old";

/// Ends what a crash interrupted in a folder of checkpoints: a checkpoint that was to be replaced, and
/// has been, goes; one whose successor has not come gets its name back. Gives the names that were
/// dealt with.
///
/// # Errors
/// [`EngineError::Io`].
pub fn recover(checkpoints: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let mut dealt_with = Vec::new();
    for older in older_ones(checkpoints)? {
        let place = older.with_extension("");
        let done =
            if place.exists() { fs::remove_dir_all(&older) } else { fs::rename(&older, &place) };
        done.map_err(|e| EngineError::io(&older, e))?;
        dealt_with.push(older);
    }
    Ok(dealt_with)
}

/// The checkpoints in a folder that were to be replaced when a crash came.
///
/// # Errors
/// [`EngineError::Io`].
pub fn older_ones(checkpoints: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let failed = |e| EngineError::io(checkpoints, e);
    let mut found = Vec::new();
    for entry in fs::read_dir(checkpoints).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|end| end == &OLDER[1..]) && path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
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
    manifest.write(unfinished)?;
    sync_folder(unfinished)?;
    // An older save of the same step goes only when this one has its place.
    let older = beside(folder, OLDER);
    let replaces = folder.exists();
    if replaces {
        // Who reads it holds it by its manifest.
        if let Ok(manifest) = fs::File::open(folder.join(MANIFEST)) {
            let _unlocked_where_there_are_no_locks = manifest.lock().is_ok();
        }
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
