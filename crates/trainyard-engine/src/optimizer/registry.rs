//! The optimizers that a run file can name: a file and a line here for each.

use std::sync::Arc;

use trainyard_config::{ConfigError, KeyGroup, Keys};

use super::{Adafactor, AdamW, Lion, Muon, Optimizer, Sgd};

/// An optimizer as the registry knows it.
#[derive(Clone, Copy, Debug)]
pub struct OptimizerKind {
    /// Its name in run files and checkpoints.
    pub name: &'static str,
    /// What it is, in a line.
    pub doc: &'static str,
    /// Makes it with its default options.
    pub default: fn() -> Arc<dyn Optimizer>,
    /// Its options, the keys of `[optimizer]`.
    pub group: KeyGroup,
    /// Makes it with the options of a run file.
    pub from_table: fn(&toml::Table) -> Result<Arc<dyn Optimizer>, ConfigError>,
}

const fn kind<O: Optimizer + Keys + Default + 'static>(
    name: &'static str,
    doc: &'static str,
) -> OptimizerKind {
    OptimizerKind {
        name,
        doc,
        default: || Arc::new(O::default()),
        group: KeyGroup::of::<O>(name),
        from_table: |options| Ok(Arc::new(O::from_table(options)?)),
    }
}

/// All optimizers.
pub const OPTIMIZERS: &[OptimizerKind] = &[
    kind::<AdamW>("adamw", "two moments of every weight; state twice the weights"),
    kind::<Sgd>("sgd", "gradient descent with momentum; state as large as the weights, or none"),
    kind::<Lion>("lion", "signs of a momentum; state as large as the weights"),
    kind::<Adafactor>("adafactor", "mean squares of rows and columns; state a small fraction"),
    kind::<Muon>("muon", "orthogonal steps of matrices; state as large as they, AdamW for others"),
];

/// The optimizer of a name.
pub fn optimizer_kind(name: &str) -> Option<&'static OptimizerKind> {
    OPTIMIZERS.iter().find(|kind| kind.name == name)
}
