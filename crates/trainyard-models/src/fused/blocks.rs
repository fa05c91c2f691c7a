//! Numbers in blocks of 32 that share a scale, as llama.cpp's `ggml-quants.c` has them.

use half::f16;
use multiversion::multiversion;
use trainyard_config::BlockFormat;

/// Numbers of a block.
pub(crate) const BLOCK: usize = 32;

/// Bytes of a block.
pub(crate) fn block_bytes(format: BlockFormat) -> usize {
    match format {
        // A scale of 16 bits, and a byte a number.
        BlockFormat::Q8_0 => 2 + BLOCK,
        // A scale, and half a byte a number.
        BlockFormat::Q4_0 => 2 + BLOCK / 2,
        // A scale and the smallest number, and half a byte a number.
        BlockFormat::Q4_1 => 4 + BLOCK / 2,
    }
}

/// Bytes of a row of numbers; None where they are no whole blocks.
pub(crate) fn row_bytes(format: BlockFormat, numbers: usize) -> Option<usize> {
    numbers.is_multiple_of(BLOCK).then(|| numbers / BLOCK * block_bytes(format))
}

/// Turns whole blocks into numbers; of unequal ones the shorter counts.
pub(crate) fn unpack(format: BlockFormat, bytes: &[u8], numbers: &mut [f32]) {
    match format {
        BlockFormat::Q8_0 => unpack_q8_0(bytes, numbers),
        BlockFormat::Q4_0 => unpack_q4_0(bytes, numbers),
        BlockFormat::Q4_1 => unpack_q4_1(bytes, numbers),
    }
}

fn half(bytes: &[u8]) -> f32 {
    bytes.first_chunk().map_or(0.0, |bytes| f16::from_le_bytes(*bytes).to_f32())
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn unpack_q8_0(bytes: &[u8], numbers: &mut [f32]) {
    let (blocks, _) = bytes.as_chunks::<{ 2 + BLOCK }>();
    for (block, numbers) in blocks.iter().zip(numbers.chunks_exact_mut(BLOCK)) {
        let scale = half(block);
        for (number, quant) in numbers.iter_mut().zip(&block[2..]) {
            *number = f32::from(quant.cast_signed()) * scale;
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn unpack_q4_0(bytes: &[u8], numbers: &mut [f32]) {
    let (blocks, _) = bytes.as_chunks::<{ 2 + BLOCK / 2 }>();
    for (block, numbers) in blocks.iter().zip(numbers.chunks_exact_mut(BLOCK)) {
        let scale = half(block);
        let (low, high) = numbers.split_at_mut(BLOCK / 2);
        for ((low, high), quant) in low.iter_mut().zip(high).zip(&block[2..]) {
            *low = f32::from((quant & 15).cast_signed() - 8) * scale;
            *high = f32::from((quant >> 4).cast_signed() - 8) * scale;
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn unpack_q4_1(bytes: &[u8], numbers: &mut [f32]) {
    let (blocks, _) = bytes.as_chunks::<{ 4 + BLOCK / 2 }>();
    for (block, numbers) in blocks.iter().zip(numbers.chunks_exact_mut(BLOCK)) {
        let (scale, least) = (half(block), half(&block[2..]));
        let (low, high) = numbers.split_at_mut(BLOCK / 2);
        for ((low, high), quant) in low.iter_mut().zip(high).zip(&block[4..]) {
            *low = f32::from(quant & 15) * scale + least;
            *high = f32::from(quant >> 4) * scale + least;
        }
    }
}

/// Puts numbers into blocks, as llama.cpp's reference does; what is no whole block is left out.
pub(crate) fn pack(format: BlockFormat, numbers: &[f32]) -> Vec<u8> {
    let (blocks, _) = numbers.as_chunks::<BLOCK>();
    let mut bytes = Vec::with_capacity(blocks.len() * block_bytes(format));
    for block in blocks {
        match format {
            BlockFormat::Q8_0 => pack_q8_0(block, &mut bytes),
            BlockFormat::Q4_0 => pack_q4_0(block, &mut bytes),
            BlockFormat::Q4_1 => pack_q4_1(block, &mut bytes),
        }
    }
    bytes
}

fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

fn pack_q8_0(block: &[f32; BLOCK], bytes: &mut Vec<u8>) {
    let scale = block.iter().fold(0.0_f32, |most, number| most.max(number.abs())) / 127.0;
    bytes.extend(f16::from_f32(scale).to_le_bytes());
    let inverse = inverse(scale);
    bytes.extend(block.iter().map(|number| ((number * inverse).round() as i8).cast_unsigned()));
}

/// The number that is furthest from 0 becomes −8.
fn pack_q4_0(block: &[f32; BLOCK], bytes: &mut Vec<u8>) {
    let further = |most: f32, &number: &f32| if number.abs() > most.abs() { number } else { most };
    let scale = block.iter().fold(0.0, further) / -8.0;
    bytes.extend(f16::from_f32(scale).to_le_bytes());
    let inverse = inverse(scale);
    halves(block, bytes, |number| number * inverse + 8.5);
}

fn pack_q4_1(block: &[f32; BLOCK], bytes: &mut Vec<u8>) {
    let least = block.iter().copied().fold(f32::INFINITY, f32::min);
    let most = block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let scale = (most - least) / 15.0;
    bytes.extend(f16::from_f32(scale).to_le_bytes());
    bytes.extend(f16::from_f32(least).to_le_bytes());
    let inverse = inverse(scale);
    halves(block, bytes, |number| (number - least) * inverse + 0.5);
}

/// Half a byte for each number: the first sixteen in the low halves, the others in the high ones.
fn halves(block: &[f32; BLOCK], bytes: &mut Vec<u8>, quant: impl Fn(f32) -> f32) {
    let (low, high) = block.split_at(BLOCK / 2);
    // Truncated towards 0.
    let quant = |number: &f32| (quant(*number) as u8).min(15);
    bytes.extend(low.iter().zip(high).map(|(low, high)| quant(low) | quant(high) << 4));
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATS: [BlockFormat; 3] = [BlockFormat::Q8_0, BlockFormat::Q4_0, BlockFormat::Q4_1];

    fn there_and_back(format: BlockFormat, numbers: &[f32]) -> Vec<f32> {
        let bytes = pack(format, numbers);
        assert_eq!(Some(bytes.len()), row_bytes(format, numbers.len()));
        let mut back = vec![f32::NAN; numbers.len()];
        unpack(format, &bytes, &mut back);
        back
    }

    #[test]
    fn numbers_come_back_within_half_a_step() {
        let numbers: Vec<f32> = (0..128).map(|i| ((i * 37 % 101) as f32 - 40.0) / 17.0).collect();
        for format in FORMATS {
            let back = there_and_back(format, &numbers);
            for (block, back) in numbers.chunks(BLOCK).zip(back.chunks(BLOCK)) {
                let most = block.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
                let range = block.iter().fold(f32::NEG_INFINITY, |most, number| most.max(*number))
                    - block.iter().fold(f32::INFINITY, |least, number| least.min(*number));
                let step = match format {
                    BlockFormat::Q8_0 => most / 127.0,
                    // The other end of the numbers has one step less.
                    BlockFormat::Q4_0 => 2.0 * most / 8.0,
                    BlockFormat::Q4_1 => range / 15.0,
                };
                for (number, back) in block.iter().zip(back) {
                    // Scales have eleven bits.
                    let allowed = 0.5 * step + most / 1000.0;
                    assert!((number - back).abs() <= allowed, "{format:?}: {number}, {back}");
                }
            }
        }
    }

    #[test]
    fn zeros_stay_zeros_and_odd_rows_are_none() {
        for format in FORMATS {
            assert_eq!(there_and_back(format, &[0.0; 64]), [0.0; 64]);
            assert_eq!(row_bytes(format, 33), None);
        }
    }

    /// By hand, after `ggml-quants.c`.
    #[test]
    fn blocks_lie_as_in_gguf_files() {
        let numbers: [f32; BLOCK] = std::array::from_fn(|i| i as f32 - 16.0);
        let one = f16::from_f32(2.0).to_le_bytes();
        let q4_0 = pack(BlockFormat::Q4_0, &numbers);
        assert_eq!(q4_0[..2], one);
        // −16 is 0 and 0 is 8; −15 is 0.5 + 0.5 and 1 is 8.5 + 0.5.
        assert_eq!(q4_0[2..4], [0x80, 0x91]);
        let q8_0 = pack(BlockFormat::Q8_0, &numbers.map(|number| number * 127.0 / 16.0));
        assert_eq!(q8_0[..2], f16::from_f32(1.0).to_le_bytes());
        assert_eq!(q8_0[2], (-127_i8).cast_unsigned());
    }
}
