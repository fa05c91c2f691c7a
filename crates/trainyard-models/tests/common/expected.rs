//! Small checkpoints in Hugging Face layout, and what `transformers` computed with them (`scripts/hf-fixtures.py`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use safetensors::{Dtype, SafeTensors};
use trainyard_engine::{Model, Pipeline};
use trainyard_models::HfModel;
use trainyard_models::hf::WeightName;

use super::partitions::{Held, assert_close, of_kind, tensors};

/// What a gradient that is 0 may be.
const ROUNDING: f32 = 1e-7;

/// The folder of a checkpoint.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hf").join(name)
}

/// What `transformers` computed.
pub(crate) struct Expected(Vec<u8>);

impl Expected {
    /// Of a checkpoint.
    pub(crate) fn of(name: &str) -> Self {
        Self::in_file(name, "expected")
    }

    /// The same of another file beside it.
    pub(crate) fn in_file(name: &str, file: &str) -> Self {
        Self(std::fs::read(folder(name).join(file).with_extension("safetensors")).unwrap())
    }

    pub(crate) fn all(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).unwrap()
    }

    pub(crate) fn floats(&self, name: &str) -> Held {
        let all = self.all();
        let view = all.tensor(name).unwrap();
        assert_eq!(view.dtype(), Dtype::F32);
        let (numbers, _) = view.data().as_chunks::<4>();
        (view.shape().to_vec(), numbers.iter().map(|it| f32::from_le_bytes(*it)).collect())
    }

    pub(crate) fn ints(&self, name: &str) -> TensorData {
        let all = self.all();
        let view = all.tensor(name).unwrap();
        let (numbers, _) = view.data().as_chunks::<4>();
        let numbers: Vec<i32> = numbers.iter().map(|it| i32::from_le_bytes(*it)).collect();
        TensorData::new(numbers, view.shape().to_vec())
    }

    /// Whether there is a tensor of a name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all().tensor(name).is_ok()
    }

    /// Fails where the gradients that were found are not these, all of them.
    pub(crate) fn assert_gradients(
        &self,
        what: &str,
        found: &BTreeMap<String, Vec<f32>>,
        part: f32,
    ) {
        let all = self.all();
        let wanted: BTreeSet<&str> =
            all.names().into_iter().filter_map(|name| name.strip_prefix("gradient.")).collect();
        assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), wanted, "{what}");
        for (weight, found) in found {
            let (_, expected) = self.floats(&format!("gradient.{weight}"));
            let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            // That of a bias of keys is nothing but rounding: it moves all products of a query alike.
            let apart = (part * largest).max(ROUNDING);
            assert_close(&format!("{what}: ∂{weight}"), found, &expected, 0.0, apart);
        }
    }
}

/// Fails where a number is further away than a part of the largest.
pub(crate) fn assert_near(what: &str, found: &[f32], expected: &[f32], part: f32) {
    let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    assert!(largest > 0.0, "{what}: nothing is expected");
    assert_close(what, found, expected, 0.0, part * largest);
}

/// Rows of a matrix as columns.
fn turned(shape: &[usize], values: &[f32]) -> Vec<f32> {
    let [rows, columns] = shape else { panic!("{shape:?} is no matrix") };
    (0..columns * rows).map(|i| values[i % rows * columns + i / rows]).collect()
}

/// Gradients of the first step by their names in Hugging Face layout, as they are there.
pub(crate) fn gradients(
    pipeline: &mut Pipeline,
    names: &[(String, WeightName)],
) -> BTreeMap<String, Vec<f32>> {
    let all = of_kind(&tensors(pipeline), "first");
    let named = |(layer, it): &(String, WeightName)| {
        let (shape, values) = &all[&format!("{layer}/{}", it.path)];
        let values = if it.turned { turned(shape, values) } else { values.clone() };
        (it.name.clone(), values)
    };
    names.iter().map(named).collect()
}

/// Every weight's layer and names.
pub(crate) fn names(model: &HfModel) -> Vec<(String, WeightName)> {
    let layers = Model::layers(model).into_iter().enumerate();
    layers
        .flat_map(|(i, layer)| model.names(i).into_iter().map(move |it| (layer.name.clone(), it)))
        .collect()
}
