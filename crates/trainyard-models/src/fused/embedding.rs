//! The gradient of an embedding's table.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Flex, TensorMetadata, Wgpu};
use burn::tensor::{DType, FloatDType};
use trainyard_engine::kernels::{Kernel, embedding_backward, portable_kernels, uses};

use super::{shape, tensor, values};
use crate::weighted::added;

/// Adds the gradients of looked-up rows to a table's sum, at the rows' indices.
type AddRowsFn<B> = fn(&FloatTensor<B>, &IntTensor<B>, FloatTensor<B>) -> FloatTensor<B>;

/// A backend with a kernel of ours for it.
pub(crate) trait AddRows: Backend {
    /// The kernel; None where Burn's own is taken. `is_used` says whether the thread's wgpu device uses ours.
    fn kernel(is_used: bool) -> Option<AddRowsFn<Self>>;

    /// Zeros, flat, on the device of another tensor.
    fn zeros(elements: usize, beside: &FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_zeros([elements].into(), &beside.device(), FloatDType::F32)
    }
}

impl AddRows for Flex {
    fn kernel(_: bool) -> Option<AddRowsFn<Self>> {
        (!portable_kernels()).then_some(add_rows)
    }

    /// Burn's own are there twice for a moment.
    fn zeros(elements: usize, _: &FlexTensor) -> FlexTensor {
        tensor(vec![0.0; elements], [elements])
    }
}

impl AddRows for Wgpu {
    fn kernel(is_used: bool) -> Option<AddRowsFn<Self>> {
        is_used.then_some(embedding_backward)
    }
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
    match B::kernel(is_used).filter(|_| are_ours) {
        Some(add) => {
            let zeros = || B::zeros(elements, &table);
            add(&gradient, &rows, sum.unwrap_or_else(zeros))
        }
        None => added::<B>(B::embedding_backward(table, gradient, rows), sum),
    }
}

/// One row after the other, in the sum itself: a table is far larger than the rows that were looked up in it.
fn add_rows(gradient: &FlexTensor, rows: &FlexTensor, sum: FlexTensor) -> FlexTensor {
    let (gradient, rows) = (gradient.to_contiguous(), rows.to_contiguous());
    let width = shape(&gradient).last().copied().unwrap_or(1).max(1);
    let elements = shape(&sum).iter().product::<usize>();
    let mut sum = if sum.is_contiguous() && sum.storage::<f32>().len() == elements {
        sum
    } else {
        tensor(values(&sum.to_contiguous()).to_vec(), [elements])
    };
    let sums: &mut [f32] = sum.storage_mut();
    let rows = rows.as_slice::<i32>().unwrap_or_default();
    for (&row, gradient) in rows.iter().zip(values(&gradient).chunks_exact(width)) {
        let of_row = sums.chunks_exact_mut(width).nth(usize::try_from(row).unwrap_or(usize::MAX));
        for (sum, value) in of_row.into_iter().flatten().zip(gradient) {
            *sum += value;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use trainyard_engine::with_portable_kernels;

    use super::*;

    #[test]
    fn rows_of_a_table_are_added_as_burn_adds_them() {
        let rows = FlexTensor::from_data(TensorData::new(vec![1_i32, 3, 1, 0, 1], [1, 5]));
        let numbers = |count: u8| (0..count).map(|it| f32::from(it) / 2.0).collect();
        let (table, gradient) = (tensor(numbers(12), [4, 3]), tensor(numbers(15), [1, 5, 3]));
        for sum in [None, Some(tensor(numbers(12), [12]))] {
            let found = || {
                table_gradient::<Flex>(table.clone(), gradient.clone(), rows.clone(), sum.clone())
            };
            assert_eq!(values(&found()), values(&with_portable_kernels(found)));
        }
    }
}
