//! A linear layer, `x·W (+ b)` on the last dimension, for CPU devices.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;

use super::product::{Matrix, add_product, product};
use super::{shape, tensor, values};
use crate::weighted::{Weighted, added};

/// `[…, inputs]` to `[…, outputs]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    /// The weight is `[outputs, inputs]` rather than `[inputs, outputs]`.
    pub(crate) turned: bool,
}

impl Linear {
    /// The weight as `[inputs, outputs]`.
    fn matrix(self, weight: &FlexTensor) -> Matrix<'_> {
        let matrix = Matrix::new(values(weight), last(weight));
        if self.turned { matrix.turned() } else { matrix }
    }
}

/// The size of the last dimension.
fn last(tensor: &FlexTensor) -> usize {
    tensor.layout().shape().as_slice().last().copied().unwrap_or(1)
}

impl Weighted<Flex> for Linear {
    fn forward(
        &self,
        x: &FlexTensor,
        weight: &FlexTensor,
        bias: Option<&FlexTensor>,
    ) -> FlexTensor {
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        let weight = self.matrix(&weight);
        let outputs = weight.columns();
        let mut output = product(Matrix::new(values(&x), last(&x)), weight);
        if let Some(bias) = bias.map(FlexTensor::to_contiguous) {
            for row in output.chunks_exact_mut(outputs.max(1)) {
                for (output, bias) in row.iter_mut().zip(values(&bias)) {
                    *output += bias;
                }
            }
        }
        let mut shape = shape(&x);
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        tensor(output, shape)
    }

    /// `∂x = ∂·Wᵀ`
    fn input_gradient(
        &self,
        x: &FlexTensor,
        weight: &FlexTensor,
        gradient: &FlexTensor,
    ) -> FlexTensor {
        let (weight, gradient) = (weight.to_contiguous(), gradient.to_contiguous());
        let rows = Matrix::new(values(&gradient), last(&gradient));
        tensor(product(rows, self.matrix(&weight).turned()), shape(x))
    }

    fn weight_gradient(
        &self,
        x: FlexTensor,
        weight: FlexTensor,
        gradient: FlexTensor,
    ) -> FlexTensor {
        self.add_weight_gradient(x, weight, gradient, None)
    }

    /// `∂W = xᵀ·∂`, in the sum itself.
    fn add_weight_gradient(
        &self,
        x: FlexTensor,
        _weight: FlexTensor,
        gradient: FlexTensor,
        sum: Option<FlexTensor>,
    ) -> FlexTensor {
        let (x, gradient) = (x.to_contiguous(), gradient.to_contiguous());
        let x = Matrix::new(values(&x), last(&x));
        let rows = Matrix::new(values(&gradient), last(&gradient));
        let (left, right) = if self.turned { (rows.turned(), x) } else { (x.turned(), rows) };
        let elements = left.rows() * right.columns();
        match sum {
            Some(mut sum) if sum.is_contiguous() && sum.storage::<f32>().len() == elements => {
                add_product(left, right, sum.storage_mut());
                sum
            }
            sum => added::<Flex>(tensor(product(left, right), [elements]), sum),
        }
    }

    /// `∂b = Σ ∂`, over the rows in their order.
    fn bias_gradient(&self, _x: FlexTensor, bias: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        let gradient = gradient.to_contiguous();
        let outputs = last(&bias);
        let mut sums = vec![0.0; outputs];
        for row in values(&gradient).chunks_exact(outputs.max(1)) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
        tensor(sums, [outputs])
    }
}
