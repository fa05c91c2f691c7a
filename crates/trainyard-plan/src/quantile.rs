//! Medians and quantiles.

/// The median; 0 of nothing.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => 0.0,
        (Some(&value), 1) => value,
        (Some(&value), _) => f64::midpoint(values[middle - 1], value),
    }
}

/// The value below which a fraction of all lies, one of the values; 0 of none.
#[must_use]
pub fn quantile(values: &[f64], fraction: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let index = (fraction.clamp(0.0, 1.0) * last as f64).round() as usize;
    values.get(index).copied().unwrap_or(0.0)
}

/// The interval between two of the values in which the median that they are drawn from lies with 95 %,
/// whatever their distribution; from the least to the largest where fewer than six are too few for
/// that. 0 of none.
///
/// Each value lies below the median with the probability of a half. So the k-th smallest does not with
/// that of fewer than k heads in as many throws, which both ends together may have 5 % of.
#[must_use]
pub fn median_interval(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let (Some(&least), Some(&largest)) = (values.first(), values.last()) else { return (0.0, 0.0) };
    let count = values.len() as f64;
    let (mut ends, mut below) = ((least, largest), 0.0);
    // The logarithm, for many throws, of the probability of so many heads.
    let mut ln_heads = -count * std::f64::consts::LN_2;
    for (index, (&low, &high)) in values.iter().zip(values.iter().rev()).enumerate() {
        below += ln_heads.exp();
        if below > 0.025 || low > high {
            break;
        }
        ends = (low, high);
        let heads = index as f64;
        ln_heads += ((count - heads) / (heads + 1.0)).ln();
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the values 1 to `count`, so that a bound is its own place.
    fn places(count: u32) -> (f64, f64) {
        median_interval((1..=count).rev().map(f64::from).collect())
    }

    #[test]
    fn an_interval_of_the_median_is_that_of_the_tables() {
        // Of the sign test: the largest k with P(fewer than k heads of n) ≤ 2.5 %.
        for (count, low) in [(6, 1), (9, 2), (10, 2), (20, 6), (30, 10), (50, 18), (100, 40)] {
            let expected = (f64::from(low), f64::from(count + 1 - low));
            assert_eq!(places(count), expected, "of {count}");
        }
    }

    #[test]
    fn few_values_give_all_that_they_span() {
        assert_eq!(median_interval(Vec::new()), (0.0, 0.0));
        assert_eq!(median_interval(vec![3.0]), (3.0, 3.0));
        assert_eq!(places(5), (1.0, 5.0));
        let (low, high) = places(100_000);
        assert!(low < 50_000.0 && high > 50_000.0 && high - low < 1_000.0, "{low} {high}");
    }
}
