//! The gradient of an embedding's table, added to a sum.

use std::cell::Cell;

use burn::backend::Wgpu;
use burn::backend::ops::{FloatTensorOps, IntTensorOps, ModuleOps};
use burn::tensor::{Int, Tensor, TensorData};

use super::contest::{Contest, Run, flat};
use crate::EngineError;
use crate::kernels::embedding_backward;
use crate::kernels::launch::{gpu_ints, gpu_tensor};

impl Contest {
    pub(super) fn embedding(&self) -> [Run<'_>; 2] {
        let (rows, width) = (self.sizes.rows(), self.sizes.width);
        let vocabulary = 4 * rows;
        let gradient = self.numbers([rows, width], 1);
        let [sum, sum_of_ours] = [(); 2].map(|()| self.numbers([vocabulary * width], 2));
        // Every second row looks up what few do, as words do.
        let index =
            |row: usize| if row.is_multiple_of(2) { row * 7 % vocabulary } else { row * row % 65 };
        let indices: Vec<i32> =
            (0..rows).map(|row| i32::try_from(index(row)).unwrap_or_default()).collect();
        let indices = TensorData::new(indices, [rows]);
        let indices = Tensor::<1, Int>::from_data(indices, &self.device);
        let ours = (gradient.clone(), indices.clone(), Cell::new(Some(sum_of_ours)));
        [
            Box::new(move || {
                let (gradient, indices) = (gpu_tensor(ours.0.clone())?, gpu_ints(ours.1.clone())?);
                // In place, as in training: what is added later is not compared.
                let sum = ours.2.take().ok_or_else(|| EngineError::internal("a sum was lost"))?;
                let sum = flat(embedding_backward(&gradient, &indices, gpu_tensor(sum)?));
                ours.2.set(Some(sum.clone()));
                Ok(vec![sum])
            }),
            Box::new(move || {
                let indices = Wgpu::int_reshape(gpu_ints(indices.clone())?, [1, rows].into());
                let gradient = gradient.clone().reshape([1, rows, width]);
                let sum = gpu_tensor(sum.clone())?;
                let table = Wgpu::float_reshape(sum.clone(), [vocabulary, width].into());
                let table = Wgpu::embedding_backward(table, gpu_tensor(gradient)?, indices);
                let table = Wgpu::float_reshape(table, [vocabulary * width].into());
                Ok(vec![flat(Wgpu::float_add(sum, table))])
            }),
        ]
    }
}
