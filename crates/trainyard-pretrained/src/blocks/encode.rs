//! Numbers as files store them: floats of 32 and 16 bits, and llama.cpp's blocks of 8 and 4 bits as its reference
//! makes them (`quantize_row_…_ref` of `ggml-quants.c`).

use half::{bf16, f16};

use crate::weight::Element;

/// Numbers of a block.
const BLOCK: usize = 32;

/// Stored bytes of numbers; None for an element that is not written, and for numbers that are no whole blocks.
pub fn encode(element: Element, numbers: &[f32]) -> Option<Vec<u8>> {
    Some(match element {
        Element::F32 => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        Element::F16 => {
            numbers.iter().flat_map(|number| f16::from_f32(*number).to_le_bytes()).collect()
        }
        Element::BF16 => {
            numbers.iter().flat_map(|number| bf16::from_f32(*number).to_le_bytes()).collect()
        }
        Element::Q8_0 => blocks(numbers, q8_0)?,
        Element::Q4_0 => blocks(numbers, q4_0)?,
        Element::Q4_1 => blocks(numbers, q4_1)?,
        _ => return None,
    })
}

fn blocks(numbers: &[f32], block: impl Fn(&[f32; BLOCK], &mut Vec<u8>)) -> Option<Vec<u8>> {
    let (blocks, rest) = numbers.as_chunks();
    let mut bytes = Vec::new();
    for numbers in blocks {
        block(numbers, &mut bytes);
    }
    rest.is_empty().then_some(bytes)
}

/// What numbers are multiplied by where they are stored with a scale.
fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// The number that is furthest from 0 becomes ±127.
fn q8_0(block: &[f32; BLOCK], bytes: &mut Vec<u8>) {
    let scale = block.iter().fold(0.0_f32, |most, number| most.max(number.abs())) / 127.0;
    bytes.extend(f16::from_f32(scale).to_le_bytes());
    let inverse = inverse(scale);
    // As C's roundf: halves away from zero.
    bytes.extend(block.iter().map(|number| ((number * inverse).round() as i8).cast_unsigned()));
}

/// The number that is furthest from 0 becomes −8.
fn q4_0(block: &[f32; BLOCK], bytes: &mut Vec<u8>) {
    let further = |most: f32, &number: &f32| if number.abs() > most.abs() { number } else { most };
    let scale = block.iter().fold(0.0, further) / -8.0;
    bytes.extend(f16::from_f32(scale).to_le_bytes());
    let inverse = inverse(scale);
    halves(block, bytes, |number| number * inverse + 8.5);
}

/// The smallest number becomes 0, and the largest 15.
fn q4_1(block: &[f32; BLOCK], bytes: &mut Vec<u8>) {
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

    const BLOCKS: [Element; 3] = [Element::Q8_0, Element::Q4_0, Element::Q4_1];

    fn there_and_back(element: Element, numbers: &[f32]) -> Vec<f32> {
        let bytes = encode(element, numbers).unwrap();
        assert_eq!(Some(bytes.len() as u64), element.bytes_of(&[numbers.len() as u64]));
        let mut back = vec![f32::NAN; numbers.len()];
        assert!(decode(element, &bytes, &mut back));
        back
    }

    #[test]
    fn numbers_come_back_within_half_a_step() {
        let numbers: Vec<f32> = (0..128).map(|i| ((i * 37 % 101) as f32 - 40.0) / 17.0).collect();
        for element in BLOCKS {
            let back = there_and_back(element, &numbers);
            for (block, back) in numbers.chunks(BLOCK).zip(back.chunks(BLOCK)) {
                let most = block.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
                let range = block.iter().fold(f32::NEG_INFINITY, |most, number| most.max(*number))
                    - block.iter().fold(f32::INFINITY, |least, number| least.min(*number));
                let step = match element {
                    Element::Q8_0 => most / 127.0,
                    // The other end of the numbers has one step less.
                    Element::Q4_0 => 2.0 * most / 8.0,
                    _ => range / 15.0,
                };
                for (number, back) in block.iter().zip(back) {
                    // Scales have eleven bits.
                    let allowed = 0.5 * step + most / 1000.0;
                    assert!((number - back).abs() <= allowed, "{element:?}: {number}, {back}");
                }
            }
        }
    }

    #[test]
    fn zeros_stay_zeros_and_odd_rows_are_none() {
        for element in BLOCKS {
            assert_eq!(there_and_back(element, &[0.0; 64]), [0.0; 64]);
            assert_eq!(encode(element, &[1.0; 33]), None);
        }
    }

    /// By hand, after `ggml-quants.c`.
    #[test]
    fn blocks_lie_as_in_gguf_files() {
        let numbers: [f32; BLOCK] = std::array::from_fn(|i| i as f32 - 16.0);
        let one = f16::from_f32(2.0).to_le_bytes();
        let q4_0 = encode(Element::Q4_0, &numbers).unwrap();
        assert_eq!(q4_0[..2], one);
        // −16 is 0 and 0 is 8; −15 is 0.5 + 0.5 and 1 is 8.5 + 0.5.
        assert_eq!(q4_0[2..4], [0x80, 0x91]);
        let numbers = numbers.map(|number| number * 127.0 / 16.0);
        let q8_0 = encode(Element::Q8_0, &numbers).unwrap();
        assert_eq!(q8_0[..2], f16::from_f32(1.0).to_le_bytes());
        assert_eq!(q8_0[2], (-127_i8).cast_unsigned());
    }
}
