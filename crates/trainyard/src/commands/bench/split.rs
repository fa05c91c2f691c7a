//! Layers shared out to stages.

/// The layers of each stage, by the stages' shares; each has one at least. None where there are fewer
/// layers than stages.
pub(super) fn split(layers: usize, shares: &[f64]) -> Option<Vec<(usize, usize)>> {
    if layers < shares.len() {
        return None;
    }
    let all: f64 = shares.iter().sum();
    let mut ranges: Vec<(usize, usize)> = Vec::with_capacity(shares.len());
    let (mut first, mut sum) = (0, 0.0);
    for (stage, share) in shares.iter().enumerate() {
        sum += share;
        let end = (layers as f64 * sum / all).round() as usize;
        // No stage is empty, and enough is left for those that follow.
        let end = end.clamp(first + 1, layers - (shares.len() - 1 - stage));
        ranges.push((first, end));
        first = end;
    }
    Some(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_shared_out_and_none_is_left() {
        assert_eq!(split(6, &[1.0, 1.0]).unwrap(), [(0, 3), (3, 6)]);
        assert_eq!(split(6, &[2.0, 1.0]).unwrap(), [(0, 4), (4, 6)]);
        assert_eq!(split(4, &[9.0, 1.0, 1.0, 1.0]).unwrap(), [(0, 1), (1, 2), (2, 3), (3, 4)]);
        assert_eq!(split(5, &[1e-9, 1.0, 1e-9]).unwrap(), [(0, 1), (1, 4), (4, 5)]);
        assert_eq!(split(1, &[1.0, 1.0]), None);
    }
}
