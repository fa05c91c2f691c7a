//! Frozen matrices in blocks of few bits: products with them, and rows of them. They are turned into numbers part by
//! part: forward and backward hold no more of them. For wgpu devices see [`super::packed_on_gpu`].

use std::ops::Range;

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{Int, Tensor};
use rayon::prelude::*;
use trainyard_engine::kernels::{Kernel, portable_kernels, unpacked_rows, uses};
use trainyard_pretrained::{Element, decode};

use super::packed_on_gpu::{linear_on_gpu, rows_on_gpu};
use super::product::{Matrix, add_product, product};
use super::{Fused, input, run, shape, tensor, values};

/// Rows of a matrix that are numbers at a time on CPU devices.
const TILE: usize = 128;

/// How a matrix of `[outputs, inputs]` lies in blocks, row by row, of which each is whole blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(super) element: Element,
    pub(super) outputs: usize,
    pub(super) inputs: usize,
    row_bytes: usize,
}

impl Layout {
    /// None where a row is no whole blocks, or none at all.
    pub(crate) fn new(element: Element, [outputs, inputs]: [usize; 2]) -> Option<Self> {
        let row_bytes = usize::try_from(element.bytes_of(&[inputs as u64])?).ok()?;
        (outputs > 0 && row_bytes > 0).then_some(Self { element, outputs, inputs, row_bytes })
    }

    /// All rows, some at a time.
    pub(super) fn parts(self, rows: usize) -> impl Iterator<Item = Range<usize>> {
        let end = self.outputs;
        (0..end).step_by(rows.max(1)).map(move |first| first..end.min(first + rows))
    }

    /// Bytes of some rows, of which `bits` has all, four bytes each.
    fn bytes(self, bits: &[f32], rows: Range<usize>) -> Vec<u8> {
        let (start, end) = (rows.start * self.row_bytes, rows.end * self.row_bytes);
        let bits = &bits[(start / 4).min(bits.len())..end.div_ceil(4).min(bits.len())];
        let mut bytes = Vec::with_capacity(4 * bits.len());
        for bits in bits {
            bytes.extend_from_slice(&bits.to_bits().to_le_bytes());
        }
        bytes.drain(..(start % 4).min(bytes.len()));
        bytes
    }
}

/// `x·Wᵀ` on the last dimension, `[…, inputs]` to `[…, outputs]`; None where it is on no device of the engine's, or
/// empty.
///
/// `blocks` are the bytes of W, four in the bits of each number.
pub(crate) fn packed_linear<const D: usize>(
    x: &Tensor<D>,
    blocks: &Tensor<1>,
    layout: Layout,
) -> Option<Tensor<D>> {
    let dims = x.dims();
    if dims.last() != Some(&layout.inputs) || dims.contains(&0) {
        return None;
    }
    let on_gpu = || linear_on_gpu(x, blocks, layout);
    let on_cpu = || {
        // What is counted for all devices holds for wgpu devices.
        let rows = if portable_kernels() { unpacked_rows(layout.inputs) } else { TILE };
        // Asked here too, where it is found out what a model can use.
        uses(Kernel::Linear);
        let blocks = input::<Flex, 1>(blocks)?.into_values();
        run(PackedLinear { blocks, layout, rows }, [input(x)])
    };
    on_cpu().or_else(on_gpu)
}

/// The rows of a matrix in blocks at some indices, `[batch, length]` to `[batch, length, inputs]`, without graph; not a
/// number in place of one that is not there. None where it is on no device of the engine's.
pub(crate) fn packed_rows(
    blocks: &Tensor<1>,
    layout: Layout,
    indices: &Tensor<2, Int>,
) -> Option<Tensor<3>> {
    let Some(flat) = input::<Flex, 1>(blocks) else { return rows_on_gpu(blocks, layout, indices) };
    let flat = flat.into_values();
    let bits = values(&flat);
    let [batch, length] = indices.dims();
    let indices: Vec<i64> = indices.clone().into_data().iter::<i64>().collect();
    let mut numbers = vec![f32::NAN; batch * length * layout.inputs];
    numbers.par_chunks_mut(layout.inputs).zip(indices).for_each(|(numbers, index)| {
        if let Some(row) = usize::try_from(index).ok().filter(|row| *row < layout.outputs) {
            // Of an element that there is: it was made from blocks.
            decode(layout.element, &layout.bytes(bits, row..row + 1), numbers);
        }
    });
    Some(Tensor::from_primitive::<Flex>(tensor(numbers, [batch, length, layout.inputs])))
}

#[derive(Clone, Debug)]
struct PackedLinear {
    blocks: FlexTensor,
    layout: Layout,
    /// How many are numbers at a time.
    rows: usize,
}

impl PackedLinear {
    /// Runs over the weight part by part: the part's first row and its numbers.
    fn parts(&self, mut take: impl FnMut(usize, &[f32])) {
        let Layout { element, outputs, inputs, row_bytes } = self.layout;
        let mut numbers = vec![0.0; self.rows.min(outputs) * inputs];
        for rows in self.layout.parts(self.rows) {
            let bytes = self.layout.bytes(values(&self.blocks), rows.clone());
            let numbers = &mut numbers[..rows.len() * inputs];
            let each = numbers.par_chunks_mut(inputs).zip(bytes.par_chunks(row_bytes));
            each.for_each(|(numbers, bytes)| {
                // Of an element that there is: it was made from blocks.
                decode(element, bytes, numbers);
            });
            take(rows.start, numbers);
        }
    }
}

impl Fused<Flex, 1> for PackedLinear {
    type Saved = Vec<usize>;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, Vec<usize>) {
        let of_x = shape(&x);
        let Layout { outputs, inputs, .. } = self.layout;
        let x = Matrix::new(values(&x), inputs);
        let mut output = vec![0.0; x.rows() * outputs];
        self.parts(|first, numbers| {
            let part = Matrix::new(numbers, inputs);
            let product = product(x, part.turned());
            let rows = output.chunks_exact_mut(outputs).zip(product.chunks_exact(part.rows()));
            rows.for_each(|(row, part)| row[first..first + part.len()].copy_from_slice(part));
        });
        let mut of_output = of_x.clone();
        if let Some(last) = of_output.last_mut() {
            *last = outputs;
        }
        (tensor(output, of_output), of_x)
    }

    /// `∂x = ∂·W`, part by part.
    fn backward(&self, of_x: Vec<usize>, gradient: FlexTensor, _: [bool; 1]) -> [FlexTensor; 1] {
        let Layout { outputs, inputs, .. } = self.layout;
        let gradient = values(&gradient);
        let rows = gradient.len() / outputs;
        let mut sum = vec![0.0; rows * inputs];
        let mut of_part = Vec::with_capacity(rows * self.rows.min(outputs));
        self.parts(|first, numbers| {
            let part = Matrix::new(numbers, inputs);
            of_part.clear();
            for row in gradient.chunks_exact(outputs) {
                of_part.extend_from_slice(&row[first..first + part.rows()]);
            }
            add_product(Matrix::new(&of_part, part.rows()), part, &mut sum);
        });
        [tensor(sum, of_x)]
    }
}
