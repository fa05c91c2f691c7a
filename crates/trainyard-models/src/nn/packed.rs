//! A frozen weight in blocks of few bits.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use trainyard_config::BlockFormat;

use super::linear::linear_turned;
use crate::fused::{pack, packed_linear, row_bytes, unpack};

/// A frozen matrix of `[outputs, inputs]` whose rows are blocks of 32 numbers, as GGUF files have them. It stays
/// packed: products turn a few of its rows into numbers at a time, forward and backward. Its bytes are the bits of numbers
/// that may be none, so that a model with it must be one that [`rebuilds`](trainyard_engine::Model::rebuilds_frozen) what
/// is frozen.
#[derive(Module, Debug)]
pub struct PackedWeight {
    /// The blocks, row by row, four bytes in the bits of each number: nobody computes with these.
    pub blocks: Param<Tensor<1>>,
    #[module(skip)]
    format: BlockFormat,
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
        let fits = numbers.len() == shape[0] * shape[1];
        fits.then(|| Self::of_blocks(format, shape, &pack(format, numbers), device)).flatten()
    }

    /// From blocks as they lie in files, row by row; None where they are not of this shape.
    pub fn of_blocks(
        format: BlockFormat,
        shape: [usize; 2],
        bytes: &[u8],
        device: &Device,
    ) -> Option<Self> {
        let [outputs, inputs] = shape;
        let needed = row_bytes(format, inputs)?.checked_mul(outputs)?;
        if bytes.len() != needed {
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
        Some(Self { blocks, format, shape })
    }

    /// `x·Wᵀ`, `[…, inputs]` to `[…, outputs]`.
    pub fn linear<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let blocks = self.blocks.val();
        packed_linear(&x, &blocks, self.format, self.shape)
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
        unpack(self.format, &bytes, &mut numbers);
        Tensor::from_data(TensorData::new(numbers, self.shape), &device)
    }
}
