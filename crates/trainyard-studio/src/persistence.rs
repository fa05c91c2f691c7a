//! What is kept from one day to the next: settings, layout, recent files, and how far the first
//! steps went.

use std::path::{Path, PathBuf};

use eframe::egui::ThemePreference;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fine_tuning::Form;
use crate::layout::Layout;

/// The settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Light, dark, or as the system is.
    pub theme: ThemePreference,
    /// Zoom; 1 is normal.
    pub zoom: f32,
    /// Whether nothing moves by itself.
    pub reduce_motion: bool,
    /// Path of the program `trainyard`; empty for the usual places.
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
    /// Range of the zoom.
    pub const ZOOM: std::ops::RangeInclusive<f32> = 0.5..=3.0;

    /// Makes everything larger or smaller by a tenth, within [`Settings::ZOOM`].
    pub(crate) fn zoom_by(&mut self, tenths: f32) {
        let zoom = (self.zoom * 10.0).round() / 10.0 + tenths / 10.0;
        self.zoom = zoom.clamp(*Self::ZOOM.start(), *Self::ZOOM.end());
    }
}

/// Recent files, the newest first.
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

/// Whether the program that a run file names may be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramAnswer {
    /// The run file.
    pub run_file: PathBuf,
    /// BLAKE3 of the program's path and content: a program that changed is asked for again.
    pub fingerprint: String,
    /// Whether it may be started.
    pub allowed: bool,
}

/// Answers about programs named by run files, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProgramAnswers(Vec<ProgramAnswer>);

impl ProgramAnswers {
    const MOST: usize = 200;

    /// What was said of the program that a run file names; `None` where there is no answer, or the
    /// program has changed since.
    #[must_use]
    pub fn of(&self, run_file: &Path, fingerprint: &str) -> Option<bool> {
        let same = |it: &&ProgramAnswer| it.run_file == run_file && it.fingerprint == fingerprint;
        self.0.iter().find(same).map(|answer| answer.allowed)
    }

    /// Whether some program was allowed for a run file, as it was then.
    #[must_use]
    pub fn allow_any(&self, run_file: &Path) -> bool {
        self.0.iter().any(|answer| answer.run_file == run_file && answer.allowed)
    }

    /// Takes an answer, in the place of an older one of the same run file.
    pub fn add(&mut self, answer: ProgramAnswer) {
        self.0.retain(|known| known.run_file != answer.run_file);
        self.0.insert(0, answer);
        self.0.truncate(Self::MOST);
    }
}

/// Everything that is kept.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Persisted {
    /// The settings.
    pub settings: Settings,
    /// Where the panels are; `None` where that was never kept.
    pub layout: Option<Layout>,
    /// Recent files.
    pub recent: Recent,
    /// Progress through the first steps.
    pub first_steps: FirstSteps,
    /// Which programs that run files name may be started.
    pub programs: ProgramAnswers,
    /// The fine-tuning that was being described.
    pub fine_tuning: Form,
}

impl Persisted {
    /// What was kept. A part that cannot be read, of another version or broken, is as at first.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let Ok(mut parts) = serde_json::from_str::<Value>(text) else { return Self::default() };
        let mut kept = Self {
            settings: part(&mut parts, "settings"),
            layout: part(&mut parts, "layout"),
            recent: part(&mut parts, "recent"),
            first_steps: part(&mut parts, "first_steps"),
            programs: part(&mut parts, "programs"),
            fine_tuning: part(&mut parts, "fine_tuning"),
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
        let mut kept = Persisted::default();
        kept.settings.zoom = 1.5;
        kept.recent.add(Path::new("a.json"));
        kept.recent.add(Path::new("b.json"));
        kept.recent.add(Path::new("a.json"));
        kept.first_steps.moved = true;
        let text = kept.to_text();
        let back = Persisted::from_text(&text);
        assert_eq!(back.settings, kept.settings);
        assert_eq!(
            back.recent.paths().collect::<Vec<_>>(),
            [Path::new("a.json"), Path::new("b.json")]
        );
        assert!(back.first_steps.moved);

        let mut broken: Value = serde_json::from_str(&text).unwrap();
        broken["layout"] = 77.into();
        broken["programs"] = "all".into();
        let back = Persisted::from_text(&broken.to_string());
        assert!(back.layout.is_none());
        assert_eq!(back.programs, ProgramAnswers::default());
        assert_eq!(back.settings, kept.settings);
        assert_eq!(Persisted::from_text("nonsense").settings, Settings::default());
        let mad = Persisted::from_text(r#"{"settings": {"zoom": 900}}"#);
        assert_eq!(mad.settings, Settings::default());
        assert!(!FirstSteps::default().done());
    }

    #[test]
    fn an_answer_holds_for_its_run_file_and_for_the_program_as_it_was() {
        let mut answers = ProgramAnswers::default();
        let answer = |fingerprint: &str, allowed| ProgramAnswer {
            run_file: "run.toml".into(),
            fingerprint: fingerprint.to_owned(),
            allowed,
        };
        answers.add(answer("a", true));
        assert_eq!(answers.of(Path::new("run.toml"), "a"), Some(true));
        assert_eq!(answers.of(Path::new("run.toml"), "b"), None);
        assert_eq!(answers.of(Path::new("other.toml"), "a"), None);
        answers.add(answer("b", false));
        assert_eq!(answers.of(Path::new("run.toml"), "b"), Some(false));
        assert_eq!(answers.of(Path::new("run.toml"), "a"), None);
        assert!(!answers.allow_any(Path::new("run.toml")));
    }
}
