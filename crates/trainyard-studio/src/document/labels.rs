//! Numbers and names as people read them.

use trainyard_plan::Profile;

/// A share: `38 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The name of a layer.
#[must_use]
pub fn layer(profile: &Profile, layer: usize) -> &str {
    profile.model.layers.get(layer).map_or("no layer", |layer| layer.name.as_str())
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

/// A name of at most `most` characters. Its middle is left out: names that are alike often differ
/// at their ends.
#[must_use]
pub(crate) fn elided(name: &str, most: usize) -> String {
    let count = name.chars().count();
    if count <= most {
        return name.to_owned();
    }
    let kept = most.saturating_sub(1);
    let end = kept / 2;
    let start: String = name.chars().take(kept - end).collect();
    start + "…" + &name.chars().skip(count - end).collect::<String>()
}

/// The id of a device.
#[must_use]
pub fn device(profile: &Profile, device: usize) -> &str {
    profile.devices.get(device).map_or("a device", |device| device.id.as_str())
}

#[cfg(test)]
mod tests {
    use super::elided;

    #[test]
    fn a_long_name_keeps_both_ends() {
        assert_eq!(elided("gpu-7", 5), "gpu-7");
        assert_eq!(elided("gerät-von-nebenan-07", 8), "gerä…-07");
        assert_eq!(elided("gerät-von-nebenan-08", 8), "gerä…-08");
        assert_eq!(elided("ab", 1), "…");
    }
}
