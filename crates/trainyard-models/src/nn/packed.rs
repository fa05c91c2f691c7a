//! A frozen weight in blocks of few bits.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use trainyard_config::BlockFormat;
use trainyard_pretrained::{Element, decode, encode};

use super::linear::linear_turned;
use crate::fused::{Layout, packed_linear, packed_rows};
use crate::sixteen::in_32_bits;

/// How files name the blocks of a format.
pub(crate) fn element(format: BlockFormat) -> Element {
    match format {
        BlockFormat::Q8_0 => Element::Q8_0,
        BlockFormat::Q4_0 => Element::Q4_0,
        BlockFormat::Q4_1 => Element::Q4_1,
    }
}

/// Whether a frozen matrix can be held as files store it: in blocks of few bits.
pub(crate) fn is_packed(element: Element) -> bool {
    element.block_numbers() > 1 && decode(element, &[], &mut [])
}

/// A frozen matrix of `[outputs, inputs]` whose rows are blocks of few bits, as GGUF files have them: `Q8_0`, `Q4_0`, `Q4_1`,
/// `Q5_0`, `Q5_1`, `Q4_K`, `Q5_K` or `Q6_K`. It stays packed: products turn a part of its rows into numbers at a time, forward and
/// backward, and of rows that are looked up no others are. Its bytes are the bits of numbers that may be none, so that a model
/// with it must be one that [takes what is frozen from elsewhere](trainyard_engine::Model::frozen_from).
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
    /// The path of its blocks in a layer that calls it `packed`.
    pub(crate) const PATH: &'static str = "packed.blocks";

    /// From numbers, row by row; None where a row is no whole blocks or there are more or fewer numbers.
    pub fn of_numbers(
        format: BlockFormat,
        shape: [usize; 2],
        numbers: &[f32],
        device: &Device,
    ) -> Option<Self> {
        Self::of_blocks(element(format), shape, &encode(element(format), numbers)?, device)
    }

    /// From blocks as they lie in files, row by row; None where they are none that are known, or not of this shape.
    pub fn of_blocks(
        element: Element,
        shape: [usize; 2],
        bytes: &[u8],
        device: &Device,
    ) -> Option<Self> {
        let [outputs, inputs] = shape;
        let expected = element.bytes_of(&[outputs as u64, inputs as u64])?;
        if !is_packed(element) || expected != bytes.len() as u64 {
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

    /// `x·Wᵀ`, `[…, inputs]` to `[…, outputs]`, in 32-bit floats.
    pub fn linear<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let x = in_32_bits(x);
        let blocks = self.blocks.val();
        let layout = Layout::new(self.element, self.shape);
        let packed = layout.and_then(|layout| packed_linear(&x, &blocks, layout));
        packed.unwrap_or_else(|| linear_turned(x, self.numbers(), None))
    }

    /// Rows at some indices, `[batch, length]` to `[batch, length, inputs]`; not a number in place of one that is not
    /// there.
    pub fn rows(&self, indices: Tensor<2, Int>) -> Tensor<3> {
        let blocks = self.blocks.val();
        let layout = Layout::new(self.element, self.shape);
        let rows = layout.and_then(|layout| packed_rows(&blocks, layout, &indices));
        let rows = rows.unwrap_or_else(|| burn::tensor::module::embedding(self.numbers(), indices));
        if blocks.is_autodiff() { rows.autodiff() } else { rows }
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
