//! Checks of the tensors that layers give and take.

use std::collections::{BTreeMap, BTreeSet};

use super::names::unreadable;
use crate::json::{Problem, Step};
use crate::{LayerProfile, TensorProfile};
use Step::{Index, Key};

/// The first thing that is wrong with the layers' tensors. `index_of` has the layers by name.
pub(super) fn in_tensors(
    layers: &[LayerProfile],
    index_of: &BTreeMap<&str, usize>,
) -> Option<Problem> {
    let mut taken = Taken {
        from: vec![BTreeMap::new(); layers.len()],
        bytes: vec![0; layers.len()],
        of_batch: BTreeMap::new(),
    };
    let found = layers
        .iter()
        .enumerate()
        .find_map(|(index, _)| in_layer(layers, index, index_of, &mut taken));
    found.or_else(|| {
        layers.iter().zip(&taken.bytes).enumerate().find_map(|(index, (layer, bytes))| {
            let reason = format!(
                "it is {}, but the tensors that the layer takes have {bytes} bytes together",
                layer.input_bytes
            );
            let short = u128::from(layer.input_bytes) < *bytes;
            short.then(|| Problem::new(at(index, "input_bytes"), reason))
        })
    })
}

/// The tensors that layers take, as far as they have been seen.
struct Taken<'a> {
    /// By layer: the giver of each name.
    from: Vec<BTreeMap<&'a str, &'a str>>,
    /// By layer: the sum of their sizes.
    bytes: Vec<u128>,
    /// Of each tensor of the batch: its size, and the first layer that takes it.
    of_batch: BTreeMap<&'a str, (u64, &'a str)>,
}

fn at(index: usize, key: &'static str) -> Vec<Step> {
    vec![Key("model"), Key("layers"), Index(index), Key(key)]
}

fn in_layer<'a>(
    layers: &'a [LayerProfile],
    index: usize,
    index_of: &BTreeMap<&str, usize>,
    taken: &mut Taken<'a>,
) -> Option<Problem> {
    let layer = &layers[index];
    let in_batch = in_batch(layer, index, taken);
    if in_batch.is_some() || layer.gives.is_empty() {
        return in_batch;
    }
    if !layer.skips_to.is_empty() {
        let reason = "it stands beside gives, which names all takers; leave it out";
        return Some(Problem::new(at(index, "skips_to"), reason));
    }
    let mut names = BTreeSet::new();
    for (number, tensor) in layer.gives.iter().enumerate() {
        let problem = |key, reason: String| {
            let path = [at(index, "gives"), vec![Index(number), Key(key)]].concat();
            Some(Problem::new(path, reason))
        };
        let TensorProfile { name, bytes, to, .. } = tensor;
        if let Some(reason) = unreadable(name) {
            return problem("name", reason.to_owned());
        }
        if !names.insert(name) {
            return problem("name", format!("two tensors are called '{name}'; names must differ"));
        }
        let mut takers = BTreeSet::new();
        for taker in to {
            let Some(&known) = index_of.get(taker.as_str()).filter(|taker| index < **taker) else {
                return problem("to", format!("there is no later layer '{taker}'"));
            };
            if !takers.insert(taker) {
                return problem("to", format!("'{taker}' is there twice"));
            }
            if let Some(giver) = taken.from[known].insert(name, &layer.name) {
                let reason = format!("'{taker}' takes a tensor '{name}' from '{giver}' already");
                return problem("to", reason);
            }
            taken.bytes[known] += u128::from(*bytes);
        }
    }
    let sum: u128 = layer.gives.iter().map(|tensor| u128::from(tensor.bytes)).sum();
    let reason = format!(
        "it is {}, but the tensors that the layer gives have {sum} bytes together",
        layer.output_bytes
    );
    let differs = u128::from(layer.output_bytes) != sum;
    differs.then(|| Problem::new(at(index, "output_bytes"), reason))
}

fn in_batch<'a>(layer: &'a LayerProfile, index: usize, taken: &mut Taken<'a>) -> Option<Problem> {
    let mut names = BTreeSet::new();
    layer.batch.iter().enumerate().find_map(|(number, tensor)| {
        let problem = |key, reason: String| {
            let path = [at(index, "batch"), vec![Index(number), Key(key)]].concat();
            Some(Problem::new(path, reason))
        };
        let (name, bytes) = (tensor.name.as_str(), tensor.bytes);
        if let Some(reason) = unreadable(name) {
            return problem("name", reason.to_owned());
        }
        if !names.insert(name) {
            return problem("name", format!("'{name}' is there twice"));
        }
        let (known, by) = *taken.of_batch.entry(name).or_insert((bytes, &layer.name));
        if known != bytes {
            let reason = format!("it is {bytes}, but '{by}' takes {known} bytes of '{name}'");
            return problem("bytes", reason);
        }
        taken.bytes[index] += u128::from(bytes);
        None
    })
}
