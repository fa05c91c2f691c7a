//! Whether this machine has room for a layer's weights, asked before they are made.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use trainyard_plan::MemorySource;

use crate::EngineError;
use crate::discover::system_memory;

/// Weights below this are made without asking, bytes.
const SMALL: u64 = 64 << 20;

/// Refuses what would not fit into the memory that is free, so that a size that was mistyped ends in
/// words and not with the system short of memory.
///
/// # Errors
/// [`EngineError::LayerTooLarge`], without the name of the layer.
pub fn check_host_room(needed_bytes: u64) -> Result<(), EngineError> {
    if needed_bytes <= SMALL {
        return Ok(());
    }
    match system_memory(MemorySource::Reported).free_bytes {
        Some(free_bytes) if needed_bytes > free_bytes => {
            Err(EngineError::LayerTooLarge { layer: String::new(), needed_bytes, free_bytes })
        }
        _ => Ok(()),
    }
}

/// Bytes of a module's weights, found out without making those that make themselves when they are
/// first used.
pub(crate) fn weight_bytes<M: Module>(module: &M) -> u64 {
    let mut count = Count(0);
    module.visit(&mut count);
    count.0.saturating_mul(4)
}

struct Count(u64);

impl ModuleVisitor for Count {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.lazy_shape();
        let elements = shape.as_slice().iter().fold(1, |all: u64, n| all.saturating_mul(*n as u64));
        self.0 = self.0.saturating_add(elements);
    }
}
