//! Layer normalization.

use burn::tensor::module;

use super::contest::{Contest, Run, flat, of};
use crate::kernels::launch::gpu_tensor;
use crate::kernels::{layer_norm, layer_norm_backward, layer_norm_weights};

impl Contest {
    pub(super) fn layer_norm(&self) -> [Run<'_>; 2] {
        let width = self.sizes.width;
        let x = self.numbers([self.sizes.rows(), width], 1);
        let gradient = self.numbers(x.dims(), 2);
        let [gain, bias] = [3, 4].map(|salt| self.numbers([width], salt));
        let ours = (x.clone(), gradient.clone(), gain.clone(), bias.clone());
        [
            Box::new(move || {
                let (x, gradient) = (gpu_tensor(ours.0.clone())?, gpu_tensor(ours.1.clone())?);
                let (gain, bias) = (gpu_tensor(ours.2.clone())?, gpu_tensor(ours.3.clone())?);
                let (output, statistics) = layer_norm(&x, &gain, Some(&bias), 1e-5);
                let of_x = layer_norm_backward(&x, &gain, &statistics, &gradient);
                let [of_gain, of_bias] = layer_norm_weights(&x, &statistics, &gradient);
                Ok([output, of_x, of_gain, of_bias].map(flat).into())
            }),
            Box::new(move || {
                let [gain, bias] = [&gain, &bias].map(|it| it.clone().autodiff().require_grad());
                let x = x.clone().autodiff().require_grad();
                let output = module::layer_norm(x.clone(), gain.clone(), Some(bias.clone()), 1e-5);
                let mut all = (output.clone() * gradient.clone().autodiff()).backward();
                let of_x = of(&x, &mut all)?;
                let of_weights = [of(&gain, &mut all)?, of(&bias, &mut all)?];
                Ok([vec![output.inner().flatten(0, 1), of_x], of_weights.into()].concat())
            }),
        ]
    }
}
