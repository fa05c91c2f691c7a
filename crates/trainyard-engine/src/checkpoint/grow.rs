//! Tensors of a checkpoint in larger ones: a model that has got more tokens since.

/// Whether a tensor of one shape is a corner of one of another.
pub(super) fn fits(small: &[usize], large: &[usize]) -> bool {
    small.len() == large.len() && small.iter().zip(large).all(|(small, large)| small <= large)
}

/// Puts a tensor into the first corner of a larger one; the rest of that stays.
pub(super) fn put_into_corner(values: &[f32], small: &[usize], large: &[usize], into: &mut [f32]) {
    let row = small.last().copied().unwrap_or(1);
    for (number, values) in values.chunks(row.max(1)).enumerate() {
        // The row's place in the small tensor, and from it that in the large one.
        let (mut left, mut place, mut stride) = (number, 0, large.last().copied().unwrap_or(1));
        let outer = small.len().saturating_sub(1);
        for (small, large) in small[..outer].iter().zip(&large[..outer]).rev() {
            place += left % small.max(&1) * stride;
            left /= small.max(&1);
            stride *= large;
        }
        if let Some(to) = into.get_mut(place..place + values.len()) {
            to.copy_from_slice(values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns_are_added_at_the_ends() {
        let mut into = vec![0.0; 12];
        put_into_corner(&[1.0, 2.0, 3.0, 4.0], &[2, 2], &[3, 4], &mut into);
        assert_eq!(into, [1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let mut into = vec![9.0; 3];
        put_into_corner(&[1.0, 2.0], &[2], &[3], &mut into);
        assert_eq!(into, [1.0, 2.0, 9.0]);
        let mut into = vec![0.0; 12];
        put_into_corner(&[1.0, 2.0], &[1, 2, 1], &[2, 3, 2], &mut into);
        assert_eq!(into[..4], [1.0, 0.0, 2.0, 0.0]);
        assert!(fits(&[2, 2], &[2, 3]) && !fits(&[2, 2], &[1, 3]) && !fits(&[2], &[2, 1]));
    }
}
