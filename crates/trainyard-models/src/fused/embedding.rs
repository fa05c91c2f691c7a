//! The gradient of an embedding's table.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Flex, TensorMetadata, Wgpu};
use burn::tensor::{DType, FloatDType};
use trainyard_engine::kernels::{Kernel, embedding_backward, uses};

use crate::weighted::added;

/// Adds the gradients of looked-up rows to a table's sum, at the rows' indices.
type AddRowsFn<B> = fn(&FloatTensor<B>, &IntTensor<B>, FloatTensor<B>) -> FloatTensor<B>;

/// A backend that may have a kernel of ours for it.
pub(crate) trait AddRows: Backend {
    /// The kernel; None where Burn's own is taken.
    const KERNEL: Option<AddRowsFn<Self>>;
}

impl AddRows for Flex {
    const KERNEL: Option<AddRowsFn<Self>> = None;
}

impl AddRows for Wgpu {
    const KERNEL: Option<AddRowsFn<Self>> = Some(embedding_backward);
}

/// The gradient of a table, `[table rows, width]`, from those of looked-up rows, `[batch, length, width]`, at
/// their indices, `[batch, length]`; added to a sum where there is one. The result and the sum are flat.
pub(crate) fn table_gradient<B: AddRows>(
    table: FloatTensor<B>,
    gradient: FloatTensor<B>,
    rows: IntTensor<B>,
    sum: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let elements = table.shape().num_elements();
    let has_elements = elements > 0 && gradient.shape().num_elements() > 0;
    let are_ours = gradient.dtype() == DType::F32 && rows.dtype() == DType::I32 && has_elements;
    // Asked on CPU devices too, where it is found out what a model can use.
    let is_used = uses(Kernel::Embedding);
    match B::KERNEL.filter(|_| is_used && are_ours) {
        Some(add) => {
            let zeros = || B::float_zeros([elements].into(), &table.device(), FloatDType::F32);
            add(&gradient, &rows, sum.unwrap_or_else(zeros))
        }
        None => added::<B>(B::embedding_backward(table, gradient, rows), sum),
    }
}
