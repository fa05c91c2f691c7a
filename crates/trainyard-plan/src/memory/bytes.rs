//! Sizes as people read them.

/// A size to three digits in binary units: `12 B`, `340 MiB`, `1.50 GiB`.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    let (value, decimals, unit) = in_unit(bytes);
    format!("{value:.decimals$} {unit}")
}

/// The same, rounded up: who types it asks for no less.
#[must_use]
pub fn human_bytes_at_least(bytes: u64) -> String {
    rounded(bytes, f64::ceil)
}

/// The same, rounded down: who types it asks for no more.
#[must_use]
pub fn human_bytes_at_most(bytes: u64) -> String {
    rounded(bytes, f64::floor)
}

fn rounded(bytes: u64, round: fn(f64) -> f64) -> String {
    let (value, decimals, unit) = in_unit(bytes);
    let scale = 10_f64.powi(i32::try_from(decimals).unwrap_or(0));
    format!("{:.decimals$} {unit}", round(value * scale) / scale)
}

/// A size in the unit that suits it, with the decimals that make it three digits.
fn in_unit(bytes: u64) -> (f64, usize, &'static str) {
    if bytes < 1 << 10 {
        return (bytes as f64, 0, "B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    // 1023.5 would print as 1024 of a unit that ends at 1023.
    while value >= 1023.5 {
        let Some(larger) = units.next() else { break };
        value /= 1024.0;
        unit = larger;
    }
    let decimals = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    (value, decimals, unit)
}
