//! The kernels of causal attention for one head of one sequence, on CPU devices.

use multiversion::multiversion;

use super::simd::{exp, largest, sum};
use super::tile::{Product, Strided, TALL, band};

/// Sizes of one sequence: queries of some positions, keys and values of these and of those before.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// Positions before those of the queries.
    pub(super) before: usize,
    /// Positions of the queries.
    pub(super) positions: usize,
    pub(super) heads: usize,
    pub(super) head_width: usize,
}

impl Sizes {
    pub(super) fn width(self) -> usize {
        self.heads * self.head_width
    }

    /// Positions of keys and values.
    pub(super) fn all(self) -> usize {
        self.before + self.positions
    }

    /// Elements of a head's attention matrix.
    pub(super) fn matrix(self) -> usize {
        self.positions * self.all()
    }

    /// Elements of those of all heads.
    pub(super) fn matrices(self) -> usize {
        self.heads * self.matrix()
    }

    fn scale(self) -> f32 {
        (1.0 / (self.head_width as f64).sqrt()) as f32
    }
}

/// Copies rows of `head_width` numbers as `[head_width, all]`.
#[inline(always)]
fn turn(sizes: Sizes, rows: Strided<'_>, turned: &mut [f32]) {
    for (position, values) in rows.values.chunks(rows.rows).take(sizes.all()).enumerate() {
        for (dimension, &value) in values.iter().take(sizes.head_width).enumerate() {
            turned[dimension * sizes.all() + position] = value;
        }
    }
}

/// Rows `0..count` in bands.
#[inline(always)]
fn bands(count: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..count).step_by(TALL).map(move |start| start..count.min(start + TALL))
}

/// From queries, keys and values to the attention matrix `[positions, all]` and the mixed values, whose rows
/// are a sequence's width apart. `turned` has room for the keys.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn forward(
    sizes: Sizes,
    [queries, keys, values]: [Strided<'_>; 3],
    turned: &mut [f32],
    weights: &mut [f32],
    output: &mut [f32],
) {
    let Sizes { before, positions, head_width, .. } = sizes;
    let all = sizes.all();
    turn(sizes, keys, turned);
    let keys = Strided { values: &*turned, rows: all, columns: 1 };
    for rows in bands(positions) {
        // Columns after the band's last row are in every row's future, and stay zero.
        let seen = before + rows.end;
        let scores =
            Product { left: queries, right: keys, steps: 0..head_width, scale: sizes.scale() };
        band(&scores, rows.clone(), seen, weights, all);
        for row in rows.clone() {
            let scores = &mut weights[row * all..row * all + seen];
            let (seen, future) = scores.split_at_mut(before + row + 1);
            let most = largest(seen);
            for score in seen.iter_mut() {
                *score = exp(*score - most);
            }
            let inverse = 1.0 / sum(seen.len(), |i| seen[i]);
            for score in seen.iter_mut() {
                *score *= inverse;
            }
            future.fill(0.0);
        }
        let left = Strided { values: &*weights, rows: all, columns: 1 };
        let mixed = Product { left, right: values, steps: 0..seen, scale: 1.0 };
        band(&mixed, rows, head_width, output, sizes.width());
    }
}

/// With `P` the weights, `S` the scores and `∂` the gradient of the output: `∂P = ∂·Vᵀ`,
/// `∂S = P·(∂P − Σ P·∂P)`, which goes to `of_scores`, and `∂Q = ∂S·K·scale`, to `output`, whose rows are
/// `row` apart. `turned` has room for the values.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn backward_queries(
    sizes: Sizes,
    [keys, values, gradient]: [Strided<'_>; 3],
    weights: &[f32],
    turned: &mut [f32],
    of_scores: &mut [f32],
    output: &mut [f32],
    row: usize,
) {
    let Sizes { before, positions, head_width, .. } = sizes;
    let all = sizes.all();
    turn(sizes, values, turned);
    let turned_values = Strided { values: &*turned, rows: all, columns: 1 };
    for rows in bands(positions) {
        let seen = before + rows.end;
        let of_weights =
            Product { left: gradient, right: turned_values, steps: 0..head_width, scale: 1.0 };
        band(&of_weights, rows.clone(), seen, of_scores, all);
        for row in rows.clone() {
            let weights = &weights[row * all..row * all + seen];
            let of_weights = &mut of_scores[row * all..row * all + seen];
            let mean = sum(seen, |i| weights[i] * of_weights[i]);
            // In the future the weight is zero, and so is what comes out.
            for (of_weight, &weight) in of_weights.iter_mut().zip(weights) {
                *of_weight = weight * (*of_weight - mean);
            }
        }
        let left = Strided { values: &*of_scores, rows: all, columns: 1 };
        let of_queries = Product { left, right: keys, steps: 0..seen, scale: sizes.scale() };
        band(&of_queries, rows, head_width, output, row);
    }
}

/// `∂K = ∂Sᵀ·Q·scale` and, a sequence's width behind it, `∂V = Pᵀ·∂`, to `output`, whose rows are `row` apart.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn backward_keys(
    sizes: Sizes,
    [queries, gradient]: [Strided<'_>; 2],
    weights: &[f32],
    of_scores: &[f32],
    output: &mut [f32],
    row: usize,
) {
    let all = sizes.all();
    for rows in bands(all) {
        // A key and its value are seen by their own row and those below.
        let below = rows.start.saturating_sub(sizes.before)..sizes.positions;
        let left = |values| Strided { values, rows: 1, columns: all };
        let (steps, scale) = (below.clone(), sizes.scale());
        let of_keys = Product { left: left(of_scores), right: queries, steps, scale };
        band(&of_keys, rows.clone(), sizes.head_width, output, row);
        let of_values = Product { left: left(weights), right: gradient, steps: below, scale: 1.0 };
        band(&of_values, rows, sizes.head_width, &mut output[sizes.width()..], row);
    }
}
