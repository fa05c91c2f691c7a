//! A product of few rows with a matrix whose columns lie one after the other, as where a text is written a token
//! at a time: as fast as memory gives the matrix, with all threads.

use multiversion::multiversion;
use rayon::prelude::*;

use super::simd::sum;

/// For more rows a product by tiles is faster.
pub(super) const MOST: usize = 4;

/// Numbers of the matrix that one task reads.
const TASK: usize = 32_768;

/// `left · right` row by row, for `rows` rows of `steps` numbers and columns of as many.
pub(super) fn product(left: &[f32], right: &[f32], steps: usize, rows: usize) -> Vec<f32> {
    if steps == 0 {
        return Vec::new();
    }
    let columns = right.len() / steps;
    let task = (TASK / steps).max(1);
    // Column by column.
    let mut output = vec![0.0; rows * columns];
    let tasks = output.par_chunks_mut(task * rows).zip(right.par_chunks(task * steps));
    tasks.for_each(|(output, right)| dots(left, right, steps, output));
    if rows == 1 {
        return output;
    }
    (0..rows).flat_map(|row| output.iter().skip(row).step_by(rows).copied()).collect()
}

/// Each row's sum of products with each column.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn dots(left: &[f32], right: &[f32], steps: usize, output: &mut [f32]) {
    let rows = left.len() / steps;
    for (column, output) in right.chunks_exact(steps).zip(output.chunks_exact_mut(rows)) {
        for (row, output) in left.chunks_exact(steps).zip(output) {
            *output = sum(steps, |i| row[i] * column[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, product};

    #[test]
    fn few_rows_are_multiplied_by_every_column() {
        let some = |count: usize, step: usize| -> Vec<f32> {
            (0..count).map(|i| (i * step % 23) as f32 - 11.0).collect()
        };
        for (rows, steps, columns) in
            [(1, 1, 1), (1, 37, 5), (2, 16, 9), (3, 70, 1), (MOST, 600, 200)]
        {
            let (left, right) = (some(rows * steps, 7), some(steps * columns, 5));
            let found = product(&left, &right, steps, rows);
            assert_eq!(found.len(), rows * columns);
            for (i, found) in found.iter().enumerate() {
                let (row, column) = (i / columns * steps, i % columns * steps);
                let expected: f32 = (0..steps).map(|k| left[row + k] * right[column + k]).sum();
                assert!((found - expected).abs() < 0.5, "{i}: {found} is not {expected}");
            }
        }
    }
}
