//! The kernels of attention for one head of keys and values of one sequence and the heads of queries that share
//! it, on CPU devices.

use multiversion::multiversion;

use super::sight::Sight;
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
    /// How many positions a position sees, itself among them, on each side where it sees both; at least 1.
    pub(crate) window: usize,
    /// Whether a position does not see those behind it.
    pub(crate) is_causal: bool,
}

impl GroupedHeads {
    /// Heads of keys and values for each of queries, that see all before them.
    pub(crate) fn equal(heads: usize, head_width: usize) -> Self {
        let scale = (1.0 / (head_width as f64).sqrt()) as f32;
        let (window, is_causal) = (usize::MAX, true);
        Self { heads, key_heads: heads, head_width, scale, window, is_causal }
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
    sight: &Sight<'_>,
    [queries, keys, values]: [Strided<'_>; 3],
    turned: &mut [f32],
    weights: &mut [f32],
    output: &mut [f32],
) {
    let sizes = sight.sizes();
    let Sizes { positions, of, .. } = sizes;
    let (all, head_width, adds) = (sizes.all(), of.head_width, false);
    turn(sizes, keys, turned);
    let keys = Strided { values: &*turned, rows: all, columns: 1 };
    for (head, weights) in weights.chunks_mut(sizes.matrix()).enumerate() {
        let left = queries.from(head * head_width);
        let output = &mut output[head * head_width..];
        for rows in bands(positions) {
            // Columns outside are seen by no row of the band, and stay zero.
            let columns = sight.of_queries(rows.clone());
            let (right, count) = (keys.from(columns.start), columns.len());
            let scores = Product { left, right, steps: 0..head_width, scale: of.scale, adds };
            band(&scores, rows.clone(), count, &mut weights[columns.start..], all);
            for row in rows.clone() {
                let scores = &mut weights[row * all + columns.start..row * all + columns.end];
                let visible = sight.of_query(row);
                let (scores, after) = scores.split_at_mut(visible.end - columns.start);
                let (before, seen) = scores.split_at_mut(visible.start - columns.start);
                sight.blank(row, seen, f32::NEG_INFINITY);
                let most = largest(seen);
                for score in seen.iter_mut() {
                    *score = exp(*score - most);
                }
                // The function is never quite 0.
                sight.blank(row, seen, 0.0);
                let inverse = 1.0 / sum(seen.len(), |i| seen[i]);
                for score in seen.iter_mut() {
                    *score *= inverse;
                }
                before.fill(0.0);
                after.fill(0.0);
            }
            let left = Strided { values: &*weights, rows: all, columns: 1 };
            let mixed = Product { left, right: values, steps: columns, scale: 1.0, adds };
            band(&mixed, rows, head_width, output, of.width());
        }
    }
}

/// With `P` the weights, `S` the scores and `∂` the gradient of the output: `∂P = ∂·Vᵀ`,
/// `∂S = P·(∂P − Σ P·∂P)`, which goes to `of_scores`, and `∂Q = ∂S·K·scale`, to `output`, whose rows are
/// `row` apart. `turned` has room for the values.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn backward_queries(
    sight: &Sight<'_>,
    [keys, values, gradient]: [Strided<'_>; 3],
    weights: &[f32],
    turned: &mut [f32],
    of_scores: &mut [f32],
    output: &mut [f32],
    row: usize,
) {
    let sizes = sight.sizes();
    let Sizes { positions, of, .. } = sizes;
    let (all, head_width, adds) = (sizes.all(), of.head_width, false);
    turn(sizes, values, turned);
    let values = Strided { values: &*turned, rows: all, columns: 1 };
    let matrices = weights.chunks(sizes.matrix()).zip(of_scores.chunks_mut(sizes.matrix()));
    for (head, (weights, of_scores)) in matrices.enumerate() {
        let left = gradient.from(head * head_width);
        let output = &mut output[head * head_width..];
        for rows in bands(positions) {
            let columns = sight.of_queries(rows.clone());
            let (right, seen) = (values.from(columns.start), columns.len());
            let of_weights = Product { left, right, steps: 0..head_width, scale: 1.0, adds };
            band(&of_weights, rows.clone(), seen, &mut of_scores[columns.start..], all);
            for row in rows.clone() {
                let of_row = row * all + columns.start..row * all + columns.end;
                let weights = &weights[of_row.clone()];
                let of_weights = &mut of_scores[of_row];
                let mean = sum(seen, |i| weights[i] * of_weights[i]);
                // What a position does not see has no weight, and nothing comes out of it.
                for (of_weight, &weight) in of_weights.iter_mut().zip(weights) {
                    *of_weight = weight * (*of_weight - mean);
                }
            }
            let left = Strided { values: &*of_scores, rows: all, columns: 1 };
            let (steps, scale) = (columns, of.scale);
            let of_queries = Product { left, right: keys, steps, scale, adds };
            band(&of_queries, rows, head_width, output, row);
        }
    }
}

/// `∂K = ∂Sᵀ·Q·scale` and, a sequence's keys behind it, `∂V = Pᵀ·∂`, summed over the heads of queries, to
/// `output`, whose rows are `row` apart.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn backward_keys(
    sight: &Sight<'_>,
    [queries, gradient]: [Strided<'_>; 2],
    weights: &[f32],
    of_scores: &[f32],
    output: &mut [f32],
    row: usize,
) {
    let sizes = sight.sizes();
    let (all, of) = (sizes.all(), sizes.of);
    let matrices = weights.chunks(sizes.matrix()).zip(of_scores.chunks(sizes.matrix()));
    for (head, (weights, of_scores)) in matrices.enumerate() {
        let [queries, gradient] = [queries, gradient].map(|it| it.from(head * of.head_width));
        let adds = head > 0;
        for rows in bands(all) {
            let seen_by = sight.of_keys(rows.clone());
            let left = |values| Strided { values, rows: 1, columns: all };
            let (steps, scale) = (seen_by.clone(), of.scale);
            let of_keys = Product { left: left(of_scores), right: queries, steps, scale, adds };
            band(&of_keys, rows.clone(), of.head_width, output, row);
            let (left, steps, scale) = (left(weights), seen_by, 1.0);
            let of_values = Product { left, right: gradient, steps, scale, adds };
            band(&of_values, rows, of.head_width, &mut output[of.key_width()..], row);
        }
    }
}
