//! The commands: everything the studio can be told to do, in one list.
//!
//! Menus, palette, keyboard and help sheet are made of it, so they cannot disagree. To add a
//! command, add a variant, its row in [`Command::spec`], its place in a [`Menu`], and what it does
//! in `perform.rs`.

mod export;
mod menu;

use eframe::egui::{Context, Key, KeyboardShortcut, Modifiers, ThemePreference};

use crate::shell::layout::Panel;
pub use export::Export;
pub use menu::Menu;

/// Something the studio can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Asks for a file and opens it.
    Open,
    /// Puts the built-in example on the desk.
    OpenExample,
    /// Shows what was open before.
    OpenRecent,
    /// Writes the plan to its file.
    SavePlan,
    /// Writes the plan to another file.
    SavePlanAs,
    /// Copies what to type to run the plan without the studio.
    CopyCommandLine,
    /// Writes what is drawn, or the data behind it.
    Export(Export),
    /// Closes the window.
    Quit,
    /// Takes the last edit back.
    Undo,
    /// Does again what was taken back.
    Redo,
    /// Lets the planner look for the best plan.
    AutoPlan,
    /// Lists this machine's devices and makes a run file for them.
    UseMyDevices,
    /// Measures what the run file's layers cost on its devices.
    Measure,
    /// Measures it again, whatever is known.
    MeasureAnew,
    /// Takes the measured times as the profile.
    Calibrate,
    /// Trains the plan.
    Run,
    /// Stops the training, which saves first.
    Stop,
    /// Goes on with a training that was stopped.
    Resume,
    /// Shows the whole timeline.
    FitTimeline,
    /// Keeps the newest step in view.
    FollowNewest,
    /// Shows or hides a panel.
    Toggle(Panel),
    /// Puts the panels back where they were at first.
    ResetLayout,
    /// Light, dark, or as the system is.
    Theme(ThemePreference),
    /// Everything larger.
    ZoomIn,
    /// Everything smaller.
    ZoomOut,
    /// Everything as large as at first.
    ZoomReset,
    /// Finds a command by its name.
    Palette,
    /// Shows or hides the welcome.
    Welcome,
    /// Lists all commands and gestures.
    Help,
    /// Shows the settings.
    Settings,
    /// Says what this program is.
    About,
}

/// What a person reads of a command.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name in menus. Dots at the end say that it asks before it does anything.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub tip: &'static str,
    /// Its keys.
    pub shortcut: Option<KeyboardShortcut>,
}

/// What decides which commands may be used now.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Facts {
    /// What undo would take back.
    pub undo: Option<String>,
    /// What redo would do again.
    pub redo: Option<String>,
    /// Whether there is something in the list of recent files.
    pub has_recent: bool,
    /// Whether the plan belongs to a run file.
    pub has_run_file: bool,
    /// Whether the program `trainyard` was found.
    pub has_program: bool,
    /// Whether a training goes on.
    pub running: bool,
    /// Whether there is a training to go on with.
    pub resumable: bool,
    /// Whether a measured timeline is shown.
    pub measured: bool,
    /// Whether a run is watched that has made steps.
    pub stepped: bool,
    /// Whether another program works for the studio just now: it measures, say.
    pub busy: bool,
    /// Whether the newest step is kept in view.
    pub follows: bool,
    /// Which panels are shown.
    pub shown: Vec<Panel>,
    /// Light, dark or system.
    pub theme: ThemePreference,
    /// Whether the welcome is shown.
    pub welcome: bool,
}

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;
const CTRL_SHIFT: Modifiers = Modifiers::COMMAND.plus(Modifiers::SHIFT);

#[expect(clippy::unnecessary_wraps, reason = "commands without keys have none")]
const fn keys(modifiers: Modifiers, key: Key) -> Option<KeyboardShortcut> {
    Some(KeyboardShortcut::new(modifiers, key))
}

const NO_PROGRAM: &str = "the program trainyard was not found; Settings say where it is";

impl Command {
    /// All of them, in the order of the menus.
    pub fn all() -> impl Iterator<Item = Self> {
        Menu::ALL.into_iter().flat_map(Menu::commands)
    }

    /// What a person reads of it.
    #[must_use]
    pub fn spec(self) -> Spec {
        let (name, tip, shortcut) = match self {
            Self::Open => (
                "Open…",
                "Open a run file, profile, plan, run directory or trace",
                keys(CTRL, Key::O),
            ),
            Self::OpenExample => {
                ("Open example", "Put the built-in example on the desk, planned", None)
            }
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
            Self::Toggle(Panel::Board) => {
                ("Board panel", "Show or hide the devices and their layers", keys(CTRL, Key::Num1))
            }
            Self::Toggle(Panel::Plans) => {
                ("Plans panel", "Show or hide the planner", keys(CTRL, Key::Num2))
            }
            Self::Toggle(Panel::Timeline) => {
                ("Timeline panel", "Show or hide the timeline", keys(CTRL, Key::Num3))
            }
            Self::Toggle(Panel::Run) => {
                ("Run panel", "Show or hide the training", keys(CTRL, Key::Num4))
            }
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

    /// Why it may not be used now; `None` where it may.
    #[must_use]
    pub fn unavailable(self, facts: &Facts) -> Option<&'static str> {
        let unless = |may: bool, why| (!may).then_some(why);
        match self {
            Self::OpenRecent => unless(facts.has_recent, "nothing was opened before"),
            Self::Undo => unless(facts.undo.is_some(), "there is nothing to take back"),
            Self::Redo => unless(facts.redo.is_some(), "nothing was taken back"),
            Self::UseMyDevices => unless(facts.has_program, NO_PROGRAM)
                .or_else(|| unless(!facts.busy, "something else is under way")),
            Self::Measure | Self::MeasureAnew => unless(facts.has_program, NO_PROGRAM)
                .or_else(|| unless(facts.has_run_file, "open a run file first"))
                .or_else(|| unless(!facts.busy && !facts.running, "the devices are in use")),
            Self::Calibrate => {
                unless(facts.stepped, "no run has made a step yet; run the plan first")
            }
            Self::Run => unless(facts.has_program, NO_PROGRAM)
                .or_else(|| unless(!facts.running, "a training goes on already"))
                .or_else(|| unless(!facts.busy, "the devices are in use")),
            Self::Stop => unless(facts.running, "no training goes on"),
            Self::Resume => unless(facts.has_program, NO_PROGRAM)
                .or_else(|| unless(facts.resumable, "there is no training that was stopped")),
            Self::FollowNewest => unless(facts.measured, "nothing is measured yet"),
            _ => None,
        }
    }

    /// Whether a menu puts a tick before it; `None` for what cannot be on or off.
    #[must_use]
    pub fn ticked(self, facts: &Facts) -> Option<bool> {
        match self {
            Self::Toggle(panel) => Some(facts.shown.contains(&panel)),
            Self::Theme(theme) => Some(facts.theme == theme),
            Self::FollowNewest => Some(facts.follows),
            Self::Welcome => Some(facts.welcome),
            _ => None,
        }
    }

    /// Its name in a menu, with what it would do: "Undo move block3 to igpu".
    #[must_use]
    pub fn title(self, facts: &Facts) -> String {
        let name = self.spec().name;
        let words = match self {
            Self::Undo => facts.undo.as_deref(),
            Self::Redo => facts.redo.as_deref(),
            _ => None,
        };
        words.map_or_else(|| name.to_owned(), |words| format!("{name} {words}"))
    }

    /// What is said of it when it is done. Nothing of what may ask first or fail: that says more
    /// itself.
    #[must_use]
    pub fn done(self, facts: &Facts) -> String {
        let name = self.spec().name;
        match self {
            Self::Toggle(_) | Self::FollowNewest | Self::Welcome => {
                let was_on = self.ticked(facts) == Some(true);
                format!("{name}: {}", if was_on { "off" } else { "on" })
            }
            Self::AutoPlan
            | Self::FitTimeline
            | Self::ResetLayout
            | Self::Theme(_)
            | Self::ZoomIn
            | Self::ZoomOut
            | Self::ZoomReset => name.to_owned(),
            _ => String::new(),
        }
    }

    /// Its keys, as this system writes them.
    #[must_use]
    pub fn keys(self, context: &Context) -> Option<String> {
        let shortcut = self.spec().shortcut?;
        // Its long name would be read as several keys.
        if shortcut == KeyboardShortcut::new(NONE, Key::Questionmark) {
            return Some("?".to_owned());
        }
        Some(context.format_shortcut(&shortcut))
    }

    /// Whether its keys mean something else in a text field.
    fn is_for_text(self) -> bool {
        let plain = |shortcut: KeyboardShortcut| {
            !shortcut.modifiers.command && !shortcut.logical_key.name().starts_with('F')
        };
        matches!(self, Self::Undo | Self::Redo | Self::AutoPlan | Self::FollowNewest)
            || self.spec().shortcut.is_some_and(plain)
    }

    /// The commands whose keys are pressed. Keys with more modifiers go first, because those with
    /// fewer would match them too.
    #[must_use]
    pub fn pressed(context: &Context) -> Vec<Self> {
        // A button that has the focus takes its own keys; only a text takes all others too.
        let focused = context.egui_wants_keyboard_input();
        let typing = context.text_edit_focused();
        let mut commands: Vec<(KeyboardShortcut, Self)> = Self::all()
            .filter(|command| !typing || !command.is_for_text())
            .filter(|command| !focused || *command != Self::FollowNewest)
            .filter_map(|command| Some((command.spec().shortcut?, command)))
            .collect();
        if !typing {
            commands.push((KeyboardShortcut::new(CTRL, Key::Y), Self::Redo));
        }
        commands.push((KeyboardShortcut::new(CTRL, Key::Equals), Self::ZoomIn));
        commands.push((KeyboardShortcut::new(NONE, Key::F1), Self::Help));
        let modifiers = |keys: &KeyboardShortcut| {
            let Modifiers { alt, shift, command, .. } = keys.modifiers;
            usize::from(alt) + usize::from(shift) + usize::from(command)
        };
        commands.sort_by_key(|(keys, _)| std::cmp::Reverse(modifiers(keys)));
        context.input_mut(|input| {
            commands.retain(|(keys, _)| input.consume_shortcut(keys));
        });
        commands.into_iter().map(|(_, command)| command).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_keys_are_unique_and_every_command_says_what_it_does() {
        let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for command in Command::all() {
            let spec = command.spec();
            assert!(names.insert(spec.name), "{} is there twice", spec.name);
            assert!(!spec.tip.is_empty(), "{} says nothing", spec.name);
            if let Some(shortcut) = spec.shortcut {
                assert!(keys.insert(format!("{shortcut:?}")), "{}: its keys are taken", spec.name);
            }
        }
    }

    #[test]
    fn what_cannot_be_done_says_why() {
        let facts = Facts::default();
        for command in [Command::Undo, Command::Run, Command::Stop, Command::Calibrate] {
            assert!(command.unavailable(&facts).is_some(), "{command:?}");
        }
        let facts = Facts { undo: Some("move block3 to igpu".into()), ..facts };
        assert_eq!(Command::Undo.unavailable(&facts), None);
        assert_eq!(Command::Undo.title(&facts), "Undo move block3 to igpu");
    }
}
