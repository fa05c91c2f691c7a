//! Figures as a person reads them.

use trainyard_plan::memory::human_bytes;

/// Bytes that are a float, for they were averaged.
pub(super) fn bytes(bytes: f64) -> String {
    human_bytes(bytes.max(0.0) as u64)
}

/// A count with a unit of thousands: `950`, `12.3 k`, `124 M`.
pub(super) fn count(count: f64) -> String {
    let units = [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")];
    match units.into_iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) => format!("{}{name}", three(count / unit)),
        None => three(count),
    }
}

/// A share of 1 in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A whole number, such as that of a step, in few characters: `60`, `1500`, `120 k`.
pub(super) fn whole(number: f64) -> String {
    if number.abs() < 1e4 { format!("{number:.0}") } else { count(number) }
}

/// A number at a grid line, the lines being `step` apart: `2.5`, `0.001`, `700 M`.
pub(super) fn on_axis(value: f64, step: f64) -> String {
    if value.abs() >= 1e4 {
        let sign = if value < 0.0 { "−" } else { "" };
        return format!("{sign}{}", count(value.abs()));
    }
    let digits = -step.log10().round();
    if digits > 4.0 && value != 0.0 {
        return format!("{value:.0e}");
    }
    let digits = digits.clamp(0.0, 4.0) as usize;
    format!("{value:.digits$}")
}

/// A number of any size in few characters.
pub(super) fn small(value: f64) -> String {
    match value.abs() {
        v if v == 0.0 || (1e-2..1e4).contains(&v) => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}

/// A number with three digits, none of them after the point where there are three before it.
fn three(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        assert_eq!(count(379_135.7), "379 k");
        assert_eq!(count(950.0), "950");
        assert_eq!(count(0.0), "0");
        assert_eq!(whole(1500.0), "1500");
        assert_eq!(on_axis(7e8, 1e8), "700 M");
        assert_eq!(on_axis(-2e6, 1e6), "−2.00 M");
        assert_eq!(on_axis(2.5, 0.1), "2.5");
        assert_eq!(on_axis(3.0, 1.0), "3");
        assert_eq!(on_axis(3e-6, 1e-6), "3e-6");
        assert_eq!(percent(0.123), "12.3 %");
    }
}
