//! Which layers of a model cost the same, so that each sort is measured once.

use trainyard_plan::{LayerProfile, ModelProfile, TensorProfile};

/// The layers of a model, sorted by what they cost.
pub(super) struct UniqueLayers {
    /// The first layer of every kind, in the order of the model.
    pub(super) firsts: Vec<usize>,
    /// The kind of every layer, as an index into `firsts`.
    pub(super) of_layer: Vec<usize>,
}

impl UniqueLayers {
    /// Two layers are of one kind when their profiles differ in nothing but the name, and both or
    /// neither give a gradient back, and are the last of the model: the first layer gives none, nor one before
    /// which nothing trains, and the last has the loss.
    pub(super) fn of(profile: &ModelProfile) -> Self {
        let layers = &profile.layers;
        let gives_gradients = profile.gives_gradients();
        let alike = |one: usize, other: usize| {
            let ends = |layer: usize| (gives_gradients[layer], layer + 1 == layers.len());
            ends(one) == ends(other) && same_costs(&layers[one], &layers[other])
        };
        let mut kinds = Self { firsts: Vec::new(), of_layer: Vec::with_capacity(layers.len()) };
        for layer in 0..layers.len() {
            let known = kinds.firsts.iter().position(|&first| alike(first, layer));
            kinds.of_layer.push(known.unwrap_or(kinds.firsts.len()));
            if known.is_none() {
                kinds.firsts.push(layer);
            }
        }
        kinds
    }
}

fn same_costs(one: &LayerProfile, other: &LayerProfile) -> bool {
    // To whom a tensor goes does not matter, but to how many does: so many gradients come back.
    let to_anybody = |tensor: &TensorProfile| TensorProfile {
        to: vec![String::new(); tensor.to.len()],
        ..tensor.clone()
    };
    let named = |layer: &LayerProfile| LayerProfile {
        name: String::new(),
        // Whose weights it shares does not matter, but that it has no optimizer state does.
        tied_to: layer.tied_to.as_ref().map(|_| String::new()),
        skips_to: vec![String::new(); layer.skips_to.len()],
        gives: layer.gives.iter().map(to_anybody).collect(),
        ..layer.clone()
    };
    named(one) == named(other)
}
