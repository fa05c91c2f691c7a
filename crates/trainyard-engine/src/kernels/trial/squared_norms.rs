//! Squared norms of gradients.

use burn::tensor::Tensor;

use super::contest::{Contest, Run, flat};
use crate::EngineError;
use crate::kernels::launch::gpu_tensor;
use crate::kernels::squared_norms;

impl Contest {
    pub(super) fn squared_norms(&self) -> [Run<'_>; 2] {
        // What a block of a GPT has, twice.
        let width = self.sizes.width;
        let lengths = [1, 3 * width, width, 1, 4 * width, 4 * width].map(|rows| rows * width);
        let gradients: Vec<Tensor<1>> = (1..)
            .zip(lengths.repeat(2))
            .map(|(salt, length)| self.numbers([length], salt))
            .collect();
        let ours = gradients.clone();
        [
            Box::new(move || {
                let tensors =
                    ours.iter().cloned().map(gpu_tensor).collect::<Result<Vec<_>, _>>()?;
                let norms = squared_norms(&tensors);
                let none = || EngineError::internal("gradients without elements");
                Ok(vec![flat(norms.ok_or_else(none)?)])
            }),
            Box::new(move || {
                let norms =
                    gradients.iter().map(|gradient| (gradient.clone() * gradient.clone()).sum());
                Ok(vec![Tensor::cat(norms.collect(), 0)])
            }),
        ]
    }
}
