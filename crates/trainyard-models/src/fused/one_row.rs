//! The product of one row and a matrix, as where a text is written token by token: it reads the matrix once, so
//! all that counts is how fast that comes. Every thread of the device reads a part of it.

use multiversion::multiversion;
use rayon::prelude::*;

use super::simd::sum;

/// Elements of the matrix that one task reads.
const TASK: usize = 1 << 16;

/// `output[n] = Σ_k row[k]·matrix[n][k]`
pub(super) fn by_rows(row: &[f32], matrix: &[f32], output: &mut [f32]) {
    let steps = row.len();
    let rows = (TASK / steps.max(1)).max(1);
    let task = |(output, matrix): (&mut [f32], &[f32])| dots(row, matrix, output);
    let outputs = output.par_chunks_mut(rows);
    outputs.zip(matrix.par_chunks((rows * steps).max(1))).for_each(task);
}

/// `output[n] = Σ_k row[k]·matrix[k][n]`
pub(super) fn by_columns(row: &[f32], matrix: &[f32], output: &mut [f32]) {
    let columns = output.len();
    // Whole lines of the cache, and few enough for the sums to stay in it.
    let width = (TASK / row.len().max(1)).clamp(256, 1024).next_multiple_of(16);
    let task = |(part, output): (usize, &mut [f32])| {
        add_rows(row, matrix.get(part * width..).unwrap_or_default(), columns, output);
    };
    output.par_chunks_mut(width).enumerate().for_each(task);
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn dots(row: &[f32], matrix: &[f32], output: &mut [f32]) {
    for (output, of_matrix) in output.iter_mut().zip(matrix.chunks_exact(row.len().max(1))) {
        let of_matrix = &of_matrix[..row.len()];
        *output = sum(row.len(), |k| row[k] * of_matrix[k]);
    }
}

/// The first columns of rows that are `columns` apart, each times its factor, added to `output`, from the first
/// to the last.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn add_rows(factors: &[f32], matrix: &[f32], columns: usize, output: &mut [f32]) {
    let width = output.len();
    for (factor, of_matrix) in factors.iter().zip(matrix.chunks(columns.max(1))) {
        for (sum, value) in output.iter_mut().zip(&of_matrix[..width.min(of_matrix.len())]) {
            *sum += factor * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_gives_what_each_sum_gives() {
        for (steps, columns) in
            [(1, 1), (3, 5), (17, 64), (33, 1100), (300, 257), (2000, 40), (0, 3)]
        {
            let value = |i: usize| ((i * 37 + 11) % 41) as f32 - 20.0;
            let row: Vec<f32> = (0..steps).map(value).collect();
            let matrix: Vec<f32> = (0..steps * columns).map(|i| value(i + 7)).collect();
            let turned: Vec<f32> =
                (0..steps * columns).map(|i| matrix[i % steps * columns + i / steps]).collect();
            // Whole numbers, so that no order of the sums changes them.
            let expected: Vec<f32> = (0..columns)
                .map(|n| (0..steps).map(|k| row[k] * matrix[k * columns + n]).sum())
                .collect();
            let (mut rows, mut across) = (vec![0.0; columns], vec![0.0; columns]);
            by_rows(&row, &turned, &mut rows);
            by_columns(&row, &matrix, &mut across);
            assert_eq!(across, expected, "{steps} × {columns}");
            assert_eq!(rows, expected, "{steps} × {columns}");
        }
    }
}
