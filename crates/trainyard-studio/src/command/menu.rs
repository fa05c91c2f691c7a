//! The menu bar: which commands are in which menu, in groups.

use eframe::egui::ThemePreference;

use super::{Command, Export};
use crate::shell::layout::Panel;

/// The menus of the menu bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Menu {
    /// Files in and out.
    File,
    /// Undo and redo.
    Edit,
    /// What makes plans.
    Plan,
    /// What runs them.
    Run,
    /// What is seen, and how.
    View,
    /// Where to learn more.
    Help,
}

impl Menu {
    /// All of them, from left to right.
    pub const ALL: [Self; 6] =
        [Self::File, Self::Edit, Self::Plan, Self::Run, Self::View, Self::Help];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "File",
            Self::Edit => "Edit",
            Self::Plan => "Plan",
            Self::Run => "Run",
            Self::View => "View",
            Self::Help => "Help",
        }
    }

    /// Its commands, in groups.
    #[must_use]
    pub fn groups(self) -> &'static [&'static [Command]] {
        use Command as C;
        match self {
            Self::File => &[
                &[C::Open, C::OpenRecent, C::OpenExample, C::CloseTrace],
                &[C::SavePlan, C::SavePlanAs, C::CopyCommandLine],
                &[
                    C::Export(Export::TimelinePng),
                    C::Export(Export::TimelineSvg),
                    C::Export(Export::BoardPng),
                    C::Export(Export::BoardSvg),
                    C::Export(Export::Events),
                    C::Export(Export::Memory),
                    C::Export(Export::Stages),
                    C::Export(Export::Prediction),
                    C::Export(Export::Json),
                    C::Export(Export::Perfetto),
                ],
                &[C::Settings, C::Quit],
            ],
            Self::Edit => &[&[C::Undo, C::Redo]],
            Self::Plan => {
                &[&[C::AutoPlan], &[C::UseMyDevices, C::Measure, C::MeasureAnew, C::Calibrate]]
            }
            Self::Run => &[&[C::Run, C::Stop, C::Resume]],
            Self::View => &[
                &[C::FitTimeline, C::FollowNewest, C::AllSteps],
                &[
                    C::Toggle(Panel::Board),
                    C::Toggle(Panel::Plans),
                    C::Toggle(Panel::Timeline),
                    C::Toggle(Panel::Run),
                    C::ResetLayout,
                ],
                &[
                    C::Theme(ThemePreference::System),
                    C::Theme(ThemePreference::Light),
                    C::Theme(ThemePreference::Dark),
                ],
                &[C::ZoomIn, C::ZoomOut, C::ZoomReset],
            ],
            Self::Help => &[&[C::Welcome, C::Palette, C::Help], &[C::About]],
        }
    }

    /// Its commands.
    pub fn commands(self) -> impl Iterator<Item = Command> {
        self.groups().iter().copied().flatten().copied()
    }
}
