//! A curve of any length in bounded memory.

/// How many points a curve has at most. Twice what the widest window has pixels for a chart.
pub(super) const MOST_POINTS: usize = 4096;

/// Some neighbouring steps, as one point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The last step it is made of.
    pub step: u64,
    /// Mean of the values.
    pub mean: f64,
    /// The lowest of them.
    pub low: f64,
    /// The highest.
    pub high: f64,
    /// How many there are.
    count: u32,
}

/// Values by step. Once there are too many for `MOST_POINTS`, neighbours become one point, which
/// remembers their mean, lowest and highest value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    points: Vec<Point>,
    /// Values a point; 0 means 1, before the first doubling.
    stride: u32,
    last: Option<f64>,
}

impl Point {
    fn of(step: u64, value: f64) -> Self {
        Self { step, mean: value, low: value, high: value, count: 1 }
    }

    fn join(self, other: Self) -> Self {
        let (a, b) = (f64::from(self.count), f64::from(other.count));
        Self {
            step: other.step,
            // Weighed before they are added: the sum of two huge losses is not a number.
            mean: self.mean * (a / (a + b)) + other.mean * (b / (a + b)),
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            count: self.count.saturating_add(other.count),
        }
    }
}

impl Series {
    /// Adds the value of a step. Values that are not numbers make no point.
    pub fn push(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.last = Some(value);
        let point = Point::of(step, value);
        match self.points.last_mut() {
            Some(last) if last.count < self.stride => *last = last.join(point),
            _ => self.points.push(point),
        }
        if self.points.len() > MOST_POINTS {
            self.halve();
        }
    }

    /// Forgets what comes after a step: a resumed run does it again.
    pub fn cut_after(&mut self, step: u64) {
        self.points.retain(|point| point.step <= step);
        self.last = self.points.last().map(|point| point.mean);
    }

    /// The points, by step.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The newest value.
    #[must_use]
    pub fn last(&self) -> Option<f64> {
        self.last
    }

    fn halve(&mut self) {
        let join = |pair: &[Point]| match pair {
            [a, b] => Some(a.join(*b)),
            [a] => Some(*a),
            _ => None,
        };
        self.points = self.points.chunks(2).filter_map(join).collect();
        self.stride = self.stride.max(1).saturating_mul(2);
    }
}

/// A curve without its noise: an exponential mean with a weight of `smoothing` (0 to below 1) for
/// what came before, freed of the bias towards its start, as `TensorBoard` draws it.
pub fn smooth(points: &[Point], smoothing: f64) -> impl Iterator<Item = [f64; 2]> {
    let smoothing = smoothing.clamp(0.0, 0.999);
    let (mut mean, mut weight) = (0.0, 0.0);
    points.iter().map(move |point| {
        mean = smoothing * mean + (1.0 - smoothing) * point.mean;
        weight = smoothing * weight + (1.0 - smoothing);
        [point.step as f64, mean / weight]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_values_keep_their_ends_and_extremes() {
        let mut series = Series::default();
        let value = |step: u64| if step == 777_777 { 99.0 } else { (step % 10) as f64 };
        for step in 1..=1_000_000 {
            series.push(step, value(step));
        }
        let points = series.points();
        assert!(points.len() <= MOST_POINTS && points.len() > MOST_POINTS / 4);
        assert_eq!(points.last().unwrap().step, 1_000_000);
        let highest = points.iter().map(|point| point.high).fold(0.0, f64::max);
        assert!((highest - 99.0).abs() < 1e-9, "{highest}");
        let count: u64 = points.iter().map(|point| u64::from(point.count)).sum();
        assert_eq!(count, 1_000_000);
        let mean = points.iter().map(|p| p.mean * f64::from(p.count)).sum::<f64>() / 1e6;
        assert!((mean - 4.5).abs() < 1e-3, "{mean}");
        assert!(points.windows(2).all(|pair| pair[0].step < pair[1].step));
    }

    #[test]
    fn a_value_that_is_no_number_makes_no_point() {
        let mut series = Series::default();
        series.push(1, f64::NAN);
        series.push(2, f64::INFINITY);
        assert_eq!((series.points(), series.last()), (&[][..], None));
        series.push(3, f64::MAX);
        series.push(4, f64::MAX);
        assert!(series.points()[0].join(series.points()[1]).mean.is_finite());
    }

    #[test]
    fn smoothing_keeps_a_level_line_and_nothing_smooths_nothing() {
        let mut series = Series::default();
        (1..=50).for_each(|step| series.push(step, 3.0));
        assert!(smooth(series.points(), 0.9).all(|[_, value]| (value - 3.0).abs() < 1e-9));
        series.push(51, 5.0);
        assert_eq!(smooth(series.points(), 0.0).last(), Some([51.0, 5.0]));
    }
}
