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
