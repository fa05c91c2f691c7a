//! The names of the commands, and their keys.

use eframe::egui::{Key, KeyboardShortcut, Modifiers, ThemePreference};

use super::Command;
use super::spec::Spec;

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;
const CTRL_SHIFT: Modifiers = Modifiers::COMMAND.plus(Modifiers::SHIFT);

#[expect(clippy::unnecessary_wraps, reason = "commands without keys have none")]
const fn keys(modifiers: Modifiers, key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(modifiers, key))
}

impl Command {
    /// Its name, tooltip and keys.
    #[must_use]
    pub fn spec(self) -> Spec {
        let (name, tip, shortcut) = match self {
            Self::Open => (
                "Open…",
                "Open a run file, profile, plan, run directory, trace or model",
                keys(CTRL, Key::O),
            ),
            Self::OpenExample => ("Open example", "Open the built-in example, planned", None),
            Self::OpenRecent => {
                ("Open recent…", "Show what was open before", keys(CTRL_SHIFT, Key::O))
            }
            Self::SavePlan => {
                ("Save plan", "Write the plan to its file, plan.json", keys(CTRL, Key::S))
            }
            Self::SavePlanAs => {
                ("Save plan as…", "Write the plan to another file", keys(CTRL_SHIFT, Key::S))
            }
            Self::CopyCommandLine => (
                "Copy command line",
                "Copy what to type to run this plan without the studio",
                keys(CTRL_SHIFT, Key::C),
            ),
            Self::Export(what) => return what.spec(),
            Self::AllSteps => (
                "Show all steps",
                "Read the whole journal of the run as a trace, as trainyard trace RUN writes it",
                None,
            ),
            Self::CloseTrace => {
                ("Close trace", "Show the plan again instead of the trace that was opened", None)
            }
            Self::Quit => ("Quit", "Close the window", keys(CTRL, Key::Q)),
            Self::Undo => ("Undo", "Take the last edit back", keys(CTRL, Key::Z)),
            Self::Redo => ("Redo", "Do again what was taken back", keys(CTRL_SHIFT, Key::Z)),
            Self::AutoPlan => {
                ("Auto-plan", "Let the planner look for the best plan", keys(CTRL, Key::Enter))
            }
            Self::UseMyDevices => (
                "Use my devices…",
                "List what this machine has and make a run file for it",
                keys(CTRL, Key::D),
            ),
            Self::Measure => (
                "Measure",
                "Find out what the layers cost on the run file's devices: by a measurement that is \
                 known, or a new one",
                keys(CTRL, Key::M),
            ),
            Self::MeasureAnew => (
                "Measure anew",
                "Measure what the layers cost again, after a change of drivers, clocks or cooling",
                keys(CTRL_SHIFT, Key::M),
            ),
            Self::Calibrate => {
                ("Calibrate", "Take the times of the run as the profile, and plan again", None)
            }
            Self::Run => ("Run", "Train the plan on its devices", keys(NONE, Key::F5)),
            Self::Stop => {
                ("Stop", "Stop the training; it saves first", keys(Modifiers::SHIFT, Key::F5))
            }
            Self::Resume => {
                ("Resume", "Go on with the training that was stopped", keys(NONE, Key::F6))
            }
            Self::FitTimeline => {
                ("Fit timeline", "Show the timeline as a whole", keys(CTRL_SHIFT, Key::F))
            }
            Self::FollowNewest => {
                ("Follow newest", "Keep the newest step of the run in view", keys(CTRL, Key::End))
            }
            Self::Toggle(panel) => (panel.command, panel.tip, keys(CTRL, panel.key)),
            Self::ResetLayout => {
                ("Reset layout", "Put the panels back where they were at first", None)
            }
            Self::Theme(ThemePreference::Light) => ("Light theme", "Dark on light", None),
            Self::Theme(ThemePreference::Dark) => ("Dark theme", "Light on dark", None),
            Self::Theme(ThemePreference::System) => {
                ("System theme", "Light or dark, as the system is", None)
            }
            Self::ZoomIn => ("Zoom in", "Make everything larger", keys(CTRL, Key::Plus)),
            Self::ZoomOut => ("Zoom out", "Make everything smaller", keys(CTRL, Key::Minus)),
            Self::ZoomReset => {
                ("Reset zoom", "Make everything as large as at first", keys(CTRL, Key::Num0))
            }
            Self::Palette => ("Command palette…", "Find a command by name", keys(CTRL, Key::K)),
            Self::Welcome => ("Welcome", "Show or hide the welcome", None),
            Self::Help => (
                "Keyboard and mouse",
                "List all commands and gestures",
                keys(NONE, Key::Questionmark),
            ),
            Self::Settings => {
                ("Settings…", "Theme, zoom, motion, and where trainyard is", keys(CTRL, Key::Comma))
            }
            Self::About => ("About Trainyard Studio", "Versions, graphics adapter, devices", None),
        };
        Spec { name, tip, shortcut }
    }
}
