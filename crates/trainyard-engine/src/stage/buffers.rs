//! Buffers of a stage: state that forwards change, such as running statistics.

use burn::tensor::Tensor;

use super::Stage;
use crate::EngineError;

impl Stage {
    /// The buffers of every layer as they are now. They share memory until they change.
    pub(super) fn buffers(&self) -> Vec<Vec<Option<Tensor<1>>>> {
        self.layers.iter().map(|layer| layer.layer.buffers()).collect()
    }

    /// Puts buffers back to what they were.
    pub(super) fn restore_buffers(
        &mut self,
        before: Vec<Vec<Option<Tensor<1>>>>,
    ) -> Result<(), EngineError> {
        for (layer, values) in self.layers.iter_mut().zip(before) {
            layer.layer.put_weights(values)?;
        }
        Ok(())
    }

    /// Remembers what a step must not have changed should it be given up.
    pub(crate) fn begin_step(&mut self) {
        self.buffers_before = self.buffers();
    }

    /// The step is done: what was before it is not wanted any more.
    pub(crate) fn end_step(&mut self) {
        self.buffers_before = Vec::new();
    }

    /// Forgets everything of an unfinished step.
    pub(crate) fn discard(&mut self) -> Result<(), EngineError> {
        self.saved.clear();
        self.kept.clear();
        self.carry.clear();
        for weight in self.layers.iter_mut().flat_map(|layer| &mut layer.weights) {
            weight.sum = None;
            weight.gradient = None;
        }
        let before = std::mem::take(&mut self.buffers_before);
        self.restore_buffers(before)
    }
}
