//! Numbers as files store them: floats of 32 and 16 bits, and llama.cpp's `Q8_0`. All are little-endian.

use half::{bf16, f16};

use crate::weight::Element;

/// Numbers of a block of [`Element::Q8_0`].
const BLOCK: usize = 32;

/// Stored bytes of numbers; None for an element that is not written, and for numbers that are no whole blocks.
pub(super) fn encode(element: Element, numbers: &[f32]) -> Option<Vec<u8>> {
    let bytes = match element {
        Element::F32 => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        Element::F16 => {
            numbers.iter().flat_map(|number| f16::from_f32(*number).to_le_bytes()).collect()
        }
        Element::BF16 => {
            numbers.iter().flat_map(|number| bf16::from_f32(*number).to_le_bytes()).collect()
        }
        Element::Q8_0 => {
            let (blocks, rest) = numbers.as_chunks::<BLOCK>();
            rest.is_empty().then(|| blocks.iter().flat_map(q8_0).collect())?
        }
        _ => return None,
    };
    Some(bytes)
}

/// A scale in 16 bits, then each number as a byte: the block's greatest becomes ±127 (`ggml-quants.c`,
/// `quantize_row_q8_0_ref`).
fn q8_0(numbers: &[f32; BLOCK]) -> [u8; 2 + BLOCK] {
    let greatest = numbers.iter().fold(0.0_f32, |greatest, number| greatest.max(number.abs()));
    let scale = greatest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    let mut block = [0; 2 + BLOCK];
    let (head, bytes) = block.split_at_mut(2);
    head.copy_from_slice(&f16::from_f32(scale).to_le_bytes());
    for (byte, number) in bytes.iter_mut().zip(numbers) {
        // As C's roundf: halves away from zero.
        *byte = ((number * inverse).round() as i8).cast_unsigned();
    }
    block
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::blocks::decode;

    proptest! {
        #[test]
        fn what_was_written_is_read_again(
            numbers in proptest::collection::vec(-1e3_f32..1e3, 96),
        ) {
            for (element, error) in
                [(Element::F32, 0.0), (Element::F16, 5e-4), (Element::BF16, 4e-3)]
            {
                let mut read = vec![0.0; numbers.len()];
                prop_assert!(decode(element, &encode(element, &numbers).unwrap(), &mut read));
                for (read, number) in read.iter().zip(&numbers) {
                    prop_assert!((read - number).abs() <= error * number.abs() + 1e-7);
                }
            }
            let mut read = vec![0.0; numbers.len()];
            prop_assert!(decode(Element::Q8_0, &encode(Element::Q8_0, &numbers).unwrap(), &mut read));
            for (read, numbers) in read.chunks(BLOCK).zip(numbers.chunks(BLOCK)) {
                let greatest = numbers.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
                for (read, number) in read.iter().zip(numbers) {
                    // Half a step, and what the scale loses in 16 bits.
                    prop_assert!((read - number).abs() <= greatest * (0.5 / 127.0 + 6e-4));
                }
            }
        }
    }

    #[test]
    fn numbers_that_are_no_whole_blocks_are_refused() {
        assert_eq!(encode(Element::Q8_0, &[1.0; 33]), None);
        assert_eq!(encode(Element::Q8_0, &[0.0; 32]).unwrap(), [0; 34]);
    }
}
