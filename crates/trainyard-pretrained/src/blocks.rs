//! Numbers out of stored bytes, and back: floats of 16 bits, and blocks that share a scale, as llama.cpp's
//! `ggml-quants.c` defines them. All are little-endian.

#![expect(
    clippy::inline_always,
    reason = "a helper of a kernel must become part of it, to be compiled for its instruction set"
)]

mod encode;
mod k;
#[cfg(test)]
mod tests;

use half::f16;
use multiversion::multiversion;

use crate::weight::Element;
pub use encode::encode;

/// Turns whole blocks into numbers. False, with nothing done, for an element that cannot be read.
///
/// `bytes` and `numbers` are of the same blocks; of unequal ones the shorter counts.
// Products compute with blocks as they are stored, so that they are decoded again for each. What is called here is
// written into it, to be compiled for its instruction sets.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn decode(element: Element, bytes: &[u8], numbers: &mut [f32]) -> bool {
    match element.name() {
        "f32" => each(bytes, numbers, |bytes, [number]| *number = f32::from_le_bytes(*bytes)),
        "f16" => each(bytes, numbers, |bytes, [number]| *number = half(*bytes)),
        // The upper half of a float of 32 bits.
        "bf16" => each(bytes, numbers, |bytes, [number]| {
            *number = f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
        }),
        "q8_0" => each(bytes, numbers, q8_0),
        "q4_0" => each(bytes, numbers, q4_0),
        "q4_1" => each(bytes, numbers, q4_1),
        "q5_0" => each(bytes, numbers, q5_0),
        "q5_1" => each(bytes, numbers, q5_1),
        "q4_k" => each(bytes, numbers, k::q4_k),
        "q5_k" => each(bytes, numbers, k::q5_k),
        "q6_k" => each(bytes, numbers, k::q6_k),
        _ => return false,
    }
    true
}

/// The elements that [`decode`] reads, for messages.
pub(crate) const READABLE: &str =
    "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K";

#[inline(always)]
fn each<const BYTES: usize, const NUMBERS: usize>(
    bytes: &[u8],
    numbers: &mut [f32],
    block: impl Fn(&[u8; BYTES], &mut [f32; NUMBERS]),
) {
    let (bytes, _) = bytes.as_chunks();
    let (numbers, _) = numbers.as_chunks_mut();
    for (bytes, numbers) in bytes.iter().zip(numbers) {
        block(bytes, numbers);
    }
}

#[inline(always)]
fn half(bytes: [u8; 2]) -> f32 {
    f16::from_le_bytes(bytes).to_f32()
}

/// Splits a block where its parts end.
#[inline(always)]
fn split<const N: usize>(bytes: &[u8]) -> (&[u8; N], &[u8]) {
    bytes.split_first_chunk().unwrap_or((&[0; N], &[]))
}

/// A scale, then 32 signed bytes.
#[inline(always)]
fn q8_0(block: &[u8; 34], numbers: &mut [f32; 32]) {
    let (scale, quants) = split(block);
    let scale = half(*scale);
    for (number, quant) in numbers.iter_mut().zip(quants) {
        *number = f32::from(quant.cast_signed()) * scale;
    }
}

/// A scale, then 16 bytes: low halves for the first 16 numbers, high halves for the others.
#[inline(always)]
fn q4_0(block: &[u8; 18], numbers: &mut [f32; 32]) {
    let (scale, quants) = split(block);
    let scale = half(*scale);
    let (low, high) = numbers.split_at_mut(16);
    for ((quant, low), high) in quants.iter().zip(low).zip(high) {
        *low = f32::from((quant & 15).cast_signed() - 8) * scale;
        *high = f32::from((quant >> 4).cast_signed() - 8) * scale;
    }
}

/// A scale and the smallest number, then 16 bytes as in [`q4_0`].
#[inline(always)]
fn q4_1(block: &[u8; 20], numbers: &mut [f32; 32]) {
    let (scale, rest) = split(block);
    let (least, quants) = split(rest);
    let (scale, least) = (half(*scale), half(*least));
    let (low, high) = numbers.split_at_mut(16);
    for ((quant, low), high) in quants.iter().zip(low).zip(high) {
        *low = f32::from(quant & 15) * scale + least;
        *high = f32::from(quant >> 4) * scale + least;
    }
}

/// A scale, 32 fifth bits, then 16 bytes as in [`q4_0`].
#[inline(always)]
fn q5_0(block: &[u8; 22], numbers: &mut [f32; 32]) {
    let (scale, rest) = split(block);
    let scale = half(*scale);
    five_bits(rest, numbers, |quant| f32::from(quant.cast_signed() - 16) * scale);
}

/// A scale and the smallest number, 32 fifth bits, then 16 bytes as in [`q4_0`].
#[inline(always)]
fn q5_1(block: &[u8; 24], numbers: &mut [f32; 32]) {
    let (scale, rest) = split(block);
    let (least, rest) = split(rest);
    let (scale, least) = (half(*scale), half(*least));
    five_bits(rest, numbers, |quant| f32::from(quant) * scale + least);
}

#[inline(always)]
fn five_bits(bytes: &[u8], numbers: &mut [f32; 32], number: impl Fn(u8) -> f32) {
    let (fifth, quants) = split(bytes);
    let fifth = u32::from_le_bytes(*fifth);
    let bit = |at: usize| if fifth >> at & 1 == 1 { 16 } else { 0 };
    let (low, high) = numbers.split_at_mut(16);
    for (at, ((quant, low), high)) in quants.iter().zip(low).zip(high).enumerate() {
        *low = number(quant & 15 | bit(at));
        *high = number(quant >> 4 | bit(at + 16));
    }
}
