//! The kernels of causal attention for one head of keys and values of one sequence and the heads of queries
//! that share it, on CPU devices.

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
    pub(super) of: GroupedHeads,
}

/// Heads of queries, of which groups of equal size share heads of keys and values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupedHeads {
    /// Heads of queries.
    pub(crate) heads: usize,
    /// Heads of keys, and of values; a divisor of `heads`.
    pub(crate) key_heads: usize,
    /// Numbers of a head.
    pub(crate) head_width: usize,
    /// What products of queries and keys are multiplied by.
    pub(crate) scale: f32,
    /// How many positions a position sees, itself among them; at least 1.
    pub(crate) window: usize,
}

impl GroupedHeads {
    /// Heads of keys and values for each of queries, that see all before them.
    pub(crate) fn equal(heads: usize, head_width: usize) -> Self {
        let scale = (1.0 / (head_width as f64).sqrt()) as f32;
        Self { heads, key_heads: heads, head_width, scale, window: usize::MAX }
    }

    /// Heads of queries that share one of keys and values.
    pub(super) fn group(self) -> usize {
        self.heads / self.key_heads
    }

    /// Numbers of a position's queries.
    pub(crate) fn width(self) -> usize {
        self.heads * self.head_width
    }

    /// Numbers of a position's keys.
    pub(crate) fn key_width(self) -> usize {
        self.key_heads * self.head_width
    }
}

impl Sizes {
    /// Positions of keys and values.
    pub(super) fn all(self) -> usize {
        self.before + self.positions
    }

    /// Elements of a head's attention matrix.
    pub(super) fn matrix(self) -> usize {
        self.positions * self.all()
    }

    /// Elements of those of a group.
    pub(super) fn group(self) -> usize {
        self.of.group() * self.matrix()
    }

    /// Elements of those of all heads.
    pub(super) fn matrices(self) -> usize {
        self.of.heads * self.matrix()
    }

    /// The positions that one of the queries' sees.
    fn seen(self, row: usize) -> std::ops::Range<usize> {
        let end = self.before + row + 1;
        end.saturating_sub(self.of.window)..end
    }
}

/// Copies rows of `head_width` numbers as `[head_width, all]`.
#[inline(always)]
fn turn(sizes: Sizes, rows: Strided<'_>, turned: &mut [f32]) {
    for (position, values) in rows.values.chunks(rows.rows).take(sizes.all()).enumerate() {
        for (dimension, &value) in values.iter().take(sizes.of.head_width).enumerate() {
            turned[dimension * sizes.all() + position] = value;
        }
    }
}

/// Rows `0..count` in bands.
#[inline(always)]
fn bands(count: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..count).step_by(TALL).map(move |start| start..count.min(start + TALL))
}

/// From queries, keys and values to the attention matrices `[group, positions, all]` and the mixed values,
/// whose rows are a sequence's width apart. `turned` has room for the keys.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn forward(
    sizes: Sizes,
    [queries, keys, values]: [Strided<'_>; 3],
    turned: &mut [f32],
    weights: &mut [f32],
    output: &mut [f32],
) {
    let Sizes { before, positions, of } = sizes;
    let (all, head_width, adds) = (sizes.all(), of.head_width, false);
    turn(sizes, keys, turned);
    let keys = Strided { values: &*turned, rows: all, columns: 1 };
    for (head, weights) in weights.chunks_mut(sizes.matrix()).enumerate() {
        let left = queries.from(head * head_width);
        let output = &mut output[head * head_width..];
        for rows in bands(positions) {
            // Columns after the band's last row are in every row's future, and stay zero.
            let seen = before + rows.end;
            let scores = Product { left, right: keys, steps: 0..head_width, scale: of.scale, adds };
            band(&scores, rows.clone(), seen, weights, all);
            for row in rows.clone() {
                let scores = &mut weights[row * all..row * all + seen];
                let visible = sizes.seen(row);
                let (scores, future) = scores.split_at_mut(visible.end);
                let (past, seen) = scores.split_at_mut(visible.start);
                let most = largest(seen);
                for score in seen.iter_mut() {
                    *score = exp(*score - most);
                }
                let inverse = 1.0 / sum(seen.len(), |i| seen[i]);
                for score in seen.iter_mut() {
                    *score *= inverse;
                }
                past.fill(0.0);
                future.fill(0.0);
            }
            let left = Strided { values: &*weights, rows: all, columns: 1 };
            let mixed = Product { left, right: values, steps: 0..seen, scale: 1.0, adds };
            band(&mixed, rows, head_width, output, of.width());
        }
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
    let Sizes { before, positions, of } = sizes;
    let (all, head_width, adds) = (sizes.all(), of.head_width, false);
    turn(sizes, values, turned);
    let right = Strided { values: &*turned, rows: all, columns: 1 };
    let matrices = weights.chunks(sizes.matrix()).zip(of_scores.chunks_mut(sizes.matrix()));
    for (head, (weights, of_scores)) in matrices.enumerate() {
        let left = gradient.from(head * head_width);
        let output = &mut output[head * head_width..];
        for rows in bands(positions) {
            let seen = before + rows.end;
            let of_weights = Product { left, right, steps: 0..head_width, scale: 1.0, adds };
            band(&of_weights, rows.clone(), seen, of_scores, all);
            for row in rows.clone() {
                let weights = &weights[row * all..row * all + seen];
                let of_weights = &mut of_scores[row * all..row * all + seen];
                let mean = sum(seen, |i| weights[i] * of_weights[i]);
                // What a position does not see has no weight, and nothing comes out of it.
                for (of_weight, &weight) in of_weights.iter_mut().zip(weights) {
                    *of_weight = weight * (*of_weight - mean);
                }
            }
            let left = Strided { values: &*of_scores, rows: all, columns: 1 };
            let (steps, scale) = (0..seen, of.scale);
            let of_queries = Product { left, right: keys, steps, scale, adds };
            band(&of_queries, rows, head_width, output, row);
        }
    }
}

/// `∂K = ∂Sᵀ·Q·scale` and, a sequence's keys behind it, `∂V = Pᵀ·∂`, summed over the heads of queries, to
/// `output`, whose rows are `row` apart.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn backward_keys(
    sizes: Sizes,
    [queries, gradient]: [Strided<'_>; 2],
    weights: &[f32],
    of_scores: &[f32],
    output: &mut [f32],
    row: usize,
) {
    let (all, of) = (sizes.all(), sizes.of);
    let matrices = weights.chunks(sizes.matrix()).zip(of_scores.chunks(sizes.matrix()));
    for (head, (weights, of_scores)) in matrices.enumerate() {
        let [queries, gradient] = [queries, gradient].map(|it| it.from(head * of.head_width));
        let adds = head > 0;
        for rows in bands(all) {
            // A key and its value are seen by their own row and those below.
            let below = rows.start.saturating_sub(sizes.before)..sizes.positions;
            let left = |values| Strided { values, rows: 1, columns: all };
            let (steps, scale) = (below.clone(), of.scale);
            let of_keys = Product { left: left(of_scores), right: queries, steps, scale, adds };
            band(&of_keys, rows.clone(), of.head_width, output, row);
            let (left, steps, scale) = (left(weights), below, 1.0);
            let of_values = Product { left, right: gradient, steps, scale, adds };
            band(&of_values, rows, of.head_width, &mut output[of.key_width()..], row);
        }
    }
}
