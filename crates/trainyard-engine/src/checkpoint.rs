//! Checkpoints: a folder with a file a layer, and a manifest that is written last.
//!
//! A layer's file holds its weights (`weight/…`) and optimizer moments (`first/…`, `second/…`) in
//! safetensors form, so any partition can load what any other wrote, and any tool can read it.
//! Everything is written into `….tmp` beside the folder, synced, and renamed at the end: a
//! checkpoint is there whole or not at all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::{Device as BurnDevice, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::optimizer::Moments;
use crate::stage::StageLayer;
use crate::{Device, EngineError, Weight};

/// What a checkpoint holds: `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `trainyard-checkpoint`.
    pub format: String,
    /// 1.
    pub version: u64,
    /// The model's name.
    pub model: String,
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

impl Manifest {
    const FORMAT: &'static str = "trainyard-checkpoint";
    const VERSION: u64 = 1;

    pub(crate) fn new(
        model: &str,
        step: u64,
        layers: Vec<LayerRecord>,
        state: serde_json::Value,
    ) -> Self {
        let (format, version) = (Self::FORMAT.to_owned(), Self::VERSION);
        Self { format, version, model: model.to_owned(), step, layers, state }
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

/// Writes one layer's file.
pub(crate) fn save_layer(folder: &Path, layer: &StageLayer) -> Result<LayerRecord, EngineError> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (trained, value) in layer.weights.iter().zip(layer.layer.weight_values()) {
        let (path, shape) = (&trained.weight.path, &trained.weight.shape);
        let mut put = |kind: &str, values: &[f32]| {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensors.push((format!("{kind}/{path}"), shape.clone(), bytes));
        };
        put("weight", &value.try_into_vec_as::<f32>().map_err(EngineError::driver)?);
        if let Some(moments) = &trained.moments {
            let (first, second) = moments.to_host()?;
            put("first", &first);
            put("second", &second);
        }
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(EngineError::driver)?;
    let bytes = safetensors::serialize(views, None).map_err(EngineError::driver)?;
    let safe: String =
        layer.name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    let file = format!("{:03}-{safe}.safetensors", layer.index);
    write_synced(&folder.join(&file), &bytes)?;
    Ok(LayerRecord {
        index: layer.index,
        name: layer.name.clone(),
        file,
        bytes: bytes.len() as u64,
        blake3: blake3::hash(&bytes).to_hex().to_string(),
    })
}

/// What a layer's file holds, by weight of the layer.
pub(crate) struct LayerFile(Vec<HeldWeight>);

struct HeldWeight {
    value: Vec<f32>,
    /// First and second; None in a checkpoint of a model that has not been updated yet, and for
    /// weights that follow others.
    moments: Option<[Vec<f32>; 2]>,
}

/// Reads one layer's file and checks that it is whole and of this layer.
pub(crate) fn read_layer(
    folder: &Path,
    records: &[LayerRecord],
    layer: &StageLayer,
) -> Result<LayerFile, EngineError> {
    let record = records
        .iter()
        .find(|record| record.index == layer.index)
        .ok_or_else(|| bad(folder, format!("it has no layer '{}'", layer.name)))?;
    // A name, not a path: a manifest must not make us read elsewhere.
    let path = folder.join(Path::new(&record.file).file_name().unwrap_or_default());
    let bytes = fs::read(&path).map_err(|error| {
        bad(&path, format!("it cannot be read ({error}); use an older checkpoint"))
    })?;
    let whole = bytes.len() as u64 == record.bytes
        && blake3::hash(&bytes).to_hex().as_str() == record.blake3;
    if !whole {
        let (found, expected) = (bytes.len(), record.bytes);
        return Err(bad(
            &path,
            format!(
                "it is damaged or cut short ({found} bytes, {expected} expected); use an older checkpoint"
            ),
        ));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|error| bad(&path, error.to_string()))?;
    let take = |kind: &str, weight: &Weight| {
        let Ok(view) = file.tensor(&format!("{kind}/{}", weight.path)) else { return Ok(None) };
        if view.dtype() != Dtype::F32 || view.shape() != weight.shape {
            return Err(bad(
                &path,
                format!(
                    "{kind} '{}' is {:?} {:?}, this model has F32 {:?}: it is of another model",
                    weight.path,
                    view.dtype(),
                    view.shape(),
                    weight.shape
                ),
            ));
        }
        let (numbers, _) = view.data().as_chunks::<4>();
        Ok(Some(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()))
    };
    let held = layer.weights.iter().map(|trained| {
        let weight = &trained.weight;
        let value = take("weight", weight)?
            .ok_or_else(|| bad(&path, format!("it has no weight '{}'", weight.path)))?;
        let moments = match (take("first", weight)?, take("second", weight)?) {
            (Some(first), Some(second)) => Some([first, second]),
            (None, None) => None,
            _ => return Err(bad(&path, format!("'{}' has half its optimizer state", weight.path))),
        };
        Ok(HeldWeight { value, moments })
    });
    held.collect::<Result<_, _>>().map(LayerFile)
}

impl LayerFile {
    /// Puts everything into the layer, on its device.
    pub(crate) fn put(self, layer: &mut StageLayer, target: &Device) -> Result<(), EngineError> {
        let tensor = |values: Vec<f32>, device: &BurnDevice| {
            let length = values.len();
            Tensor::from_data(TensorData::new(values, [length]), device)
        };
        let StageLayer { layer, weights, .. } = layer;
        let mut values = Vec::with_capacity(weights.len());
        for (trained, held) in weights.iter_mut().zip(self.0) {
            values.push(held.value);
            trained.moments = held.moments.map(|[first, second]| {
                if target.is_cpu() {
                    Moments::Host { first, second }
                } else {
                    let [first, second] = [first, second].map(|m| tensor(m, target.burn()));
                    Moments::Device { first, second }
                }
            });
        }
        let mut values = values.into_iter();
        layer.update(&mut |_, old| {
            values
                .next()
                .map(|values| tensor(values, &old.device()))
                .ok_or_else(|| EngineError::driver("a layer has more weights than it listed"))
        })
    }
}
