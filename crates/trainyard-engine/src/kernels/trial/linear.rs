//! Linear layers.

use burn::tensor::module;

use super::contest::{Contest, Run, flat};
use crate::kernels::launch::{gpu_tensor, room};
use crate::kernels::matmul::{Addend, Side, matmul};

impl Contest {
    pub(super) fn linear(&self) -> [Run<'_>; 2] {
        let (rows, inputs) = (self.sizes.rows(), self.sizes.width);
        let outputs = 2 * inputs;
        let x = self.numbers([rows, inputs], 1);
        let weight = self.numbers([inputs, outputs], 2);
        let bias = self.numbers([outputs], 3);
        let gradient = self.numbers([rows, outputs], 4);
        let ours = (x.clone(), weight.clone(), bias.clone(), gradient.clone());
        [
            Box::new(move || {
                let (x, weight) = (gpu_tensor(ours.0.clone())?, gpu_tensor(ours.1.clone())?);
                let (bias, gradient) = (gpu_tensor(ours.2.clone())?, gpu_tensor(ours.3.clone())?);
                let output = room(&x, [rows, outputs]);
                let (of_x, of_weight) = (room(&x, [rows, inputs]), room(&x, [inputs, outputs]));
                let [x, weight, gradient] = [&x, &weight, &gradient].map(Side::new);
                matmul(x, weight, Addend::Bias(&bias), &output);
                matmul(gradient, weight.turned(), Addend::Nothing, &of_x);
                matmul(x.turned(), gradient, Addend::Nothing, &of_weight);
                Ok([output, of_x, of_weight].map(flat).into())
            }),
            Box::new(move || {
                let output = module::linear(x.clone(), weight.clone(), Some(bias.clone()));
                let of_x = gradient.clone().matmul(weight.clone().transpose());
                let of_weight = x.clone().transpose().matmul(gradient.clone());
                Ok([output, of_x, of_weight].map(|it| it.flatten(0, 1)).into())
            }),
        ]
    }
}
