//! What is dragged, and what becomes of it where it is dropped.

use crate::document::{Arrangement, Edit, How};

/// A dragged object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Drag {
    /// Runs of layers: one layer, a selection or a whole stage.
    Layers(Vec<(usize, usize)>),
    /// The cut after a stage.
    Boundary(usize),
    /// All that lies on a device.
    Device(usize),
}

/// A drop target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Over a device's column.
    Device(usize),
    /// Before a layer.
    Cut(usize),
}

impl Drag {
    /// What dropping it does; `None` where that is nothing.
    #[must_use]
    pub(super) fn edit(&self, arrangement: &Arrangement, target: Target, how: How) -> Option<Edit> {
        match (self, target) {
            (Self::Layers(layers), Target::Device(device)) => {
                let lies_there = |layer| arrangement.device_of(layer) == Some(device);
                let all = layers.iter().all(|run| (run.0..run.1).all(lies_there));
                (!all).then(|| Edit::Move { layers: layers.clone(), device, how })
            }
            (Self::Boundary(stage), Target::Cut(layer)) => {
                let moves = arrangement.stages.get(*stage).is_some_and(|stage| stage.end != layer);
                moves.then_some(Edit::Boundary { stage: *stage, layer })
            }
            (Self::Device(a), Target::Device(b)) if *a != b => Some(Edit::Swap { a: *a, b }),
            _ => None,
        }
    }

    /// Whether dropping it may mean two things: [`How`].
    #[must_use]
    pub(super) fn may_split(&self) -> bool {
        matches!(self, Self::Layers(_))
    }
}
