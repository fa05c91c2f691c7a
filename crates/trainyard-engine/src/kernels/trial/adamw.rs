//! The update of AdamW.

use burn::tensor::Tensor;

use super::contest::{Contest, Run, flat};
use crate::kernels::launch::gpu_tensor;
use crate::kernels::{AdamWFactors, adamw};

impl Contest {
    pub(super) fn adamw(&self) -> [Run<'_>; 2] {
        let length = self.sizes.width * self.sizes.width * 4;
        let values = self.numbers([length], 1);
        let gradient = self.numbers([length], 2);
        let moments = [self.numbers([length], 3), self.numbers([length], 4).powi_scalar(2)];
        let factors = AdamWFactors {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            keep: 0.999,
            rate: 1e-2,
            second_correction: 10.0,
            gradient_scale: 0.5,
        };
        let ours = (values.clone(), gradient.clone(), moments.clone());
        // Both begin with copies, as neither may change what the other is given.
        let copy = |tensor: &Tensor<1>| tensor.clone().mul_scalar(1.0);
        [
            Box::new(move || {
                let (values, gradient) = (gpu_tensor(copy(&ours.0))?, gpu_tensor(ours.1.clone())?);
                let moments = [gpu_tensor(copy(&ours.2[0]))?, gpu_tensor(copy(&ours.2[1]))?];
                let (values, [first, second]) = adamw(values, &gradient, moments, &factors);
                Ok([values, first, second].map(flat).into())
            }),
            Box::new(move || {
                let moments = moments.each_ref().map(copy);
                let (values, [first, second]) = crate::optimizer::adamw_by_operations(
                    copy(&values),
                    gradient.clone(),
                    Some(moments),
                    &factors,
                );
                Ok(vec![values, first, second])
            }),
        ]
    }
}
