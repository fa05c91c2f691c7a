//! Floats in the formats in which they travel to another device.

use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::{TensorMetadata, Wgpu};
use burn::tensor::{FloatDType, IntDType, Shape};
use trainyard_config::WireFormat;

use super::launch::{LANES, Program, groups, place, place_of_ints, u32_of};
use super::template::Constant;
use super::{GpuIntTensor, GpuTensor};

const PACK: &str = concat!(
    include_str!("../../../../shaders/each.wgsl"),
    include_str!("../../../../shaders/wire_pack.wgsl")
);
const UNPACK: &str = concat!(
    include_str!("../../../../shaders/each.wgsl"),
    include_str!("../../../../shaders/half.wgsl"),
    include_str!("../../../../shaders/wire_unpack.wgsl")
);

/// Words of a block in [`WireFormat::Q8`].
const BLOCK_WORDS: usize = 9;

/// Packs numbers, each times `scale`, a power of two, into so many words, `[words]`.
pub(crate) fn pack(
    format: WireFormat,
    numbers: &GpuTensor,
    words: usize,
    scale: f32,
) -> GpuIntTensor {
    let packed = Wgpu::int_empty([words].into(), &numbers.device(), IntDType::I32);
    // A lane packs a word, or a block.
    let lanes = if format == WireFormat::Q8 { words / BLOCK_WORDS } else { words };
    let count = numbers.shape().num_elements();
    let sizes = [u32_of(count), u32_of(lanes), scale.to_bits()];
    let program = Program::new(PACK, LANES, constants(format));
    program.launch(groups(lanes, LANES), [&place(numbers), &place_of_ints(&packed)], &sizes);
    packed
}

/// Unpacks numbers of a shape that were packed with the same scale.
pub(crate) fn unpack(
    format: WireFormat,
    words: &GpuIntTensor,
    shape: Shape,
    scale: f32,
) -> GpuTensor {
    let count = shape.num_elements();
    let numbers = Wgpu::float_empty(shape, &words.device(), FloatDType::F32);
    let sizes = [u32_of(count), (1.0 / scale).to_bits()];
    let program = Program::new(UNPACK, LANES, constants(format));
    program.launch(groups(count, LANES), [&place_of_ints(words), &place(&numbers)], &sizes);
    numbers
}

fn constants(format: WireFormat) -> [(&'static str, Constant); 4] {
    [
        ("LANES", LANES.into()),
        ("F16", (format == WireFormat::F16).into()),
        ("BF16", (format == WireFormat::Bf16).into()),
        ("Q8", (format == WireFormat::Q8).into()),
    ]
}
