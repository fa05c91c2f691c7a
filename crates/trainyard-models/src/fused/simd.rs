//! Pieces of inner loops that the compiler turns into vector instructions.

/// Partial sums side by side: as many as the widest registers hold, on every machine, so that the
/// order of a sum depends on nothing but its length.
pub(super) const LANES: usize = 16;

/// `Σ term(i)` for `i` in `0..len`, in the order of the simd.
#[inline(always)]
pub(super) fn sum(len: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut simd = [0.0_f32; LANES];
    let whole = len - len % LANES;
    let mut start = 0;
    while start < whole {
        for (lane, sum) in simd.iter_mut().enumerate() {
            *sum += term(start + lane);
        }
        start += LANES;
    }
    for (lane, sum) in simd.iter_mut().enumerate().take(len - whole) {
        *sum += term(whole + lane);
    }
    fold(simd, |a, b| a + b)
}

/// The largest of some values; minus infinity of none.
#[inline(always)]
pub(super) fn largest(values: &[f32]) -> f32 {
    let mut simd = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for chunk in whole {
        for (most, &value) in simd.iter_mut().zip(chunk) {
            *most = larger(*most, value);
        }
    }
    for (most, &value) in simd.iter_mut().zip(rest) {
        *most = larger(*most, value);
    }
    fold(simd, larger)
}

/// One comparison and one choice: what vector instructions offer, and all it takes here.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn fold(mut simd: [f32; LANES], combine: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            simd[lane] = combine(simd[lane], simd[lane + width]);
        }
        width /= 2;
    }
    simd[0]
}

/// `eˣ` within 2 units in the last place; arguments beyond ±87 count as ±87.
///
/// Cody and Waite's range reduction and the polynomial of Moshier's Cephes `expf`, without
/// branches and table look-ups. `2ⁿ` is put together from bits: adding 1.5·2²³ leaves the rounded
/// integer in a float's low bits.
#[inline(always)]
#[expect(
    clippy::excessive_precision,
    clippy::unreadable_literal,
    reason = "constants as published"
)]
pub(super) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 87.0 { 87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693359375 - n * -2.12194440e-4;
    let mut p = 1.9875691500e-4;
    p = p * r + 1.3981999507e-3;
    p = p * r + 8.3334519073e-3;
    p = p * r + 4.1665795894e-2;
    p = p * r + 1.6666665459e-1;
    p = p * r + 5.0000001201e-1;
    let e = p * (r * r) + r + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3F80_0000));
    e * power
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "these are equal to the last bit or wrong")]
    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for step in -86_900..87_000 {
            let x = step as f32 * 0.001;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours - exact).abs() <= 2.4e-7 * exact, "{x}: {ours} is not {exact}");
        }
    }

    #[test]
    fn sums_and_maxima_take_every_element_of_any_length() {
        for len in 0..70 {
            let values: Vec<f32> = (0..len).map(|i| ((i * 37) % 41) as f32 - 20.0).collect();
            assert_eq!(sum(len, |i| values[i]), values.iter().sum::<f32>());
            let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(&values), most);
        }
    }
}
