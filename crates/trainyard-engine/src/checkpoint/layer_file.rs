//! One layer's file: its weights and their optimizer moments, as safetensors.

use std::fs;
use std::path::Path;

use burn::tensor::{Device as BurnDevice, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::{LayerRecord, bad, write_synced};
use crate::optimizer::Moments;
use crate::stage::StageLayer;
use crate::{Device, EngineError, WeightSpec};

/// Writes one layer's file.
pub(crate) fn save_layer(folder: &Path, layer: &StageLayer) -> Result<LayerRecord, EngineError> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (trained, value) in layer.weights.iter().zip(layer.layer.weight_values()) {
        let (path, shape) = (&trained.spec.path, &trained.spec.shape);
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
    let take = |kind: &str, weight: &WeightSpec| {
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
        let weight = &trained.spec;
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
        layer.put_weights(values.into_iter().map(|v| Some(tensor(v, target.burn()))).collect())
    }
}
