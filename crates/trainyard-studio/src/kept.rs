//! What is kept from one day to the next: settings, layout, recent files, and how far the first
//! steps went.

use std::path::{Path, PathBuf};

use eframe::egui::ThemePreference;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::shell::layout::Layout;

/// What a person set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Light, dark, or as the system is.
    pub theme: ThemePreference,
    /// How large everything is; 1 is normal.
    pub zoom: f32,
    /// Whether nothing moves by itself.
    pub reduce_motion: bool,
    /// Where the program `trainyard` is; empty for the usual places.
    pub program: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemePreference::System,
            zoom: 1.0,
            reduce_motion: false,
            program: String::new(),
        }
    }
}

impl Settings {
    /// How small and how large everything can be made.
    pub const ZOOM: std::ops::RangeInclusive<f32> = 0.5..=3.0;

    /// Makes everything larger or smaller by a tenth, within [`Settings::ZOOM`].
    pub(crate) fn zoom_by(&mut self, tenths: f32) {
        let zoom = (self.zoom * 10.0).round() / 10.0 + tenths / 10.0;
        self.zoom = zoom.clamp(*Self::ZOOM.start(), *Self::ZOOM.end());
    }
}

/// What was open before, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Recent(Vec<PathBuf>);

impl Recent {
    const MOST: usize = 10;

    /// The paths, the newest first.
    pub fn paths(&self) -> impl Iterator<Item = &Path> + Clone {
        self.0.iter().map(PathBuf::as_path)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts a path first.
    pub fn add(&mut self, path: &Path) {
        self.forget(path);
        self.0.insert(0, path.to_owned());
        self.0.truncate(Self::MOST);
    }

    /// Forgets a path, such as one that is gone.
    pub fn forget(&mut self, path: &Path) {
        self.0.retain(|known| known != path);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The three steps in which a person gets to know the studio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FirstSteps {
    /// A layer was moved.
    pub moved: bool,
    /// The planner was asked.
    pub planned: bool,
    /// A training was started.
    pub ran: bool,
}

impl FirstSteps {
    /// Whether all are done. Then they are not shown any more.
    #[must_use]
    pub fn done(self) -> bool {
        self.moved && self.planned && self.ran
    }
}

/// Everything that is kept.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Kept {
    /// What a person set.
    pub settings: Settings,
    /// Where the panels are.
    pub layout: Layout,
    /// What was open before.
    pub recent: Recent,
    /// How far the first steps went.
    pub first_steps: FirstSteps,
}

impl Kept {
    /// What was kept. A part that cannot be read, of another version or broken, is as at first.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let Ok(mut parts) = serde_json::from_str::<Value>(text) else { return Self::default() };
        let mut kept = Self {
            settings: part(&mut parts, "settings"),
            layout: part::<Option<Layout>>(&mut parts, "layout")
                .and_then(Layout::checked)
                .unwrap_or_default(),
            recent: part(&mut parts, "recent"),
            first_steps: part(&mut parts, "first_steps"),
        };
        if !Settings::ZOOM.contains(&kept.settings.zoom) {
            kept.settings.zoom = 1.0;
        }
        kept
    }

    /// What to keep.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Nothing in it can fail to be written; if it did, the old text would be kept no longer.
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn part<T: DeserializeOwned + Default>(parts: &mut Value, name: &str) -> T {
    let part = parts.get_mut(name).map(Value::take);
    part.and_then(|part| serde_json::from_value(part).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_a_broken_part_is_as_at_first() {
        let mut kept = Kept::default();
        kept.settings.zoom = 1.5;
        kept.recent.add(Path::new("a.json"));
        kept.recent.add(Path::new("b.json"));
        kept.recent.add(Path::new("a.json"));
        kept.first_steps.moved = true;
        let text = kept.to_text();
        let back = Kept::from_text(&text);
        assert_eq!(back.settings, kept.settings);
        assert_eq!(
            back.recent.paths().collect::<Vec<_>>(),
            [Path::new("a.json"), Path::new("b.json")]
        );
        assert!(back.first_steps.moved);

        let mut broken: Value = serde_json::from_str(&text).unwrap();
        broken["layout"]["root"] = 77.into();
        let back = Kept::from_text(&broken.to_string());
        assert_eq!(back.layout.shown(), Layout::default().shown());
        assert_eq!(back.settings, kept.settings);
        assert_eq!(Kept::from_text("nonsense").settings, Settings::default());
        let mad = Kept::from_text(r#"{"settings": {"zoom": 900}}"#);
        assert_eq!(mad.settings, Settings::default());
        assert!(!FirstSteps::default().done());
    }
}
