//! Matrix products through `gemm`, the library under Burn's CPU backend too, without the copy of
//! every result that Burn's way of allocating it costs.

use gemm::Parallelism;

use super::one_row::{by_columns, by_rows};

/// A matrix over a slice, row by row or turned.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    /// Exactly `rows · columns` of them, which is what makes [`product`] sound.
    values: &'a [f32],
    rows: usize,
    columns: usize,
    turned: bool,
}

impl<'a> Matrix<'a> {
    /// Rows of so many columns each; what does not fill a row is left out.
    pub(super) fn new(values: &'a [f32], columns: usize) -> Self {
        let rows = values.len().checked_div(columns).unwrap_or(0);
        Self { values: &values[..rows * columns], rows, columns, turned: false }
    }

    /// Its transpose.
    pub(super) fn turned(self) -> Self {
        Self { rows: self.columns, columns: self.rows, turned: !self.turned, ..self }
    }

    pub(super) fn rows(self) -> usize {
        self.rows
    }

    pub(super) fn columns(self) -> usize {
        self.columns
    }

    /// Distances between rows and between columns.
    fn strides(self) -> (isize, isize) {
        if self.turned { (1, self.rows.cast_signed()) } else { (self.columns.cast_signed(), 1) }
    }
}

/// Multiplications from which several threads pay, as in Burn's backend.
const PARALLEL_FROM: usize = 192 * 192 * 192;

/// `left · right`, row by row.
pub(super) fn product(left: Matrix<'_>, right: Matrix<'_>) -> Vec<f32> {
    let mut output = vec![0.0_f32; left.rows * right.columns];
    if left.rows == 1 && left.columns == right.rows {
        // One row lies side by side, however it is turned.
        let of = if right.turned { by_rows } else { by_columns };
        of(left.values, right.values, &mut output);
    } else {
        run(left, right, &mut output, false);
    }
    output
}

/// Adds `left · right`, row by row, to `sum`, which has its size.
pub(super) fn add_product(left: Matrix<'_>, right: Matrix<'_>, sum: &mut [f32]) {
    debug_assert_eq!(sum.len(), left.rows * right.columns, "the sum has another size");
    run(left, right, sum, true);
}

#[expect(unsafe_code, reason = "gemm takes pointers and strides")]
fn run(left: Matrix<'_>, right: Matrix<'_>, output: &mut [f32], add: bool) {
    debug_assert_eq!(left.columns, right.rows, "the matrices do not fit each other");
    let (rows, steps, columns) = (left.rows, left.columns.min(right.rows), right.columns);
    if output.len() != rows * columns {
        return;
    }
    let parallelism = if rows * columns * steps >= PARALLEL_FROM {
        Parallelism::Rayon(0)
    } else {
        Parallelism::None
    };
    let ((left_row, left_column), (right_row, right_column)) = (left.strides(), right.strides());
    // SAFETY: `left` holds rows × (at least steps) elements and `right` (at least steps) × columns
    // elements at their strides, by the invariant of `Matrix`; `output` has rows × columns, row by
    // row, and nothing else refers to it.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            steps,
            output.as_mut_ptr(),
            1,
            columns.cast_signed(),
            add,
            left.values.as_ptr(),
            left_column,
            left_row,
            right.values.as_ptr(),
            right_column,
            right_row,
            if add { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
