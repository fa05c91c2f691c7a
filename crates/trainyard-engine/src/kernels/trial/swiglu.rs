//! `SwiGLU`.

use burn::tensor::activation::silu;

use super::contest::{Contest, Run, flat, of};
use crate::kernels::launch::gpu_tensor;
use crate::kernels::{swiglu, swiglu_backward};

impl Contest {
    pub(super) fn swiglu(&self) -> [Run<'_>; 2] {
        let shape = [self.sizes.rows(), 4 * self.sizes.width];
        let [gate, up, gradient] = [1, 2, 3].map(|salt| self.numbers(shape, salt));
        let ours = [gate.clone(), up.clone(), gradient.clone()];
        [
            Box::new(move || {
                let [gate, up, gradient] = ours.clone().map(gpu_tensor);
                let (gate, up, gradient) = (gate?, up?, gradient?);
                let [of_gate, of_up] = swiglu_backward(&gate, &up, &gradient);
                Ok([swiglu(&gate, &up), of_gate, of_up].map(flat).into())
            }),
            Box::new(move || {
                let [gate, up] = [&gate, &up].map(|it| it.clone().autodiff().require_grad());
                let output = silu(gate.clone()) * up.clone();
                let mut all = (output.clone() * gradient.clone().autodiff()).backward();
                let of_both = [of(&gate, &mut all)?, of(&up, &mut all)?];
                Ok([vec![output.inner().flatten(0, 1)], of_both.into()].concat())
            }),
        ]
    }
}
