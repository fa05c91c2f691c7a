//! A small matrix product for operands that stay in the first-level cache.

use std::ops::Range;

/// A matrix inside a slice: element `(row, column)` lies at `row·rows + column·columns`.
#[derive(Clone, Copy)]
pub(super) struct Strided<'a> {
    pub(super) values: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl<'a> Strided<'a> {
    /// The same that begins some columns further.
    pub(super) fn from(self, column: usize) -> Strided<'a> {
        Strided { values: &self.values[column * self.columns..], ..self }
    }
}

/// Columns of a wide tile: two of the widest registers.
const WIDE: usize = 32;
/// Columns of a narrow tile.
const NARROW: usize = 8;
/// Rows of a tile: what fits in the registers beside a row of the right matrix.
pub(super) const TALL: usize = 4;

/// A product to compute: `scale · Σ_k left[r][k]·right[k][c]`.
///
/// The elements of a row of `right` lie side by side. `k` runs over `steps`, so that a causal
/// product can leave out what is zero.
pub(super) struct Product<'a> {
    pub(super) left: Strided<'a>,
    pub(super) right: Strided<'a>,
    pub(super) steps: Range<usize>,
    pub(super) scale: f32,
    /// Whether it is added to what the output has.
    pub(super) adds: bool,
}

/// Computes the columns `0..columns` of up to [`TALL`] rows into `output`, whose rows are
/// `output_rows` apart.
#[inline(always)]
pub(super) fn band(
    product: &Product<'_>,
    rows: Range<usize>,
    columns: usize,
    output: &mut [f32],
    output_rows: usize,
) {
    let mut column = 0;
    macro_rules! tiles {
        ($width:expr) => {
            while columns - column >= $width {
                if rows.len() == TALL {
                    tile::<TALL, $width>(product, rows.start, column, output, output_rows);
                } else {
                    for row in rows.clone() {
                        tile::<1, $width>(product, row, column, output, output_rows);
                    }
                }
                column += $width;
            }
        };
    }
    tiles!(WIDE);
    tiles!(NARROW);
    tiles!(1);
}

#[inline(always)]
fn tile<const ROWS: usize, const COLUMNS: usize>(
    product: &Product<'_>,
    row: usize,
    column: usize,
    output: &mut [f32],
    output_rows: usize,
) {
    let Product { left, right, ref steps, scale, adds } = *product;
    let mut sums = [[0.0_f32; COLUMNS]; ROWS];
    for k in steps.clone() {
        let start = k * right.rows + column;
        let right = &right.values[start..start + COLUMNS];
        for (i, sums) in sums.iter_mut().enumerate() {
            let factor = left.values[(row + i) * left.rows + k * left.columns];
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum += factor * right;
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        let start = (row + i) * output_rows + column;
        for (output, sum) in output[start..start + COLUMNS].iter_mut().zip(sums) {
            *output = if adds { *output + sum * scale } else { sum * scale };
        }
    }
}
