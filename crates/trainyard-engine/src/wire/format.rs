//! Numbers in the formats in which they travel, on the host: the twins of `shaders/wire_pack.wgsl` and
//! `shaders/wire_unpack.wgsl`.

use trainyard_config::WireFormat;

/// Numbers of a block in [`WireFormat::Q8`].
const BLOCK: usize = 32;
/// Words of a block: a scale, and four numbers each.
const BLOCK_WORDS: usize = 1 + BLOCK / 4;
/// With a larger step, 127 steps would not be finite.
const LARGEST_STEP: f32 = 2.66e36;
/// The bits of an exponent that says "not finite".
const NOT_FINITE: u32 = 0x7f80_0000;

/// 32-bit words for so many numbers.
pub(super) fn words(format: WireFormat, numbers: usize) -> usize {
    match format {
        WireFormat::F32 => numbers,
        WireFormat::F16 | WireFormat::Bf16 => numbers.div_ceil(2),
        WireFormat::Q8 => numbers.div_ceil(BLOCK) * BLOCK_WORDS,
    }
}

/// Packs numbers, each times `scale`, a power of two.
pub(super) fn pack(format: WireFormat, numbers: &[f32], scale: f32) -> Vec<u32> {
    let halves = |half: fn(f32) -> u32| {
        let word = |pair: &[f32]| {
            let at = |index: usize| half(pair.get(index).copied().unwrap_or(0.0) * scale);
            at(0) | at(1) << 16
        };
        numbers.chunks(2).map(word).collect()
    };
    match format {
        WireFormat::F32 => numbers.iter().map(|number| number.to_bits()).collect(),
        WireFormat::F16 => halves(f16_bits),
        WireFormat::Bf16 => halves(bf16_bits),
        WireFormat::Q8 => {
            numbers.chunks(BLOCK).flat_map(|block| pack_block(block, scale)).collect()
        }
    }
}

/// Unpacks so many numbers that were packed with the same scale.
pub(super) fn unpack(format: WireFormat, words: &[u32], numbers: usize, scale: f32) -> Vec<f32> {
    let back = 1.0 / scale;
    let halves = |number: fn(u32) -> f32| {
        let pair = |word: &u32| [number(word & 0xffff) * back, number(word >> 16) * back];
        words.iter().flat_map(pair).take(numbers).collect()
    };
    match format {
        WireFormat::F32 => words.iter().map(|bits| f32::from_bits(*bits)).take(numbers).collect(),
        WireFormat::F16 => halves(from_f16_bits),
        WireFormat::Bf16 => halves(|bits| f32::from_bits(bits << 16)),
        WireFormat::Q8 => {
            let blocks = words.chunks(BLOCK_WORDS);
            blocks.flat_map(|words| unpack_block(words, back)).take(numbers).collect()
        }
    }
}

/// IEEE 754 half precision, rounded to the nearest, ties to even. What is finite stays so: it ends at the
/// largest number there is, 65504.
fn f16_bits(number: f32) -> u32 {
    let bits = number.to_bits();
    let (sign, size) = (bits >> 16 & 0x8000, bits & 0x7fff_ffff);
    if size > NOT_FINITE {
        return sign | 0x7e00;
    }
    if size == NOT_FINITE {
        return sign | 0x7c00;
    }
    // From 65520 on it would be rounded to infinity.
    if size >= 0x477f_f000 {
        return sign | 0x7bff;
    }
    // Below 2⁻¹⁴ halves have a fixed step of 2⁻²⁴, which 0.5 has as an f32: adding it rounds.
    if size < 0x3880_0000 {
        return sign | ((f32::from_bits(size) + 0.5).to_bits() - 0x3f00_0000);
    }
    let odd = size >> 13 & 1;
    sign | (size - 0x3800_0000 + 0xfff + odd) >> 13
}

fn from_f16_bits(bits: u32) -> f32 {
    let (sign, size) = ((bits & 0x8000) << 16, bits & 0x7fff);
    let number = match size {
        // Steps of 2⁻²⁴.
        0..0x400 => (size as f32 * (1.0 / 16_777_216.0)).to_bits(),
        0x400..0x7c00 => (size << 13) + 0x3800_0000,
        _ => NOT_FINITE | (size & 0x3ff) << 13,
    };
    f32::from_bits(sign | number)
}

/// The upper half of an f32, rounded to the nearest, ties to even. What is finite stays so.
fn bf16_bits(number: f32) -> u32 {
    let bits = number.to_bits();
    let (sign, size) = (bits >> 16 & 0x8000, bits & 0x7fff_ffff);
    if size > NOT_FINITE {
        return sign | 0x7fc0;
    }
    let odd = size >> 16 & 1;
    let rounded = (size + 0x7fff + odd) >> 16;
    sign | if size < NOT_FINITE { rounded.min(0x7f7f) } else { rounded }
}

/// A scale, the largest size ÷ 127, and whole multiples of it. A block with a number that is not finite
/// has a scale that is none either, so that all that comes out of it is noticed.
fn pack_block(block: &[f32], scale: f32) -> [u32; BLOCK_WORDS] {
    let size = |number: &f32| (number * scale).to_bits() & 0x7fff_ffff;
    let largest = block.iter().map(size).max().unwrap_or(0);
    let mut words = [0; BLOCK_WORDS];
    if largest >= NOT_FINITE {
        words[0] = 0x7fc0_0000;
        return words;
    }
    let step = (f32::from_bits(largest) / 127.0).min(LARGEST_STEP);
    words[0] = step.to_bits();
    if step > 0.0 {
        for (at, number) in block.iter().enumerate() {
            let multiple = (number * scale / step + 0.5).floor().clamp(-127.0, 127.0) as i32;
            words[1 + at / 4] |= (multiple.cast_unsigned() & 0xff) << (8 * (at % 4));
        }
    }
    words
}

fn unpack_block(words: &[u32], back: f32) -> Vec<f32> {
    let Some((step, rest)) = words.split_first() else { return Vec::new() };
    let step = f32::from_bits(*step);
    let multiples = rest.iter().flat_map(|word| word.to_le_bytes());
    multiples.map(|multiple| f32::from(multiple.cast_signed()) * step * back).collect()
}

#[cfg(test)]
mod tests {
    use burn_std::{bf16, f16};
    use proptest::prelude::*;

    use super::*;

    fn through(format: WireFormat, numbers: &[f32], scale: f32) -> Vec<f32> {
        let packed = pack(format, numbers, scale);
        assert_eq!(packed.len(), words(format, numbers.len()));
        unpack(format, &packed, numbers.len(), scale)
    }

    /// Whether two numbers are the same, or both not a number.
    fn same(one: f32, other: f32) -> bool {
        one.to_bits() == other.to_bits() || one.is_nan() && other.is_nan()
    }

    #[test]
    fn all_halves_come_back_as_they_are() {
        for bits in 0..=u16::MAX {
            let (half, brain) = (f16::from_bits(bits).to_f32(), bf16::from_bits(bits).to_f32());
            assert!(same(through(WireFormat::F16, &[half], 1.0)[0], half), "{bits:x}");
            assert!(same(through(WireFormat::Bf16, &[brain], 1.0)[0], brain), "{bits:x}");
        }
    }

    #[test]
    fn what_is_finite_stays_finite_and_what_is_not_is_seen() {
        for format in [WireFormat::F32, WireFormat::F16, WireFormat::Bf16, WireFormat::Q8] {
            let out = through(format, &[f32::MAX, -f32::MAX, 65_519.9, 65_520.0, 1e-45], 1.0);
            assert!(out.iter().all(|number| number.is_finite()), "{format:?}: {out:?}");
            for number in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
                let out = through(format, &[1.0, number, 2.0], 1.0);
                assert!(!out[1].is_finite(), "{format:?}: {out:?}");
            }
            assert_eq!(through(format, &[], 1.0), [0.0; 0]);
            assert_eq!(through(format, &[0.0; 33], 4096.0), [0.0; 33]);
        }
    }

    proptest! {
        #[test]
        fn halves_are_those_of_burn(bits in any::<u32>(), others in 0_u32..1 << 13) {
            // Any number, and one near where halves are rounded.
            for number in [f32::from_bits(bits), f32::from_bits(bits & !0x1fff | others)] {
                let (half, brain) = (f16::from_f32(number), bf16::from_f32(number));
                let largest = |largest: f32| number.is_finite().then(|| largest.copysign(number));
                let expected = if half.is_infinite() { largest(65_504.0) } else { None };
                let expected = expected.unwrap_or(half.to_f32());
                prop_assert!(same(through(WireFormat::F16, &[number], 1.0)[0], expected));
                let expected = if brain.is_infinite() { largest(bf16::MAX.to_f32()) } else { None };
                let expected = expected.unwrap_or(brain.to_f32());
                prop_assert!(same(through(WireFormat::Bf16, &[number], 1.0)[0], expected));
            }
        }

        #[test]
        fn numbers_change_by_no_more_than_their_format_allows(
            numbers in prop::collection::vec(-100.0_f32..100.0, 1..100),
            tiny in any::<bool>(),
        ) {
            let scale = if tiny { 4096.0 } else { 1.0 };
            let numbers: Vec<f32> = numbers.into_iter().map(|number| number / scale).collect();
            let relative = |share: f32| move |number: f32, _: f32| number.abs() * share;
            let of = |format, most: &dyn Fn(f32, f32) -> f32| {
                let out = through(format, &numbers, scale);
                let mut blocks = numbers.chunks(BLOCK).zip(out.chunks(BLOCK));
                blocks.all(|(block, out)| {
                    let largest = block.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
                    let near = |(x, y): (&f32, &f32)| (x - y).abs() <= most(*x, largest) + 1e-7 / scale;
                    block.iter().zip(out).all(near)
                })
            };
            prop_assert!(of(WireFormat::F32, &relative(0.0)));
            prop_assert!(of(WireFormat::F16, &relative(1.0 / 2048.0)));
            prop_assert!(of(WireFormat::Bf16, &relative(1.0 / 256.0)));
            prop_assert!(of(WireFormat::Q8, &|_, largest| largest / 253.0));
        }
    }
}
