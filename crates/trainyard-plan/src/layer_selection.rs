//! Layers as people name them: by name, number, range and pattern.

use crate::Profile;

impl Profile {
    /// Indices of the layers that a text names, in the order of the text: `embed`, `3`, `0-5` and
    /// `block0-block3` (the last one included), `block*`, or several of these with commas. What is a
    /// layer's whole name means that layer.
    ///
    /// ```
    /// use trainyard_plan::{LayerProfile, ModelProfile, Profile};
    ///
    /// let layer = |name: &str| LayerProfile { name: name.into(), ..LayerProfile::default() };
    /// let model = ModelProfile {
    ///     name: "tiny".into(),
    ///     optimizer_bytes_per_param_byte: 2,
    ///     fresh_bytes_per_param_byte: 0,
    ///     kernels: None,
    ///     layers: ["embed", "block0", "block1", "head"].map(layer).to_vec(),
    /// };
    /// let profile = Profile::new(model, 1);
    /// assert_eq!(profile.layers_named("block*, head"), Ok(vec![1, 2, 3]));
    /// assert_eq!(profile.layers_named("0-1"), Ok(vec![0, 1]));
    /// assert_eq!(profile.layers_named("0,tail"), Err("tail"));
    /// ```
    ///
    /// # Errors
    /// The part of the text that names no layer.
    pub fn layers_named<'t>(&self, text: &'t str) -> Result<Vec<usize>, &'t str> {
        if let Some(layer) = self.layer_named(text) {
            return Ok(vec![layer]);
        }
        let mut layers = Vec::new();
        for part in text.split(',').map(str::trim) {
            let found = self.layers_of_part(part);
            if found.is_empty() {
                return Err(part);
            }
            layers.extend(found);
        }
        Ok(layers)
    }

    /// The layers of one name, number, range or pattern; none where it names none.
    fn layers_of_part(&self, part: &str) -> Vec<usize> {
        let layers = &self.model.layers;
        if let Some(layer) = self.layer_of(part) {
            return vec![layer];
        }
        if part.contains('*') {
            return (0..layers.len()).filter(|at| matches(part, &layers[*at].name)).collect();
        }
        // A name may have a dash of its own.
        let dashes = part.match_indices('-');
        let ends = dashes.filter_map(|(at, _)| {
            let (first, last) = (part.get(..at)?, part.get(at + 1..)?);
            Some((self.layer_of(first.trim())?, self.layer_of(last.trim())?))
        });
        ends.take(1).flat_map(|(first, last)| first..=last).collect()
    }

    /// A layer by its name, or else by its number.
    fn layer_of(&self, text: &str) -> Option<usize> {
        let numbered = || text.parse().ok().filter(|at| *at < self.model.layers.len());
        self.layer_named(text).or_else(numbered)
    }

    fn layer_named(&self, name: &str) -> Option<usize> {
        self.model.layers.iter().position(|layer| layer.name == name)
    }
}

/// Whether a name has the parts of a pattern between its stars, in order.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let (first, last) = (parts.next().unwrap_or(""), parts.next_back().unwrap_or(""));
    let Some(mut rest) = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LayerProfile, ModelProfile};

    fn profile(names: &[&str]) -> Profile {
        let layer = |name: &&str| LayerProfile { name: (*name).into(), ..LayerProfile::default() };
        let layers = names.iter().map(layer).collect();
        Profile::new(ModelProfile { layers, ..ModelProfile::default() }, 1)
    }

    #[test]
    fn names_numbers_ranges_patterns_and_lists_are_understood() {
        let gpt = profile(&["embed", "block0", "block1", "block2", "head", "a-b", "7", "x,y"]);
        for (text, layers) in [
            ("embed", vec![0]),
            ("0", vec![0]),
            ("0-5", (0..6).collect()),
            ("embed - block1", (0..3).collect()),
            ("block1-4", vec![2, 3, 4]),
            ("block*", vec![1, 2, 3]),
            ("*", (0..8).collect()),
            ("b*1,h*d, *", [vec![2, 4], (0..8).collect()].concat()),
            ("*o*k*", vec![1, 2, 3]),
            // A layer's own name goes before what else it could mean.
            ("a-b", vec![5]),
            ("0-a-b", (0..6).collect()),
            ("7", vec![6]),
            ("x,y", vec![7]),
        ] {
            assert_eq!(gpt.layers_named(text), Ok(layers), "{text}");
        }
        for (text, part) in [
            ("tail", "tail"),
            ("embed,tail", "tail"),
            ("8", "8"),
            ("0-8", "0-8"),
            ("3-1", "3-1"),
            ("-1", "-1"),
            ("z*", "z*"),
            ("embed,", ""),
            ("", ""),
            ("head*head", "head*head"),
        ] {
            assert_eq!(gpt.layers_named(text), Err(part), "{text}");
        }
    }
}
