//! Numbers and names as people read them.

use trainyard_plan::Profile;
use trainyard_plan::memory::human_bytes;

/// A share: `38 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Which way a change of −0.08 goes, and how far: `▼ 8 %`. `None` where nobody would see it.
#[must_use]
pub fn change(share: f64) -> Option<String> {
    let sign = if share < 0.0 { "▼ −" } else { "▲ +" };
    match share.abs() * 100.0 {
        size if size.is_nan() || size < 0.05 => None,
        size if size < 9.95 => Some(format!("{sign}{size:.1} %")),
        size if size < 1000.0 => Some(format!("{sign}{size:.0} %")),
        _ => Some(format!("{sign}over 1000 %")),
    }
}

/// How memory changes, and whether it grows: `▼ −12 %`, or bytes where there was or will be none.
/// `None` where nobody would see it.
#[must_use]
pub fn memory_change(before: u64, after: u64) -> Option<(String, bool)> {
    match (before, after) {
        (0, 0) => None,
        (0, after) => Some((format!("▲ +{}", human_bytes(after)), true)),
        (before, 0) => Some((format!("▼ −{}", human_bytes(before)), false)),
        (before, after) => {
            let share = after as f64 / before as f64 - 1.0;
            change(share).map(|words| (words, share > 0.0))
        }
    }
}

/// The name of a layer.
#[must_use]
pub fn layer(profile: &Profile, layer: usize) -> &str {
    profile.model.layers.get(layer).map_or("", |layer| layer.name.as_str())
}

/// The names of a run of layers: `block3` or `block3–block5`.
#[must_use]
pub fn layers(profile: &Profile, (first, end): (usize, usize)) -> String {
    let name = layer(profile, first);
    if end <= first + 1 {
        return name.to_owned();
    }
    format!("{name}–{}", layer(profile, end - 1))
}

/// The names of several runs: `block3–block5, head`.
#[must_use]
pub fn runs(profile: &Profile, runs: &[(usize, usize)]) -> String {
    let words: Vec<String> = runs.iter().map(|run| layers(profile, *run)).collect();
    words.join(", ")
}

/// The id of a device.
#[must_use]
pub fn device(profile: &Profile, device: usize) -> &str {
    profile.devices.get(device).map_or("a device", |device| device.id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_a_sign_and_an_arrow() {
        assert_eq!(change(-0.123).as_deref(), Some("▼ −12 %"));
        assert_eq!(change(0.08).as_deref(), Some("▲ +8.0 %"));
        assert_eq!(change(0.0001), None);
        assert_eq!(change(f64::NAN), None);
        assert_eq!(memory_change(7, 7), None);
        assert_eq!(memory_change(100, 88), Some(("▼ −12 %".to_owned(), false)));
        assert_eq!(memory_change(0, 1 << 20), Some(("▲ +1.00 MiB".to_owned(), true)));
        assert_eq!(memory_change(1 << 20, 0), Some(("▼ −1.00 MiB".to_owned(), false)));
    }
}
