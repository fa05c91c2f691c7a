//! A linear layer, `x·W (+ b)` on the last dimension.

use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Flex, TensorMetadata, Wgpu};
use burn::tensor::Shape;
use trainyard_engine::kernels::{Addend, GpuTensor, Side, matmul, own, room};

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
        shape: Shape,
        weight: &FlexTensor,
        gradient: &FlexTensor,
    ) -> FlexTensor {
        let (weight, gradient) = (weight.to_contiguous(), gradient.to_contiguous());
        let rows = Matrix::new(values(&gradient), last(&gradient));
        tensor(product(rows, self.matrix(&weight).turned()), shape.to_vec())
    }

    fn weight_gradient(
        &self,
        x: FlexTensor,
        weight: FlexTensor,
        gradient: FlexTensor,
    ) -> FlexTensor {
        Weighted::<Flex>::add_weight_gradient(self, x, weight, gradient, None)
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

impl Linear {
    /// The weight as `[inputs, outputs]`.
    fn side(self, weight: &GpuTensor) -> Side<'_> {
        let side = Side::new(weight);
        if self.turned { side.turned() } else { side }
    }
}

impl Weighted<Wgpu> for Linear {
    fn forward(&self, x: &GpuTensor, weight: &GpuTensor, bias: Option<&GpuTensor>) -> GpuTensor {
        let mut shape = x.shape();
        let last = shape.num_dims() - 1;
        shape[last] = self.side(weight).columns();
        let output = room(x, shape);
        let addend = bias.map_or(Addend::Nothing, Addend::Bias);
        matmul(Side::new(x), self.side(weight), addend, &output);
        output
    }

    /// `∂x = ∂·Wᵀ`
    fn input_gradient(&self, shape: Shape, weight: &GpuTensor, gradient: &GpuTensor) -> GpuTensor {
        let output = room(gradient, shape);
        matmul(Side::new(gradient), self.side(weight).turned(), Addend::Nothing, &output);
        output
    }

    fn weight_gradient(&self, x: GpuTensor, weight: GpuTensor, gradient: GpuTensor) -> GpuTensor {
        Weighted::<Wgpu>::add_weight_gradient(self, x, weight, gradient, None)
    }

    /// `∂W = xᵀ·∂`, in the sum itself.
    fn add_weight_gradient(
        &self,
        x: GpuTensor,
        weight: GpuTensor,
        gradient: GpuTensor,
        sum: Option<GpuTensor>,
    ) -> GpuTensor {
        let (left, right) = if self.turned { (&gradient, &x) } else { (&x, &gradient) };
        let (output, addend) = match sum {
            Some(sum) => (own(sum), Addend::Output),
            None => (room(&x, [weight.shape().num_elements()]), Addend::Nothing),
        };
        matmul(Side::new(left).turned(), Side::new(right), addend, &output);
        output
    }

    /// `∂b = Σ ∂`
    fn bias_gradient(&self, _x: GpuTensor, bias: GpuTensor, gradient: GpuTensor) -> GpuTensor {
        let outputs = bias.shape().num_elements();
        let rows = gradient.shape().num_elements() / outputs.max(1);
        let gradient = Wgpu::float_reshape(gradient, Shape::from([rows, outputs]));
        Wgpu::float_reshape(Wgpu::float_sum_dim(gradient, 0), Shape::from([outputs]))
    }
}
