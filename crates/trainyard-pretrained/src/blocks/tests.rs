//! Every kind of block, with any bytes, against the definition written once more, number by number.
#![allow(clippy::float_cmp, reason = "the very bits are meant")]

use half::f16;
use proptest::prelude::*;

use super::*;
use crate::gguf::element;

/// A 16-bit float of a block.
fn at(block: &[u8], byte: usize) -> f32 {
    f16::from_le_bytes([block[byte], block[byte + 1]]).to_f32()
}

/// Four bits for number `i` of `span` whose halves share bytes from `start` on: `span / 2` low ones first.
fn nibble(block: &[u8], start: usize, i: usize, span: usize) -> u8 {
    let within = i % span;
    let byte = block[start + i / span * (span / 2) + within % (span / 2)];
    if within < span / 2 { byte & 0xf } else { byte >> 4 }
}

fn bit(block: &[u8], start: usize, bit: usize) -> u8 {
    block[start + bit / 8] >> (bit % 8) & 1
}

/// Six bits of scale and of minimum `part`, as `get_scale_min_k4` of ggml has them.
fn scale_and_minimum(q: &[u8], part: usize) -> (u8, u8) {
    if part < 4 {
        (q[part] & 63, q[part + 4] & 63)
    } else {
        (
            (q[part + 4] & 0xf) | ((q[part - 4] >> 6) << 4),
            (q[part + 4] >> 4) | ((q[part] >> 6) << 4),
        )
    }
}

/// Number `i` of a block.
fn reference(name: &str, b: &[u8], i: usize) -> f32 {
    let with_minimum = |q: u8| {
        let (s, m) = scale_and_minimum(&b[4..16], i / 32);
        at(b, 0) * f32::from(s) * f32::from(q) - at(b, 2) * f32::from(m)
    };
    match name {
        "f32" => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        "f16" => at(b, 0),
        "bf16" => f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16),
        "q8_0" => at(b, 0) * f32::from(b[2 + i].cast_signed()),
        "q4_0" => at(b, 0) * (f32::from(nibble(b, 2, i, 32)) - 8.0),
        "q4_1" => at(b, 0) * f32::from(nibble(b, 4, i, 32)) + at(b, 2),
        "q5_0" => at(b, 0) * (f32::from(nibble(b, 6, i, 32) + 16 * bit(b, 2, i)) - 16.0),
        "q5_1" => at(b, 0) * f32::from(nibble(b, 8, i, 32) + 16 * bit(b, 4, i)) + at(b, 2),
        "q4_k" => with_minimum(nibble(b, 16, i, 64)),
        "q5_k" => with_minimum(nibble(b, 48, i, 64) + 16 * (b[16 + i % 32] >> (i / 32) & 1)),
        "q6_k" => {
            let (half, quarter, l) = (i / 128, i / 32 % 4, i % 32);
            let low = b[64 * half + 32 * (quarter % 2) + l];
            let low = if quarter < 2 { low & 0xf } else { low >> 4 };
            let high = b[128 + 32 * half + l] >> (2 * quarter) & 3;
            at(b, 208)
                * f32::from(b[192 + i / 16].cast_signed())
                * (f32::from(low + 16 * high) - 32.0)
        }
        other => panic!("{other}"),
    }
}

proptest! {
    #[test]
    fn blocks_are_read_as_they_are_defined(
        (name, bytes) in prop::sample::select(vec![0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 30])
            .prop_map(|number| element(number).unwrap())
            .prop_flat_map(|element| {
                let bytes = 3 * element.block_bytes() as usize;
                (Just(element), prop::collection::vec(any::<u8>(), bytes))
            })
    ) {
        let (element, numbers) = (name, name.block_numbers() as usize);
        let mut found = vec![f32::NAN; 3 * numbers];
        prop_assert!(decode(element, &bytes, &mut found));
        let blocks = bytes.chunks_exact(element.block_bytes() as usize);
        let expected = blocks.flat_map(|block| {
            (0..numbers).map(|i| reference(element.name(), block, i)).collect::<Vec<_>>()
        });
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            let same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
            // Signs of zero may differ: 0 × −8 + 0.
            prop_assert!(same || *found == expected, "{}, {at}: {found} {expected}", element.name());
        }
    }

    /// Of any kind that files name, and any lengths: whole blocks are read as far as there is room, and all else is left
    /// alone.
    #[test]
    fn any_bytes_are_read_without_harm(
        element in (0_u32..40).prop_filter_map("a number that is none", element),
        bytes in prop::collection::vec(any::<u8>(), 0..700),
        room in 0_usize..700,
    ) {
        let mut numbers = vec![7.0; room];
        let is_known = decode(element, &bytes, &mut numbers);
        let [of_numbers, of_bytes] =
            [element.block_numbers(), element.block_bytes()].map(|size| size as usize);
        let blocks = if is_known { (bytes.len() / of_bytes).min(room / of_numbers) } else { 0 };
        prop_assert!(numbers[blocks * of_numbers..].iter().all(|number| *number == 7.0));
    }
}

#[test]
fn what_is_not_known_is_left_alone() {
    let mut numbers = [7.0; 256];
    assert!(!decode(element(10).unwrap(), &[0; 84], &mut numbers));
    assert_eq!(numbers, [7.0; 256]);
}
