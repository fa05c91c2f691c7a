//! A product with a frozen weight in blocks, which is turned into numbers a few rows at a time: forward and
//! backward hold no more of it.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;
use trainyard_pretrained::{Element, decode};

use super::product::{Matrix, add_product, product};
use super::{Fused, input, run, shape, tensor, values};

/// Rows of the weight that are numbers at a time.
const TILE: usize = 128;

/// `x·Wᵀ` on the last dimension, `[…, inputs]` to `[…, outputs]`; None where it is not on a CPU device.
///
/// `blocks` are the bytes of W, `[outputs, inputs]`, row by row, four in the bits of each number.
pub(crate) fn packed_linear<const D: usize>(
    x: &Tensor<D>,
    blocks: &Tensor<1>,
    element: Element,
    [outputs, inputs]: [usize; 2],
) -> Option<Tensor<D>> {
    let row_bytes = element.bytes_of(&[inputs as u64])?;
    if x.dims().last() != Some(&inputs) {
        return None;
    }
    let row_bytes = usize::try_from(row_bytes).ok()?;
    let blocks = input::<Flex, 1>(blocks)?.into_values();
    run(PackedLinear { blocks, element, outputs, inputs, row_bytes }, [input(x)])
}

#[derive(Clone, Debug)]
struct PackedLinear {
    blocks: FlexTensor,
    element: Element,
    outputs: usize,
    inputs: usize,
    row_bytes: usize,
}

impl PackedLinear {
    /// Runs over the weight tile by tile: the tile's first row and its numbers.
    fn tiles(&self, mut take: impl FnMut(usize, &[f32])) {
        let bits = values(&self.blocks);
        let mut numbers = vec![0.0; TILE.min(self.outputs) * self.inputs];
        for first in (0..self.outputs).step_by(TILE) {
            let rows = TILE.min(self.outputs - first);
            let (start, end) = (first * self.row_bytes, (first + rows) * self.row_bytes);
            let bits = &bits[(start / 4).min(bits.len())..end.div_ceil(4).min(bits.len())];
            let bytes: Vec<u8> =
                bits.iter().flat_map(|bits| bits.to_bits().to_le_bytes()).collect();
            let bytes = &bytes[(start % 4).min(bytes.len())..];
            let numbers = &mut numbers[..rows * self.inputs];
            let rows = numbers.par_chunks_mut(self.inputs).zip(bytes.par_chunks(self.row_bytes));
            rows.for_each(|(numbers, bytes)| {
                // Of an element that there is: it was made from blocks.
                decode(self.element, bytes, numbers);
            });
            take(first, numbers);
        }
    }
}

impl Fused<Flex, 1> for PackedLinear {
    type Saved = Vec<usize>;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, Vec<usize>) {
        let of_x = shape(&x);
        let x = Matrix::new(values(&x), self.inputs);
        let mut output = vec![0.0; x.rows() * self.outputs];
        self.tiles(|first, numbers| {
            let tile = Matrix::new(numbers, self.inputs);
            let part = product(x, tile.turned());
            let rows = output.chunks_exact_mut(self.outputs).zip(part.chunks_exact(tile.rows()));
            rows.for_each(|(row, part)| row[first..first + part.len()].copy_from_slice(part));
        });
        let mut of_output = of_x.clone();
        if let Some(last) = of_output.last_mut() {
            *last = self.outputs;
        }
        (tensor(output, of_output), of_x)
    }

    /// `∂x = ∂·W`, tile by tile.
    fn backward(&self, of_x: Vec<usize>, gradient: FlexTensor, _: [bool; 1]) -> [FlexTensor; 1] {
        let gradient = values(&gradient);
        let rows = gradient.len() / self.outputs.max(1);
        let mut sum = vec![0.0; rows * self.inputs];
        let mut part = Vec::with_capacity(rows * TILE.min(self.outputs));
        self.tiles(|first, numbers| {
            let tile = Matrix::new(numbers, self.inputs);
            part.clear();
            for row in gradient.chunks_exact(self.outputs) {
                part.extend_from_slice(&row[first..first + tile.rows()]);
            }
            add_product(Matrix::new(&part, tile.rows()), tile, &mut sum);
        });
        [tensor(sum, of_x)]
    }
}
