//! Cross-entropy of logits.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};

use super::contest::{Contest, Run, flat, of};
use crate::kernels::cross_entropy;
use crate::kernels::launch::{gpu_ints, gpu_tensor};

impl Contest {
    pub(super) fn cross_entropy(&self) -> [Run<'_>; 2] {
        let (rows, classes) = (self.sizes.rows(), self.sizes.width + 1);
        let logits = self.numbers([rows, classes], 1).mul_scalar(4.0);
        let target = |row| i32::try_from(row * 7 % classes).unwrap_or_default();
        let targets: Vec<i32> = (0..rows).map(target).collect();
        let targets = TensorData::new(targets, [rows]);
        let targets = Tensor::<1, Int>::from_data(targets, &self.device);
        let ours = (logits.clone(), targets.clone());
        [
            Box::new(move || {
                let (losses, gradient) =
                    cross_entropy(&gpu_tensor(ours.0.clone())?, &gpu_ints(ours.1.clone())?);
                Ok(vec![flat(losses).mean(), flat(gradient)])
            }),
            Box::new(move || {
                let logits = logits.clone().autodiff().require_grad();
                let chosen = targets.clone().unsqueeze_dim(1);
                let loss = log_softmax(logits.clone(), 1).gather(1, chosen).mean().neg();
                let mut all = loss.backward();
                Ok(vec![loss.inner(), of(&logits, &mut all)?])
            }),
        ]
    }
}
