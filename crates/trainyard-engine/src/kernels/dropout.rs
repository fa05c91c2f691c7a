//! Dropout by counter, whose mask follows from a seed and the elements' numbers, on every device to the bit.

use burn::backend::TensorMetadata;

use super::GpuTensor;
use super::launch::{LANES, Program, by_fours, groups, place, room, u32_of};
use crate::mix;

const TEXT: &str = concat!(
    include_str!("../../../../shaders/each.wgsl"),
    include_str!("../../../../shaders/dropout.wgsl")
);

/// Which elements are dropped, and by what the others are multiplied (Srivastava et al. 2014).
#[derive(Clone, Copy, Debug)]
pub struct DropoutMask {
    seed: u64,
    /// An element is dropped whose random number is below.
    dropped_below: u32,
    /// What the others are multiplied by.
    kept: f32,
}

impl DropoutMask {
    /// Drops a share of elements, at least 0 and below 1.
    pub fn new(share: f64, seed: u64) -> Self {
        let below = (share * 2.0_f64.powi(32)) as u32;
        // The hash hardly tells seeds apart that differ in a few of the upper bits.
        let seed = mix(&[seed]);
        Self { seed, dropped_below: below, kept: (1.0 / (1.0 - share)) as f32 }
    }

    /// What four elements are multiplied by, those of the numbers from `4·four` on.
    #[inline]
    pub fn factors(self, four: u32) -> [f32; 4] {
        let (low, high) = (self.seed as u32, (self.seed >> 32) as u32);
        let factor = |random| if random < self.dropped_below { 0.0 } else { self.kept };
        pcg4d([four, low, high, 0]).map(factor)
    }

    /// A tensor of a wgpu device times the mask: the function, and from the gradient of its output that of
    /// its input.
    pub fn apply(self, x: &GpuTensor) -> GpuTensor {
        let output = room(x, x.shape());
        let (element, count) = by_fours(x.shape().num_elements());
        let constants = [
            ("ELEMENT", element.into()),
            ("WIDE", (element != "f32").into()),
            ("LANES", LANES.into()),
        ];
        let program = Program::new(TEXT, LANES, constants);
        let (low, high) = (self.seed as u32, (self.seed >> 32) as u32);
        let numbers = [u32_of(count), low, high, self.dropped_below, self.kept.to_bits()];
        program.launch(groups(count, LANES), [&place(x), &place(&output)], &numbers);
        output
    }
}

/// Four random numbers from four others (Jarzynski and Olano, Hash Functions for GPU Rendering, JCGT 9(3),
/// 2020).
#[inline]
fn pcg4d(counter: [u32; 4]) -> [u32; 4] {
    let step = |n: u32| n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    add_products(add_products(counter.map(step)).map(|n| n ^ (n >> 16)))
}

#[inline]
fn add_products([mut x, mut y, mut z, mut w]: [u32; 4]) -> [u32; 4] {
    x = x.wrapping_add(y.wrapping_mul(w));
    y = y.wrapping_add(z.wrapping_mul(x));
    z = z.wrapping_add(x.wrapping_mul(y));
    w = w.wrapping_add(y.wrapping_mul(z));
    [x, y, z, w]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 where an element is dropped.
    fn dropped(share: f64, seed: u64, count: u32) -> Vec<f64> {
        let mask = DropoutMask::new(share, seed);
        let factors = (0..count / 4).flat_map(|four| mask.factors(four));
        factors.map(|factor| if factor.to_bits() == 0 { 1.0 } else { 0.0 }).collect()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn the_share_is_dropped_for_every_seed() {
        for share in [0.01, 0.1, 0.5, 0.9] {
            for seed in [0, 1, 2, 1 << 32, 1 << 63, u64::MAX] {
                let deviation = (share * (1.0 - share) / f64::from(1 << 18)).sqrt();
                let found = mean(&dropped(share, seed, 1 << 18));
                assert!((found - share).abs() < 5.0 * deviation, "{share}, seed {seed}: {found}");
            }
        }
        assert!(dropped(0.0, 3, 4096).iter().all(|&dropped| dropped < 0.5));
    }

    /// Of 20 distances between elements of a mask, and of the masks of neighbouring seeds.
    #[test]
    fn elements_and_seeds_have_nothing_to_do_with_each_other() {
        let (share, count) = (0.5, 1 << 18);
        let apart = |one: &[f64], other: &[f64]| {
            let both: Vec<f64> = one.iter().zip(other).map(|(a, b)| (a - b).abs()).collect();
            (mean(&both) - 0.5).abs()
        };
        let allowed = 5.0 * 0.5 / f64::from(count).sqrt();
        let of_seed = |seed| dropped(share, seed, count);
        let one = of_seed(7);
        for distance in [1, 2, 3, 4, 5, 7, 8, 16, 31, 32, 64, 100, 128, 256, 384, 512, 1024, 4096] {
            let found = apart(&one[distance..], &one);
            assert!(found < 1.1 * allowed, "{distance}: {found}");
        }
        for seed in [8, 6, 3, 7 + (1 << 32), 7 + (1 << 31), 7 + (1 << 63)] {
            let found = apart(&one, &of_seed(seed));
            assert!(found < allowed, "seed {seed}: {found}");
        }
    }
}
