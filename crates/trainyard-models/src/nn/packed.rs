//! A frozen weight in blocks of few bits.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use trainyard_config::BlockFormat;
use trainyard_pretrained::{Element, decode, encode};

use super::linear::linear_turned;
use crate::fused::packed_linear;

/// How files name the blocks of a format.
pub(crate) fn element(format: BlockFormat) -> Element {
    match format {
        BlockFormat::Q8_0 => Element::Q8_0,
        BlockFormat::Q4_0 => Element::Q4_0,
        BlockFormat::Q4_1 => Element::Q4_1,
    }
}

/// A frozen matrix of `[outputs, inputs]` whose rows are blocks of 32 numbers, as GGUF files have them. It stays
/// packed: products turn a few of its rows into numbers at a time, forward and backward. Its bytes are the bits of numbers
/// that may be none, so that a model with it must be one that
/// [takes what is frozen from elsewhere](trainyard_engine::Model::frozen_from).
#[derive(Module, Debug)]
pub struct PackedWeight {
    /// The blocks, row by row, four bytes in the bits of each number: nobody computes with these.
    pub blocks: Param<Tensor<1>>,
    #[module(skip)]
    element: Element,
    #[module(skip)]
    shape: [usize; 2],
}

impl PackedWeight {
    /// From numbers, row by row; None where a row is no whole blocks or there are more or fewer numbers.
    pub fn of_numbers(
        format: BlockFormat,
        shape: [usize; 2],
        numbers: &[f32],
        device: &Device,
    ) -> Option<Self> {
        Self::of_blocks(format, shape, &encode(element(format), numbers)?, device)
    }

    /// From blocks as they lie in files, row by row; None where they are not of this shape.
    pub fn of_blocks(
        format: BlockFormat,
        shape: [usize; 2],
        bytes: &[u8],
        device: &Device,
    ) -> Option<Self> {
        let [outputs, inputs] = shape;
        let element = element(format);
        if element.bytes_of(&[outputs as u64, inputs as u64])? != bytes.len() as u64 {
            return None;
        }
        let bits = |bytes: &[u8]| {
            let mut four = [0; 4];
            four.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            f32::from_bits(u32::from_le_bytes(four))
        };
        let bits: Vec<f32> = bytes.chunks(4).map(bits).collect();
        let length = bits.len();
        let device = device.clone().autodiff();
        let blocks = Tensor::from_data(TensorData::new(bits, [length]), &device);
        let blocks = Param::from_tensor(blocks).set_require_grad(false);
        Some(Self { blocks, element, shape })
    }

    /// `x·Wᵀ`, `[…, inputs]` to `[…, outputs]`.
    pub fn linear<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let blocks = self.blocks.val();
        packed_linear(&x, &blocks, self.element, self.shape)
            .unwrap_or_else(|| linear_turned(x, self.numbers(), None))
    }

    /// All of it as numbers, for what does not compute with blocks.
    fn numbers(&self) -> Tensor<2> {
        let blocks = self.blocks.val();
        let device = blocks.device();
        let bits = blocks.into_data();
        let bits = bits.as_slice::<f32>().unwrap_or_default();
        let bytes: Vec<u8> = bits.iter().flat_map(|bits| bits.to_bits().to_le_bytes()).collect();
        let mut numbers = vec![0.0; self.shape[0] * self.shape[1]];
        // Of an element that there is: it was made from blocks.
        decode(self.element, &bytes, &mut numbers);
        Tensor::from_data(TensorData::new(numbers, self.shape), &device)
    }
}
