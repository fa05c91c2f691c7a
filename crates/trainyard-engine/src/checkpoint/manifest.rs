//! `manifest.json`: what a checkpoint holds, and the hash that protects it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{bad, damaged, of_other_model, write_synced};
use crate::{CheckpointFault, EngineError};

/// What a checkpoint holds: `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `trainyard-checkpoint`.
    pub format: String,
    /// 2; checkpoints of version 1 have no hash of their manifest.
    pub version: u64,
    /// The model's name.
    pub model: String,
    /// The optimizer whose state it holds.
    #[serde(default = "adamw")]
    pub optimizer: String,
    /// Steps done.
    pub step: u64,
    /// The run it is of, by whatever the program tells its runs apart; none in version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Where the weights come from that the layers' files leave out ([`Model::frozen_from`](crate::Model::frozen_from));
    /// none where they leave out none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_from: Option<String>,
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
    /// Paths of frozen weights that the file does not hold: whoever makes the model makes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

pub(super) const MANIFEST: &str = "manifest.json";
/// Hash of `manifest.json`, as `b3sum` writes and checks it.
const MANIFEST_HASH: &str = "manifest.blake3";

/// The optimizer of checkpoints that do not name one: there was no other.
fn adamw() -> String {
    "adamw".to_owned()
}

impl Manifest {
    const FORMAT: &'static str = "trainyard-checkpoint";
    const VERSION: u64 = 2;
    /// The first version whose manifest has a hash.
    const HASHED: u64 = 2;

    pub(crate) fn new(
        (model, optimizer): (&str, &str),
        SaveAs { step, run, state }: SaveAs,
        frozen_from: Option<String>,
        layers: Vec<LayerRecord>,
    ) -> Self {
        let leaves_out = layers.iter().any(|layer| !layer.left_out.is_empty());
        let frozen_from = frozen_from.filter(|_| leaves_out);
        let (format, version) = (Self::FORMAT.to_owned(), Self::VERSION);
        let (model, optimizer) = (model.to_owned(), optimizer.to_owned());
        Self { format, version, model, optimizer, step, run, frozen_from, layers, state }
    }

    /// Writes it into a checkpoint's folder, with its hash.
    pub(super) fn write(&self, folder: &Path) -> Result<(), EngineError> {
        let text = serde_json::to_vec_pretty(self).map_err(EngineError::driver)?;
        write_synced(&folder.join(MANIFEST), &text)?;
        write_synced(&folder.join(MANIFEST_HASH), hash_line(&text).as_bytes())
    }

    /// Checks that the checkpoint holds the state of an optimizer.
    pub(crate) fn check_optimizer(&self, folder: &Path, name: &str) -> Result<(), EngineError> {
        if self.optimizer == name {
            return Ok(());
        }
        let saved = self.optimizer.clone();
        let reason =
            format!("it holds the state of the optimizer '{saved}', this run trains with '{name}'");
        Err(bad(folder, CheckpointFault::OtherOptimizer { saved }, reason))
    }

    /// Checks that what the layers' files leave out is what the model now takes from elsewhere.
    ///
    /// # Errors
    /// [`EngineError::Checkpoint`] where that has changed since.
    pub fn check_frozen(
        &self,
        folder: &Path,
        frozen_from: Option<&str>,
    ) -> Result<(), EngineError> {
        match (self.frozen_from.as_deref(), frozen_from) {
            (Some(then), Some(now)) if then != now => Err(of_other_model(
                folder,
                format!(
                    "its frozen weights are not in it: they came from {then}, and now they would come from \
                     {now}"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Checks that the checkpoint holds exactly these layers, in this order.
    pub(crate) fn check_layers(&self, folder: &Path, names: &[String]) -> Result<(), EngineError> {
        let held: Vec<&str> = self.layers.iter().map(|layer| layer.name.as_str()).collect();
        if held != names {
            return Err(of_other_model(
                folder,
                format!(
                    "it is of another model: it holds {} layers ({}), this model has {} ({})",
                    held.len(),
                    brief(&held),
                    names.len(),
                    brief(names),
                ),
            ));
        }
        match self.layers.iter().enumerate().find(|(place, layer)| layer.index != *place) {
            None => Ok(()),
            Some((place, layer)) => {
                let (name, index) = (&layer.name, layer.index);
                let reason = format!(
                    "layer '{name}' stands at place {place} and says that it is number {index}: the \
                     manifest was changed"
                );
                Err(damaged(folder, reason))
            }
        }
    }

    /// Checks that every layer's file is there, of the size and hash that the manifest says.
    fn check_files(&self, folder: &Path) -> Result<(), EngineError> {
        self.layers.iter().try_for_each(|record| record.read(folder).map(drop))
    }
}

impl LayerRecord {
    /// The layer's file, if it is as it was written.
    pub(super) fn read(&self, folder: &Path) -> Result<(PathBuf, Vec<u8>), EngineError> {
        // A name, not a path: a manifest must not make us read elsewhere.
        let path = folder.join(Path::new(&self.file).file_name().unwrap_or_default());
        let found = fs::metadata(&path).map(|about| if about.is_file() { about.len() } else { 0 });
        let unreadable = |error| damaged(&path, format!("it cannot be read ({error})"));
        let other = |found: u64| {
            let expected = self.bytes;
            let reason = format!("it is damaged or cut short ({found} bytes, {expected} expected)");
            damaged(&path, reason)
        };
        // Before it is read: what lies there may be endless.
        let found = found.map_err(unreadable)?;
        if found != self.bytes {
            return Err(other(found));
        }
        let bytes = fs::read(&path).map_err(unreadable)?;
        if blake3::hash(&bytes).to_hex().as_str() != self.blake3 {
            return Err(other(bytes.len() as u64));
        }
        Ok((path, bytes))
    }
}

/// What a checkpoint says beside the layers.
#[derive(Clone, Debug, Default)]
pub struct SaveAs {
    /// Steps done.
    pub step: u64,
    /// The run it is of.
    pub run: Option<String>,
    /// Whatever the program wants back on resume.
    pub state: serde_json::Value,
}

fn brief<S: AsRef<str>>(names: &[S]) -> String {
    let shown: Vec<&str> = names.iter().take(6).map(AsRef::as_ref).collect();
    shown.join(", ") + if names.len() > shown.len() { ", …" } else { "" }
}

fn hash_line(text: &[u8]) -> String {
    format!("{}  {MANIFEST}\n", blake3::hash(text).to_hex())
}

/// Reads and checks a manifest.
///
/// # Errors
/// [`EngineError::Checkpoint`] when the folder is no whole checkpoint of a version that this program
/// reads, or the manifest is not as it was written.
pub fn read_manifest(folder: &Path) -> Result<Manifest, EngineError> {
    let path = folder.join(MANIFEST);
    let not_whole = |name: &str, error: &std::io::Error| {
        damaged(folder, format!("it is not a whole checkpoint: cannot read {name} ({error})"))
    };
    let text = read_small(&path).map_err(|error| not_whole(MANIFEST, &error))?;
    let changed = || damaged(&path, format!("it is damaged: it is not as {MANIFEST_HASH} says"));
    match read_small(&folder.join(MANIFEST_HASH)) {
        Ok(hash) if hash != hash_line(&text).as_bytes() => return Err(changed()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // As version 1 has it.
            let version = serde_json::from_slice::<Manifest>(&text).map(|it| it.version);
            if version.is_ok_and(|version| version >= Manifest::HASHED) {
                return Err(not_whole(MANIFEST_HASH, &error));
            }
        }
        Err(error) => return Err(not_whole(MANIFEST_HASH, &error)),
    }
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|error| damaged(&path, format!("it is damaged: {error}")))?;
    let known = (1..=Manifest::VERSION).contains(&manifest.version);
    if manifest.format != Manifest::FORMAT || !known {
        let found = format!("{} version {}", manifest.format, manifest.version);
        let expected = format!("{} up to version {}", Manifest::FORMAT, Manifest::VERSION);
        let reason = format!("it is {found}; this program reads {expected}");
        return Err(bad(&path, CheckpointFault::OtherVersion, reason));
    }
    Ok(manifest)
}

/// Reads a manifest and checks every layer's file against it.
///
/// # Errors
/// As [`read_manifest`], and for a file that is not as it was written.
pub fn check_whole(folder: &Path) -> Result<Manifest, EngineError> {
    let manifest = read_manifest(folder)?;
    manifest.check_files(folder)?;
    Ok(manifest)
}

/// The longest manifest: a vocabulary of 65 536 tokens and 10 000 layers take a tenth of it.
const LONGEST: u64 = 64 << 20;

/// Reads a file that is not expected to be long, and nothing that is no file.
fn read_small(path: &Path) -> std::io::Result<Vec<u8>> {
    let about = fs::metadata(path)?;
    if !about.is_file() || about.len() > LONGEST {
        return Err(std::io::Error::other("it is no file of a checkpoint"));
    }
    fs::read(path)
}
