//! GELU.

use burn::tensor::activation::gelu as burns_gelu;

use super::contest::{Contest, Run, flat, of};
use crate::kernels::launch::gpu_tensor;
use crate::kernels::{gelu, gelu_backward};

impl Contest {
    pub(super) fn gelu(&self) -> [Run<'_>; 2] {
        let x = self.numbers([self.sizes.rows(), 4 * self.sizes.width], 1);
        let gradient = self.numbers(x.dims(), 2);
        let (ours_x, ours_gradient) = (x.clone(), gradient.clone());
        [
            Box::new(move || {
                let (x, gradient) =
                    (gpu_tensor(ours_x.clone())?, gpu_tensor(ours_gradient.clone())?);
                Ok(vec![flat(gelu(&x)), flat(gelu_backward(&x, &gradient))])
            }),
            Box::new(move || {
                let x = x.clone().autodiff().require_grad();
                let output = burns_gelu(x.clone());
                let mut all = (output.clone() * gradient.clone().autodiff()).backward();
                Ok(vec![output.inner().flatten(0, 1), of(&x, &mut all)?])
            }),
        ]
    }
}
