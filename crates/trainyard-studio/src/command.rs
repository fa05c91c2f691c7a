//! The commands: all actions of the studio, in one list.
//!
//! Menus, palette, keyboard and help sheet are made of it, so they cannot disagree. To add a
//! command, add a variant, its row in [`Command::spec`], its place in a
//! [`Menu`](crate::menus::Menu), and what it means in `update/commands.rs`.

mod export;
mod keys;
mod names;
mod spec;

use eframe::egui::ThemePreference;

use crate::panel_info::PanelInfo;
pub use export::Export;
pub use spec::Spec;

/// An action of the studio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Asks for a file and opens it.
    Open,
    /// Opens the built-in example.
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
    /// Reads all steps of the run, of which the newest alone are shown.
    AllSteps,
    /// Shows the plan again instead of a trace that was opened by itself.
    CloseTrace,
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
    Toggle(PanelInfo),
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

/// The facts that decide which commands are available now.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Facts {
    /// The edit that undo would take back, in words.
    pub undo: Option<String>,
    /// What redo would do again.
    pub redo: Option<String>,
    /// Whether there is something in the list of recent files.
    pub has_recent: bool,
    /// Whether the plan belongs to a run file.
    pub has_run_file: bool,
    /// Whether what was to be opened last could not be, so that something else is shown.
    pub not_opened: bool,
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
    pub shown: Vec<String>,
    /// Light, dark or system.
    pub theme: ThemePreference,
    /// Whether the welcome is shown.
    pub welcome: bool,
    /// Whether only the newest steps of the run are shown.
    pub forgets: bool,
    /// Whether a trace was opened by itself.
    pub trace: bool,
    /// Whether what is shown has no plan, because it has nothing to do with the document.
    pub trace_only: bool,
    /// Whether what is shown was done by another program alone.
    pub foreign_only: bool,
}

const NOT_OPENED: &str =
    "what was to be opened could not be; close that notice to run what is shown instead";
const NO_PROGRAM: &str = "the program trainyard was not found; Settings say where it is";

impl Command {
    /// Why it may not be used now; `None` where it may.
    #[must_use]
    pub fn unavailable(self, facts: &Facts) -> Option<&'static str> {
        let unless = |may: bool, why| (!may).then_some(why);
        if facts.trace_only && self.needs_plan() {
            return Some("what is shown has no plan; close it or open one");
        }
        if facts.foreign_only && self.needs_actions() {
            return Some("what is shown was written by another program; open its own file");
        }
        match self {
            Self::AllSteps => unless(facts.forgets, "all steps of the run are shown"),
            Self::CloseTrace => unless(facts.trace, "no trace was opened by itself"),
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
            Self::Run => unless(!facts.not_opened, NOT_OPENED)
                .or_else(|| unless(facts.has_program, NO_PROGRAM))
                .or_else(|| unless(!facts.running, "a training goes on already"))
                .or_else(|| unless(!facts.busy, "the devices are in use")),
            Self::Stop => unless(facts.running, "no training goes on"),
            Self::Resume => unless(facts.has_program, NO_PROGRAM)
                .or_else(|| unless(facts.resumable, "there is no training that was stopped")),
            Self::FollowNewest => unless(facts.measured, "nothing is measured yet"),
            _ => None,
        }
    }

    /// Whether it is about the open plan.
    fn needs_plan(self) -> bool {
        let exports = |what| {
            use Export as E;
            matches!(what, E::BoardPng | E::BoardSvg | E::Stages | E::Prediction)
        };
        match self {
            Self::SavePlan
            | Self::SavePlanAs
            | Self::CopyCommandLine
            | Self::Undo
            | Self::Redo
            | Self::AutoPlan
            | Self::Measure
            | Self::MeasureAnew
            | Self::Run => true,
            Self::Export(what) => exports(what),
            _ => false,
        }
    }

    /// Whether it writes what devices did.
    fn needs_actions(self) -> bool {
        use Export as E;
        matches!(self, Self::Export(E::Events | E::Memory | E::Json | E::Perfetto))
    }

    /// Whether a menu puts a tick before it; `None` for what cannot be on or off.
    #[must_use]
    pub fn ticked(self, facts: &Facts) -> Option<bool> {
        match self {
            Self::Toggle(panel) => Some(facts.shown.iter().any(|shown| shown == panel.id)),
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
