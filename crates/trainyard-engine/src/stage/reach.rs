//! How far a stage's backward goes: to the first layer that trains or takes what one gives that does. Before
//! that nothing is kept for it, and nothing goes back.

use std::ops::Range;

use super::Stage;
use crate::tensor::{is_carried, layer_of_carried, without_number};
use crate::wiring::{Name, Wiring};

/// To which of a stage's layers a backward comes.
pub(super) struct Reach {
    /// By layer of the stage.
    layers: Vec<bool>,
    /// What comes from other stages without a gradient.
    constant: Vec<Name>,
}

impl Reach {
    /// To all of so many.
    pub(super) fn all(layers: usize) -> Self {
        Self { layers: vec![true; layers], constant: Vec::new() }
    }
}

impl Stage {
    /// The weights that train, by layer of the model and path.
    pub(crate) fn trained(&self) -> impl Iterator<Item = (usize, String)> + '_ {
        self.layers.iter().flat_map(|layer| {
            let trained = layer.weights.iter().filter(|weight| weight.trains());
            trained.map(|weight| (layer.index, weight.spec.path.clone()))
        })
    }

    /// Ends the backward where nothing before trains. `goes_back` says by layer of the model whether one
    /// comes to it.
    pub(crate) fn end_backward(&mut self, wiring: &Wiring, goes_back: &[bool]) {
        let range = self.range();
        let layers = range.clone().map(|layer| goes_back.get(layer).copied().unwrap_or(true));
        let layers = layers.collect();
        self.reach = Reach { layers, constant: wiring.constant_inputs(range, goes_back) };
    }

    /// Its layers' indices in the model.
    fn range(&self) -> Range<usize> {
        let first = self.layers.first().map_or(0, |layer| layer.index);
        first..first + self.layers.len()
    }

    /// Whether a backward comes to any layer.
    pub(crate) fn goes_back(&self) -> bool {
        self.reach.layers.contains(&true)
    }

    /// Whether any gradient goes back to another stage.
    pub(crate) fn gives_gradients(&self) -> bool {
        let mut comes = self.wiring.inputs.iter().flat_map(|(_, names)| names);
        comes.any(|name| self.needs_gradient(name))
    }

    /// Whether the gradient of something that comes in is needed: of another stage's tensor, or of what the
    /// slice before has handed on. The batch's tensors are data and have none.
    pub(super) fn needs_gradient(&self, name: &str) -> bool {
        if is_carried(name) {
            let layer = layer_of_carried(name).and_then(|at| self.reach.layers.get(at));
            return layer.copied().unwrap_or(true);
        }
        let name = without_number(name);
        let mut comes = self.wiring.inputs.iter().flat_map(|(_, names)| names);
        comes.any(|coming| &**coming == name)
            && !self.reach.constant.iter().any(|constant| &**constant == name)
    }
}
