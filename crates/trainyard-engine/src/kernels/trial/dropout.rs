//! Dropout, beside a mask that the host makes.

use burn::tensor::{Tensor, TensorData};

use super::contest::{Contest, Run, flat};
use crate::kernels::DropoutMask;
use crate::kernels::launch::{gpu_tensor, u32_of};

impl Contest {
    pub(super) fn dropout(&self) -> [Run<'_>; 2] {
        let shape = [self.sizes.rows(), 4 * self.sizes.width];
        let [x, gradient] = [1, 2].map(|salt| self.numbers(shape, salt));
        let (ours, mask) = ([x.clone(), gradient.clone()], DropoutMask::new(0.1, 3));
        [
            Box::new(move || {
                let [x, gradient] = ours.clone().map(gpu_tensor);
                Ok([x?, gradient?].map(|it| flat(mask.apply(&it))).into())
            }),
            Box::new(move || {
                let fours = 0..u32_of(shape[0] * shape[1] / 4);
                let factors: Vec<f32> = fours.flat_map(|four| mask.factors(four)).collect();
                let mask = Tensor::<2>::from_data(TensorData::new(factors, shape), &self.device);
                Ok([&x, &gradient].map(|it| (it.clone() * mask.clone()).flatten(0, 1)).into())
            }),
        ]
    }
}
