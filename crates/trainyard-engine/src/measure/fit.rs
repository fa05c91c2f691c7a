//! A straight line through transfer times.

/// `time = latency + bytes / rate` through points of (bytes, µs), as (latency in µs, bytes a µs).
///
/// Every point's error counts in proportion to its time, or the largest transfers alone would
/// decide. The latency is not below 0 and the rate is above 0, whatever the points say.
pub(super) fn line(points: &[(f64, f64)]) -> (f64, f64) {
    // Weighted least squares with weights 1/time².
    let mut sums = [0.0; 5];
    for &(bytes, time) in points {
        let weight = 1.0 / time.max(1e-3).powi(2);
        let terms = [1.0, bytes, bytes * bytes, time, bytes * time];
        for (sum, term) in sums.iter_mut().zip(terms) {
            *sum += weight * term;
        }
    }
    let [ones, x, xx, y, xy] = sums;
    let slope = (ones * xy - x * y) / (ones * xx - x * x);
    let latency = (y - slope * x) / ones;
    if slope > 0.0 && latency >= 0.0 {
        return (latency, 1.0 / slope);
    }
    // Through the origin; or, where more bytes take less time, no line at all: as fast as the
    // fastest.
    let slope = if slope > 0.0 { xy / xx } else { 0.0 };
    if slope > 0.0 && slope.is_finite() {
        return (0.0, 1.0 / slope);
    }
    let fastest = points.iter().map(|&(bytes, time)| bytes / time.max(1e-3)).fold(1e-3, f64::max);
    (0.0, fastest)
}

#[cfg(test)]
mod tests {
    use super::line;

    fn near(found: (f64, f64), expected: (f64, f64)) {
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-6 * b.abs() + 1e-9;
        assert!(close(found.0, expected.0) && close(found.1, expected.1), "{found:?}");
    }

    #[test]
    fn a_line_is_found_again() {
        let points: Vec<(f64, f64)> =
            (12..=24).map(|power| f64::from(1 << power)).map(|b| (b, 30.0 + b / 5_000.0)).collect();
        near(line(&points), (30.0, 5_000.0));
    }

    #[test]
    fn latency_is_never_negative_and_the_rate_always_positive() {
        let bent: Vec<(f64, f64)> = (1..=8).map(f64::from).map(|b| (b * 1e3, b * b)).collect();
        for points in [
            bent,
            vec![(4096.0, 9.0), (8192.0, 5.0), (16384.0, 2.0)],
            vec![(4096.0, 5.0), (8192.0, 5.0)],
            vec![(4096.0, 5.0)],
            vec![(4096.0, 0.0), (8192.0, 0.0)],
            Vec::new(),
        ] {
            let (latency, rate) = line(&points);
            assert!(latency >= 0.0 && latency.is_finite(), "{points:?}: {latency}");
            assert!(rate > 0.0 && rate.is_finite(), "{points:?}: {rate}");
        }
    }
}
