//! Times as people read them, the same in every panel.

/// A time in µs to three digits: see [`human_ns`].
#[must_use]
pub(crate) fn human_us(us: f64) -> String {
    human_ns(us * 1e3)
}

/// A time in ns to three digits, in the unit that suits it: `850 ns`, `12.3 µs`, `4.56 ms`, `1.23 s`,
/// and from two minutes on as [`human_seconds`]. A dash for what is no number.
#[must_use]
pub(crate) fn human_ns(ns: f64) -> String {
    let (value, unit) = match ns.abs() {
        size if !size.is_finite() => return "–".to_owned(),
        size if size < 999.5 => return minus(&format!("{ns:.0} ns")),
        size if size < 999.5e3 => (ns / 1e3, "µs"),
        size if size < 999.5e6 => (ns / 1e6, "ms"),
        size if size < 120e9 => (ns / 1e9, "s"),
        size => {
            let sign = if ns < 0.0 { "−" } else { "" };
            return format!("{sign}{}", human_seconds(size / 1e9));
        }
    };
    let decimals = match value.abs() {
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    minus(&format!("{value:.decimals$} {unit}"))
}

/// A long time in whole seconds: `42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`.
#[must_use]
pub(crate) fn human_seconds(seconds: f64) -> String {
    let all = seconds.max(0.0).round() as u64;
    let (days, hours) = (all / 86_400, all / 3600 % 24);
    let (minutes, seconds) = (all / 60 % 60, all % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {seconds} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// With the sign that is as wide as a plus, and none before a zero.
fn minus(text: &str) -> String {
    if text == "-0 ns" { "0 ns".to_owned() } else { text.replace('-', "−") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        let words = [0.0, -0.2, 850.0, 999.6, 12_345.0, -4_560_000.0, 999.6e6, 61e9].map(human_ns);
        let expected =
            ["0 ns", "0 ns", "850 ns", "1.00 µs", "12.3 µs", "−4.56 ms", "1.00 s", "61.0 s"];
        assert_eq!(words, expected);
        assert_eq!(human_us(168.805), "169 µs");
        assert_eq!(human_us(200e6), "3 min 20 s");
        assert_eq!(human_us(-200e6), "−3 min 20 s");
        assert_eq!(human_us(f64::NAN), "–");
    }

    #[test]
    fn long_times_are_whole() {
        let words = [-1.0, 42.0, 185.0, 7800.0, 90_000.0].map(human_seconds);
        assert_eq!(words, ["0 s", "42 s", "3 min 5 s", "2 h 10 min", "1 d 1 h"]);
    }
}
