//! Frozen matrices in blocks of few bits on wgpu devices: a kernel of ours makes numbers of a part of them, and a product
//! follows.

use std::ops::Range;

use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::backend::{Autodiff, TensorMetadata, Wgpu};
use burn::tensor::{DType, Int, Shape, Slice, Tensor};
use trainyard_engine::kernels::{Blocks, GpuTensor, Kernel, room, unpacked_rows, uses};

use super::packed::Layout;
use super::{Fused, Linear, input, run};
use crate::weighted::Weighted;

/// A product with a matrix in blocks; None where it is elsewhere.
pub(super) fn linear_on_gpu<const D: usize>(
    x: &Tensor<D>,
    blocks: &Tensor<1>,
    layout: Layout,
) -> Option<Tensor<D>> {
    let kernel = Blocks::named(layout.element.name())?;
    let blocks = input::<Wgpu, 1>(blocks)?.into_values();
    let product = PackedLinear { blocks, kernel, layout, is_ours: uses(Kernel::Linear) };
    run(product, [input(x)])
}

/// The rows of a matrix in blocks at some indices; None where it is elsewhere, or there are none.
pub(super) fn rows_on_gpu(
    blocks: &Tensor<1>,
    layout: Layout,
    indices: &Tensor<2, Int>,
) -> Option<Tensor<3>> {
    let kernel = Blocks::named(layout.element.name())?;
    let blocks = input::<Wgpu, 1>(blocks)?.into_values();
    let indices = match indices.clone().try_into_primitive::<Autodiff<Wgpu>>() {
        Ok(indices) => indices,
        Err(_) => indices.clone().try_into_primitive::<Wgpu>().ok()?,
    };
    let is_any = indices.shape().num_elements() > 0;
    if indices.dtype() != DType::I32 || !is_any {
        return None;
    }
    let mut shape = indices.shape().to_vec();
    shape.push(layout.inputs);
    let rows = kernel.rows_at(&blocks, [layout.outputs, layout.inputs], &indices);
    Some(Tensor::from_primitive::<Wgpu>(Wgpu::float_reshape(rows, shape.into())))
}

#[derive(Clone, Debug)]
struct PackedLinear {
    blocks: GpuTensor,
    kernel: Blocks,
    layout: Layout,
    /// Whether the device multiplies by the kernel of ours.
    is_ours: bool,
}

impl PackedLinear {
    /// `x·Wᵀ` of some rows.
    fn product(&self, x: &GpuTensor, rows: GpuTensor) -> GpuTensor {
        if self.is_ours {
            return Weighted::<Wgpu>::forward(&Linear { turned: true }, x, &rows, None);
        }
        Wgpu::linear(x.clone(), Wgpu::float_swap_dims(rows, 0, 1), None)
    }

    /// `∂·W` of some rows, of a shape.
    fn input_gradient(&self, gradient: GpuTensor, rows: GpuTensor, of_x: Shape) -> GpuTensor {
        if self.is_ours {
            let linear = Linear { turned: true };
            return Weighted::<Wgpu>::input_gradient(&linear, of_x, &rows, &gradient);
        }
        Wgpu::linear_x_backward(Wgpu::float_swap_dims(rows, 0, 1), gradient)
    }
}

impl Fused<Wgpu, 1> for PackedLinear {
    type Saved = Shape;

    fn forward(&self, [x]: [GpuTensor; 1]) -> (GpuTensor, Shape) {
        let Layout { outputs, inputs, .. } = self.layout;
        let of_x = x.shape();
        let part = |rows| self.product(&x, self.kernel.rows(&self.blocks, inputs, rows));
        let at_once = unpacked_rows(inputs);
        if outputs <= at_once {
            return (part(0..outputs), of_x);
        }
        let mut of_output = of_x.to_vec();
        if let Some(last) = of_output.last_mut() {
            *last = outputs;
        }
        let output = room(&x, of_output.clone());
        let output = self.layout.parts(at_once).fold(output, |output, rows| {
            let place = columns(&of_output, rows.clone());
            Wgpu::float_slice_assign(output, &place, part(rows))
        });
        (output, of_x)
    }

    /// `∂x = ∂·W`, part by part.
    fn backward(&self, of_x: Shape, gradient: GpuTensor, _: [bool; 1]) -> [GpuTensor; 1] {
        let Layout { outputs, inputs, .. } = self.layout;
        let part = |gradient, rows| {
            let rows = self.kernel.rows(&self.blocks, inputs, rows);
            self.input_gradient(gradient, rows, of_x.clone())
        };
        let at_once = unpacked_rows(inputs);
        if outputs <= at_once {
            return [part(gradient, 0..outputs)];
        }
        let of_gradient = gradient.shape().to_vec();
        let parts = self.layout.parts(at_once).map(|rows| {
            let place = columns(&of_gradient, rows.clone());
            part(Wgpu::float_slice(gradient.clone(), &place), rows)
        });
        let sum = parts.reduce(Wgpu::float_add);
        // There is a row, and so a part.
        [sum.unwrap_or_else(|| gradient.clone())]
    }
}

/// Some columns of a tensor of a shape.
fn columns(shape: &[usize], columns: Range<usize>) -> Vec<Slice> {
    let mut slices: Vec<Slice> = shape.iter().map(|size| (0..*size).into()).collect();
    if let Some(last) = slices.last_mut() {
        *last = columns.into();
    }
    slices
}
