//! Where a ruler has its ticks, and what stands at them.

/// Ticks of a ruler: how far apart, and how to write one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ticks {
    /// From one to the next, ns: 1, 2 or 5 times a power of ten.
    pub every_ns: f64,
    unit_ns: f64,
    unit: &'static str,
    decimals: usize,
}

impl Ticks {
    /// Ticks at least `least_ns` apart for times up to `largest_ns`.
    #[must_use]
    pub fn new(least_ns: f64, largest_ns: f64) -> Self {
        let least = if least_ns.is_finite() { least_ns.max(1.0) } else { 1.0 };
        let power = 10f64.powf(least.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= least * 0.999);
        let every_ns = step.unwrap_or(10.0) * power;
        let (unit_ns, unit) = match largest_ns {
            size if size < 1e3 => (1.0, "ns"),
            size if size < 1e6 => (1e3, "µs"),
            size if size < 1e9 => (1e6, "ms"),
            _ => (1e9, "s"),
        };
        let decimals = (unit_ns / every_ns).log10().ceil().max(0.0) as usize;
        Self { every_ns, unit_ns, unit, decimals }
    }

    /// The ticks in a range, ns.
    pub fn within(&self, start: f64, end: f64) -> impl Iterator<Item = f64> + use<> {
        let every = self.every_ns;
        let first = (start / every).ceil();
        let count = ((end / every).floor() - first + 1.0).clamp(0.0, 1000.0) as usize;
        (0..count).map(move |index| (first + index as f64) * every)
    }

    /// What stands at a tick.
    #[must_use]
    pub fn label(&self, ns: f64) -> String {
        let decimals = self.decimals;
        // No minus before a zero.
        let value = if ns.abs() < self.every_ns / 2.0 { 0.0 } else { ns / self.unit_ns };
        format!("{value:.decimals$} {}", self.unit).replace('-', "−")
    }
}
