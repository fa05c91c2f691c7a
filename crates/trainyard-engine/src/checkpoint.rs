//! Checkpoints: a folder with a file a layer, and a manifest that is written last.
//!
//! A layer's file holds its weights (`weight/…`) and optimizer moments (`first/…`, `second/…`) in
//! safetensors form, so any partition can load what any other wrote, and any tool can read it.
//! Everything is written into `….tmp` beside the folder, synced, and renamed at the end: a
//! checkpoint is there whole or not at all.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::{Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::{Device, EngineError};
use crate::optimizer::Moments;
use crate::stage::StageLayer;

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

    pub(crate) fn new(model: &str, step: u64, layers: Vec<LayerRecord>, state: serde_json::Value) -> Self {
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
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let unfinished = folder.with_file_name(name);
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(|e| EngineError::io(&unfinished, e))?;
    }
    fs::create_dir_all(&unfinished).map_err(|e| EngineError::io(&unfinished, e))?;
    Ok(unfinished)
}

/// Writes the manifest and gives the checkpoint its name.
pub(crate) fn finish(unfinished: &Path, folder: &Path, manifest: &Manifest) -> Result<(), EngineError> {
    let text = serde_json::to_vec_pretty(manifest).map_err(EngineError::driver)?;
    write_synced(&unfinished.join(MANIFEST), &text)?;
    sync_folder(unfinished)?;
    if folder.exists() {
        // Only an older save of the same step: it is replaced by this one.
        fs::remove_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
    }
    fs::rename(unfinished, folder).map_err(|e| EngineError::io(folder, e))?;
    folder.parent().map_or(Ok(()), sync_folder)
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
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|error| bad(&path, format!("it is damaged: {error}")))?;
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

/// Reads one layer's file into the layer.
pub(crate) fn load_layer(
    folder: &Path,
    records: &[LayerRecord],
    layer: &mut StageLayer,
    target: &Device,
) -> Result<(), EngineError> {
    let (device, on_host) = (target.burn(), target.is_cpu());
    let record = records.iter().find(|record| record.index == layer.index).ok_or_else(|| {
        bad(folder, format!("it has no layer '{}'", layer.name))
    })?;
    // A name, not a path: a manifest must not make us read elsewhere.
    let name = Path::new(&record.file).file_name().unwrap_or_default();
    let path = folder.join(name);
    let bytes = fs::read(&path).map_err(|e| EngineError::io(&path, e))?;
    if bytes.len() as u64 != record.bytes || blake3::hash(&bytes).to_hex().as_str() != record.blake3 {
        return Err(bad(
            &path,
            format!("it is damaged or cut short ({} bytes, {} expected); use an older checkpoint", bytes.len(), record.bytes),
        ));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|error| bad(&path, error.to_string()))?;
    let mut held = HashMap::new();
    for (name, view) in file.iter() {
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        held.insert(name.to_owned(), (view.shape().to_vec(), view.dtype(), values.collect::<Vec<f32>>()));
    }
    let mut take = |kind: &str, path_in_layer: &str, shape: &[usize]| match held
        .remove(&format!("{kind}/{path_in_layer}"))
    {
        Some((found, Dtype::F32, values)) if found == shape => Ok(Some(values)),
        Some((found, dtype, _)) => Err(bad(
            &path,
            format!("{kind} '{path_in_layer}' is {dtype:?} {found:?}, this model has F32 {shape:?}: it is of another model"),
        )),
        None => Ok(None),
    };
    let StageLayer { layer, weights, .. } = layer;
    for trained in weights.iter_mut() {
        let (name, shape) = (&trained.weight.path, &trained.weight.shape);
        let first = take("first", name, shape)?;
        let second = take("second", name, shape)?;
        trained.moments = match (first, second) {
            (Some(first), Some(second)) if on_host => Some(Moments::Host { first, second }),
            (Some(first), Some(second)) => {
                let put = |values: Vec<f32>| {
                    let length = values.len();
                    Tensor::from_data(TensorData::new(values, [length]), device)
                };
                Some(Moments::Device { first: put(first), second: put(second) })
            }
            _ => None,
        };
    }
    layer.update(&mut |number, old| {
        let weight = &weights[number].weight;
        let values = take("weight", &weight.path, &weight.shape)?
            .ok_or_else(|| bad(&path, format!("it has no weight '{}'", weight.path)))?;
        let length = values.len();
        Ok(Tensor::from_data(TensorData::new(values, [length]), &old.device()))
    })
}
