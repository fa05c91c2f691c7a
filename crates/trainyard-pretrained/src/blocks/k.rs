//! The K blocks: 256 numbers, in parts that have scales of 4, 6 or 8 bits under the block's own.

use super::{half, split};

/// Scale and least number of each part of 32, times those of the block. The 12 bytes have eight scales and
/// eight least numbers of six bits each: the first four of both in the low bits of bytes 0–7; of the
/// others the low four bits are in bytes 8–11, and the high two on top of bytes 0–7.
#[inline(always)]
fn parts(scale: f32, least: f32, packed: &[u8; 12]) -> [(f32, f32); 8] {
    let [a, b, c] = [&packed[0..4], &packed[4..8], &packed[8..12]];
    let mut parts = [(0.0, 0.0); 8];
    let (first, others) = parts.split_at_mut(4);
    let bytes = a.iter().zip(b).zip(c);
    for (((a, b), c), (first, other)) in bytes.zip(first.iter_mut().zip(others)) {
        let part = |s: u8, m: u8| (scale * f32::from(s), least * f32::from(m));
        *first = part(a & 63, b & 63);
        *other = part(c & 15 | (a >> 6) << 4, c >> 4 | (b >> 6) << 4);
    }
    parts
}

/// Two scales, 12 bytes of [`parts`], then 32 bytes for each two parts: low halves for the first.
#[inline(always)]
pub(super) fn q4_k(block: &[u8; 144], numbers: &mut [f32; 256]) {
    let (scale, rest) = split(block);
    let (least, rest) = split(rest);
    let (packed, quants) = split(rest);
    let parts = parts(half(*scale), half(*least), packed);
    let (pairs, _) = parts.as_chunks();
    let each = numbers.chunks_exact_mut(64).zip(quants.chunks_exact(32)).zip(pairs);
    for ((numbers, quants), [(scale, least), (high_scale, high_least)]) in each {
        let (low, high) = numbers.split_at_mut(32);
        for ((quant, low), high) in quants.iter().zip(low).zip(high) {
            *low = scale * f32::from(quant & 15) - least;
            *high = high_scale * f32::from(quant >> 4) - high_least;
        }
    }
}

/// As [`q4_k`], with 32 bytes before the quants: bit 2·i and 2·i + 1 of each are fifth bits of the i-th two
/// parts.
#[inline(always)]
pub(super) fn q5_k(block: &[u8; 176], numbers: &mut [f32; 256]) {
    let (scale, rest) = split(block);
    let (least, rest) = split(rest);
    let (packed, rest) = split(rest);
    let (fifth, quants) = split::<32>(rest);
    let parts = parts(half(*scale), half(*least), packed);
    let (pairs, _) = parts.as_chunks();
    let each = numbers.chunks_exact_mut(64).zip(quants.chunks_exact(32)).zip(pairs).enumerate();
    for (pair, ((numbers, quants), [(scale, least), (high_scale, high_least)])) in each {
        let (low, high) = numbers.split_at_mut(32);
        for (((quant, fifth), low), high) in quants.iter().zip(fifth).zip(low).zip(high) {
            let bits = fifth >> (2 * pair);
            *low = scale * f32::from(quant & 15 | (bits & 1) << 4) - least;
            *high = high_scale * f32::from(quant >> 4 | (bits >> 1 & 1) << 4) - high_least;
        }
    }
}

/// Low four bits of six in 128 bytes, high two in 64, 16 signed scales of parts of 16, and the block's scale.
/// Each half of the block has 64 and 32 of these bytes: its numbers l, l + 32, l + 64 and l + 96 have their
/// low bits in the halves of bytes l and l + 32, and their high bits in byte l.
#[inline(always)]
pub(super) fn q6_k(block: &[u8; 210], numbers: &mut [f32; 256]) {
    let (low, rest) = split::<128>(block);
    let (high, rest) = split::<64>(rest);
    let (scales, scale) = split::<16>(rest);
    let scale = half(*split(scale).0);
    let halves = low.chunks_exact(64).zip(high.chunks_exact(32)).zip(scales.as_chunks::<8>().0);
    for (numbers, ((low, high), scales)) in numbers.chunks_exact_mut(128).zip(halves) {
        let (low, low_after) = low.split_at(32);
        for (quarter, numbers) in numbers.chunks_exact_mut(32).enumerate() {
            let low = if quarter % 2 == 0 { low } else { low_after };
            let quants = low.iter().zip(high).map(|(low, high)| {
                let low = if quarter < 2 { low & 15 } else { low >> 4 };
                f32::from((low | (high >> (2 * quarter) & 3) << 4).cast_signed() - 32)
            });
            for (at, (number, quant)) in numbers.iter_mut().zip(quants).enumerate() {
                let part = scales[2 * quarter + at / 16].cast_signed();
                *number = scale * f32::from(part) * quant;
            }
        }
    }
}
