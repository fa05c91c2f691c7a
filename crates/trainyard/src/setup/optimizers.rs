//! The optimizer of a run file, with its groups.

use serde::Serialize;
use trainyard_engine::optimizer::{GroupedOptimizer, OptimizerGroups, optimizer_kind};

use crate::config::RunConfig;
use crate::error::RunError;

/// The optimizer that `[optimizer]` names, with its options and groups.
pub(super) fn optimizer(config: &RunConfig) -> Result<GroupedOptimizer, RunError> {
    let section = &config.optimizer;
    let kind = optimizer_kind(&section.kind)
        .ok_or_else(|| RunError::config(format!("there is no optimizer '{}'", section.kind)))?;
    let optimizer = (kind.from_table)(&section.options)?;
    let groups = OptimizerGroups(config.optimizer_groups.clone());
    let grouped = GroupedOptimizer { optimizer, groups };
    grouped.check()?;
    Ok(grouped)
}

/// All that a cost may depend on of a run file's optimizer.
pub(super) fn optimizer_key(config: &RunConfig) -> impl Serialize {
    (&config.optimizer.kind, &config.optimizer.options, &config.optimizer_groups)
}
