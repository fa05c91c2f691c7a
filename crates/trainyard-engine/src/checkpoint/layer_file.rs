//! One layer's file: its weights and what the optimizer keeps of them, as safetensors.

use std::path::Path;

use burn::tensor::{Device as BurnDevice, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::grow::{fits, put_into_corner};
use super::{LayerRecord, Loading, bad, damaged, of_other_model, write_synced};
use crate::optimizer::{GroupedOptimizer, State, StateEntry, StateSpec};
use crate::stage::StageLayer;
use crate::{CheckpointFault, Device, EngineError, WeightRole, WeightSpec};

/// Writes one layer's file. What is to be written is looked at once more, whatever is known of it: it
/// lies in memory, and hashing and writing it take longer. Frozen weights that the model `rebuilds` are left
/// out.
pub(crate) fn save_layer(
    folder: &Path,
    layer: &StageLayer,
    step: u64,
    rebuilds: bool,
) -> Result<LayerRecord, EngineError> {
    let is_left_out = |weight: &WeightSpec| rebuilds && weight.role == WeightRole::Frozen;
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let wanted = |weight: &WeightSpec| !is_left_out(weight);
    layer.finite_tensors(step, wanted, |name, shape, values| {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensors.push((name, shape.to_owned(), bytes));
    })?;
    let views = tensors.iter().map(|(name, shape, bytes)| {
        TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(EngineError::driver)?;
    let bytes = safetensors::serialize(views, None).map_err(EngineError::driver)?;
    let specs = layer.weights.iter().map(|weight| &weight.spec);
    let left_out = specs.filter(|weight| is_left_out(weight));
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
        left_out: left_out.map(|weight| weight.path.clone()).collect(),
    })
}

/// What a layer's file holds, by weight of the layer.
pub(crate) struct LayerFile(Vec<HeldWeight>);

struct HeldWeight {
    /// None where it is left out, as a frozen weight that is made with the model.
    value: Option<Vec<f32>>,
    /// On the host; None in a checkpoint of a model that has not been updated yet, for weights that
    /// follow others, and where weights alone are loaded.
    state: Option<State>,
}

/// Reads one layer's file and checks that it is whole, of this layer, and has the state that the
/// optimizer keeps of each weight, where that is wanted. What is new in a larger weight stays as the
/// layer has it.
pub(crate) fn read_layer(
    folder: &Path,
    records: &[LayerRecord],
    layer: &StageLayer,
    optimizer: &GroupedOptimizer,
    loading: Loading,
) -> Result<LayerFile, EngineError> {
    let record = records
        .iter()
        .find(|record| record.index == layer.index)
        .ok_or_else(|| of_other_model(folder, format!("it has no layer '{}'", layer.name)))?;
    let (path, bytes) = record.read(folder)?;
    let file =
        SafeTensors::deserialize(&bytes).map_err(|error| damaged(&path, error.to_string()))?;
    let numbers = file.tensors().into_iter().filter(|(_, view)| view.dtype() == Dtype::F32);
    if let Some(tensor) = numbers.into_iter().find_map(|(tensor, view)| {
        let finite = floats(view.data()).into_iter().all(f32::is_finite);
        (!finite).then_some(tensor)
    }) {
        return Err(damaged(&path, format!("'{tensor}' is not finite: the model is lost")));
    }
    let held = layer.weights.iter().enumerate().map(|(number, trained)| {
        let weight = &trained.spec;
        let Ok(view) = file.tensor(&format!("weight/{}", weight.path)) else {
            return without_weight(record, weight).map_err(|reason| of_other_model(&path, reason));
        };
        let grows = loading == Loading::IntoLarger
            && view.shape() != weight.shape
            && fits(view.shape(), &weight.shape);
        if view.dtype() != Dtype::F32 || (view.shape() != weight.shape && !grows) {
            let (dtype, shape) = (view.dtype(), view.shape());
            return Err(of_other_model(
                &path,
                format!(
                    "weight '{}' is {dtype:?} {shape:?}, this model has F32 {:?}: it is of another \
                     model",
                    weight.path, weight.shape
                ),
            ));
        }
        if loading == Loading::Weights {
            return Ok(HeldWeight { value: Some(floats(view.data())), state: None });
        }
        let kept = optimizer.state(&layer.name, weight);
        let mut entries = state_of(&file, &weight.path);
        let mut value = floats(view.data());
        if grows {
            let begun = layer.layer.weight_values().into_iter().nth(number);
            let begun = begun.map(Tensor::try_into_vec_as::<f32>).transpose();
            let mut larger = begun.map_err(EngineError::driver)?.unwrap_or_default();
            put_into_corner(&value, view.shape(), &weight.shape, &mut larger);
            value = larger;
            for entry in &mut entries {
                grow_entry(entry, &kept);
            }
        }
        let state = State::from_entries(kept, entries).map_err(|reason| {
            let reason = format!("weight '{}': {reason}", weight.path);
            bad(&path, CheckpointFault::OtherState, reason)
        })?;
        Ok(HeldWeight { value: Some(value), state })
    });
    held.collect::<Result<_, _>>().map(LayerFile)
}

/// A weight that a layer's file does not hold: as it was made, if the frozen weights were left out.
fn without_weight(record: &LayerRecord, weight: &WeightSpec) -> Result<HeldWeight, String> {
    let path = &weight.path;
    // What is frozen here and comes with the model may have had another form there, such as blocks of few bits.
    if weight.role == WeightRole::Frozen && !record.left_out.is_empty() {
        return Ok(HeldWeight { value: None, state: None });
    }
    if record.left_out.contains(path) {
        return Err(format!(
            "it has no weight '{path}', which was frozen when it was saved and is trained here; train \
             the same weights as the run that saved it"
        ));
    }
    Err(format!("it has no weight '{path}'"))
}

/// What a file holds of a weight beside its values.
fn state_of(file: &SafeTensors<'_>, path: &str) -> Vec<StateEntry> {
    let names = file.names().into_iter().filter_map(|name| name.split_once('/'));
    let kinds = names.filter(|&(kind, of)| of == path && kind != "weight");
    let entry = |(kind, _): (&str, &str)| {
        let view = file.tensor(&format!("{kind}/{path}")).ok()?;
        let (name, shape) = (kind.to_owned(), view.shape().to_owned());
        // Of another type it is refused for want of values.
        let values = if view.dtype() == Dtype::F32 { floats(view.data()) } else { Vec::new() };
        Some(StateEntry { name, shape, values })
    };
    kinds.filter_map(entry).collect()
}

/// Optimizer state of a weight that has grown: zero, as at the start, where it is new.
fn grow_entry(entry: &mut StateEntry, kept: &[StateSpec]) {
    let Some(spec) = kept.iter().find(|spec| spec.name == entry.name) else { return };
    if fits(&entry.shape, &spec.shape) {
        let mut larger = vec![0.0; spec.elements()];
        put_into_corner(&entry.values, &entry.shape, &spec.shape, &mut larger);
        (entry.shape, entry.values) = (spec.shape.clone(), larger);
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
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
            trained.state = held
                .state
                .map(|state| if target.is_cpu() { state } else { state.to_device(target.burn()) });
        }
        let tensors = values.into_iter().map(|held| held.map(|v| tensor(v, target.burn())));
        layer.put_weights(tensors.collect())
    }
}
