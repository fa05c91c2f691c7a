//! Which weights of layers train, and how they are held. What is frozen is hatched.

use eframe::egui::{Painter, Rect, Ui};
use trainyard_plan::memory::human_bytes;
use trainyard_plan::{LayerProfile, Profile};

use crate::hatch;
use crate::theme::{Pattern, Theme};

/// How much of the hatching is seen below a name.
const FAINT: f32 = 0.28;
/// Trained weights that are there at all take so much of a block's width, in points.
const LEAST: f32 = 6.0;

/// The weights of a run of layers by their roles, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roles {
    trained: u64,
    frozen: u64,
    buffers: u64,
    /// How frozen weights are held that are not all 32-bit floats.
    frozen_as: Vec<String>,
}

impl Roles {
    /// Those of the layers `[first, end)`.
    pub(super) fn of_run(profile: &Profile, run: (usize, usize)) -> Self {
        Self::of_runs(profile, [run])
    }

    /// Those of several runs.
    pub(super) fn of_runs(
        profile: &Profile,
        runs: impl IntoIterator<Item = (usize, usize)>,
    ) -> Self {
        let mut roles = Self::default();
        for (first, end) in runs {
            let layers = profile.model.layers.get(first..end).unwrap_or_default();
            for layer in layers {
                roles.add(layer);
            }
        }
        roles
    }

    fn add(&mut self, layer: &LayerProfile) {
        self.trained = self.trained.saturating_add(layer.param_bytes);
        self.frozen = self.frozen.saturating_add(layer.frozen_bytes);
        self.buffers = self.buffers.saturating_add(layer.buffer_bytes);
        for format in &layer.frozen_as {
            if !self.frozen_as.contains(format) {
                self.frozen_as.push(format.clone());
            }
        }
    }

    /// Bytes of frozen weights.
    pub(super) fn frozen(&self) -> u64 {
        self.frozen
    }

    /// How weights are held that are not all 32-bit floats: `q4_1`; `None` where they are.
    pub(super) fn format(&self) -> Option<String> {
        (!self.frozen_as.is_empty()).then(|| self.frozen_as.join(", "))
    }

    /// In words: `trained 1.0 MiB, frozen 12 MiB as q4_1`.
    pub(super) fn words(&self) -> String {
        let mut parts = vec![format!("trained {}", human_bytes(self.trained))];
        if self.frozen > 0 {
            let format = self.format().map(|format| format!(" as {format}"));
            parts.push(format!(
                "frozen {}{}",
                human_bytes(self.frozen),
                format.unwrap_or_default()
            ));
        }
        if self.buffers > 0 {
            parts.push(format!("buffers {}", human_bytes(self.buffers)));
        }
        parts.join(", ")
    }

    /// The part of a block that is hatched: as much of its width as its weights are frozen.
    fn hatched(&self, block: Rect) -> Option<Rect> {
        if self.frozen == 0 {
            return None;
        }
        let all = self.trained.saturating_add(self.frozen) as f64;
        let share = (self.trained as f64 / all) as f32;
        let least = if self.trained > 0 { LEAST } else { 0.0 };
        let trained = (block.width() * share).max(least).min(block.width());
        Some(block.with_min_x(block.left() + trained))
    }

    /// Hatches what is frozen of a block.
    pub(super) fn hatch(&self, ui: &Ui, block: Rect, theme: &Theme) {
        if let Some(part) = self.hatched(block.shrink(1.0)) {
            hatch_frozen(ui.painter(), part, theme);
        }
    }
}

/// Hatches an area as what is frozen is.
pub(super) fn hatch_frozen(painter: &Painter, rect: Rect, theme: &Theme) {
    hatch::pattern(painter, rect, Pattern::Rising, theme.on_colour.gamma_multiply(FAINT));
}

#[cfg(test)]
mod tests {
    use eframe::egui::{Pos2, vec2};

    use super::*;

    fn roles(trained: u64, frozen: u64) -> Roles {
        Roles { trained, frozen, ..Roles::default() }
    }

    #[test]
    fn as_much_is_hatched_as_is_frozen() {
        let block = Rect::from_min_size(Pos2::ZERO, vec2(100.0, 20.0));
        let left = |trained, frozen| roles(trained, frozen).hatched(block).map(|part| part.left());
        assert_eq!(left(10, 0), None);
        assert_eq!(left(0, 10), Some(0.0));
        assert_eq!(left(30, 10), Some(75.0));
        // Few trained weights are seen all the same.
        assert_eq!(left(1, 1_000_000), Some(LEAST));
    }

    #[test]
    fn formats_are_said_once() {
        let layer = |formats: &[&str]| LayerProfile {
            param_bytes: 1 << 20,
            frozen_bytes: 2 << 20,
            frozen_as: formats.iter().map(|format| (*format).to_owned()).collect(),
            ..LayerProfile::default()
        };
        let mut roles = Roles::default();
        for formats in [&["q4_1", "q8_0"][..], &["q4_1"], &[]] {
            roles.add(&layer(formats));
        }
        assert_eq!(roles.words(), "trained 3.00 MiB, frozen 6.00 MiB as q4_1, q8_0");
        assert_eq!(roles.format().as_deref(), Some("q4_1, q8_0"));
    }
}
