//! What the slices of the same rows hand on: tensors that a layer gives to itself in the next slice, and their
//! gradients, which go the other way.

use burn::tensor::Tensor;

use super::Stage;
use crate::tensor::{Root, is_carried};
use crate::wiring::Name;
use crate::{EngineError, Tensors};

/// What waits for a slice on a stage, by its number as a micro-batch.
#[derive(Default)]
pub(super) struct Carry {
    /// For forwards: from the slice before.
    values: Vec<Option<Tensors>>,
    /// For backwards: from the slice after.
    gradients: Vec<Option<Tensors>>,
}

impl Carry {
    /// Hands a slice's tensors to the next.
    pub(super) fn give(&mut self, from: usize, tensors: Tensors) {
        put(&mut self.values, from + 1, tensors);
    }

    /// What the slice before has handed on.
    ///
    /// # Errors
    /// [`EngineError::Internal`] where that has not run.
    pub(super) fn take(&mut self, micro_batch: usize) -> Result<Tensors, EngineError> {
        take(&mut self.values, micro_batch, "forward", "before")
    }

    /// Hands the gradients of what a slice has taken to the slice that gave it.
    pub(super) fn give_back(&mut self, from: usize, gradients: Tensors) {
        put(&mut self.gradients, from.saturating_sub(1), gradients);
    }

    /// Puts the gradients of what a slice has handed on where the backward starts from them, beside the
    /// start that there is.
    ///
    /// # Errors
    /// [`EngineError::Internal`] where the backward of the slice after has not run.
    pub(super) fn seed(
        &mut self,
        micro_batch: usize,
        roots: Vec<(Name, Root)>,
        start: Option<Tensor<1>>,
    ) -> Result<Option<Tensor<1>>, EngineError> {
        if roots.is_empty() {
            // Nothing that trains has a part in what it handed on.
            if let Some(gradients) = self.gradients.get_mut(micro_batch) {
                *gradients = None;
            }
            return Ok(start);
        }
        let mut gradients = take(&mut self.gradients, micro_batch, "backward", "after")?;
        let mut all = start;
        for (name, root) in roots {
            root.put(gradients.take(&name)?)?;
            all = Some(match all {
                Some(all) => all + root.number,
                None => root.number,
            });
        }
        Ok(all)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn put(slots: &mut Vec<Option<Tensors>>, at: usize, tensors: Tensors) {
    if slots.len() <= at {
        slots.resize_with(at + 1, || None);
    }
    slots[at] = Some(tensors);
}

fn take(
    slots: &mut [Option<Tensors>],
    at: usize,
    pass: &str,
    side: &str,
) -> Result<Tensors, EngineError> {
    slots.get_mut(at).and_then(Option::take).ok_or_else(|| {
        EngineError::internal(format!(
            "the {pass} of slice {at} comes before that of the slice {side} it"
        ))
    })
}

impl Stage {
    /// The tensors that are handed on, and the others.
    pub(crate) fn without_carried(tensors: Tensors) -> (Tensors, Tensors) {
        let (carried, others): (Vec<_>, Vec<_>) =
            tensors.into_iter().partition(|(name, _)| is_carried(name));
        (carried.into_iter().collect(), others.into_iter().collect())
    }
}
