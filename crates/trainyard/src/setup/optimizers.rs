//! The optimizer of a run file.

use trainyard_engine::optimizer::{
    Adafactor, AdamW, GroupedOptimizer, Lion, Muon, Sgd, optimizer_kind,
};

use crate::config::RunConfig;
use crate::error::RunError;

/// The optimizer that `[optimizer]` names, with its options.
pub(super) fn optimizer(config: &RunConfig) -> Result<GroupedOptimizer, RunError> {
    let section = &config.optimizer;
    let number = |name: &str, default: f64| {
        let value = section.options.get(name);
        value.and_then(toml::Value::as_float).unwrap_or(default)
    };
    let optimizer: GroupedOptimizer = match section.kind.as_str() {
        "sgd" => Sgd::default().into(),
        "lion" => Lion::default().into(),
        "adafactor" => Adafactor::default().into(),
        "muon" => Muon::default().into(),
        _ => AdamW {
            beta1: number("beta1", 0.9),
            beta2: number("beta2", 0.99),
            epsilon: number("epsilon", 1e-8),
            weight_decay: number("weight_decay", 0.1),
        }
        .into(),
    };
    let _known = optimizer_kind(&section.kind);
    optimizer.check()?;
    Ok(optimizer)
}
