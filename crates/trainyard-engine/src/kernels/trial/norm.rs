//! Normalizations.

use burn::tensor::{Tensor, module};

use super::contest::{Contest, Run, flat, of};
use crate::kernels::launch::gpu_tensor;
use crate::kernels::{Norm, norm, norm_backward, norm_weights};

const EPSILON: f32 = 1e-5;

impl Contest {
    pub(super) fn layer_norm(&self) -> [Run<'_>; 2] {
        let bias = self.numbers([self.sizes.width], 4);
        self.norm(Norm::Layer, Some(bias), |x, gain, bias| {
            module::layer_norm(x, gain, bias, EPSILON.into())
        })
    }

    pub(super) fn rms_norm(&self) -> [Run<'_>; 2] {
        // As in `burn::nn::RmsNorm`.
        self.norm(Norm::Rms, None, |x, gain, _| {
            let root = (x.clone().square().mean_dim(1) + EPSILON).sqrt();
            (x / root) * gain.unsqueeze()
        })
    }

    fn norm<'a>(
        &'a self,
        kind: Norm,
        bias: Option<Tensor<1>>,
        burns: impl Fn(Tensor<2>, Tensor<1>, Option<Tensor<1>>) -> Tensor<2> + 'a,
    ) -> [Run<'a>; 2] {
        let width = self.sizes.width;
        let x = self.numbers([self.sizes.rows(), width], 1);
        let gradient = self.numbers(x.dims(), 2);
        let gain = self.numbers([width], 3);
        let ours = (x.clone(), gradient.clone(), gain.clone(), bias.clone());
        [
            Box::new(move || {
                let (x, gradient) = (gpu_tensor(ours.0.clone())?, gpu_tensor(ours.1.clone())?);
                let gain = gpu_tensor(ours.2.clone())?;
                let bias = ours.3.clone().map(gpu_tensor).transpose()?;
                let (output, statistics) = norm(kind, &x, &gain, bias.as_ref(), EPSILON);
                let of_x = norm_backward(kind, &x, &gain, &statistics, &gradient);
                let mut numbers = vec![output, of_x];
                if bias.is_some() {
                    numbers.extend(norm_weights::<2>(&x, &statistics, &gradient));
                } else {
                    numbers.extend(norm_weights::<1>(&x, &statistics, &gradient));
                }
                Ok(numbers.into_iter().map(flat).collect())
            }),
            Box::new(move || {
                let gain = gain.clone().autodiff().require_grad();
                let bias = bias.clone().map(|bias| bias.autodiff().require_grad());
                let x = x.clone().autodiff().require_grad();
                let output = burns(x.clone(), gain.clone(), bias.clone());
                let mut all = (output.clone() * gradient.clone().autodiff()).backward();
                let mut numbers = vec![output.inner().flatten(0, 1), of(&x, &mut all)?];
                numbers.push(of(&gain, &mut all)?);
                numbers.extend(bias.map(|bias| of(&bias, &mut all)).transpose()?);
                Ok(numbers)
            }),
        ]
    }
}
