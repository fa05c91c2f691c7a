//! The menu bar: which commands are in which menu, in groups.

use eframe::egui::ThemePreference;

use crate::command::{Command, Export};
use crate::panels;

/// The menus of the menu bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Menu {
    /// Files in and out.
    File,
    /// Undo and redo.
    Edit,
    /// Planning.
    Plan,
    /// Training.
    Run,
    /// Panels, theme and zoom.
    View,
    /// Help.
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
    pub fn groups(self) -> Vec<Vec<Command>> {
        use Command as C;
        match self {
            Self::File => vec![
                vec![C::Open, C::OpenRecent, C::OpenExample, C::CloseTrace],
                vec![C::SavePlan, C::SavePlanAs, C::CopyCommandLine],
                vec![
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
                vec![C::Settings, C::Quit],
            ],
            Self::Edit => vec![vec![C::Undo, C::Redo]],
            Self::Plan => {
                vec![
                    vec![C::AutoPlan],
                    vec![C::UseMyDevices, C::Measure, C::MeasureAnew, C::Calibrate],
                ]
            }
            Self::Run => vec![vec![C::Run, C::Stop, C::Resume]],
            Self::View => vec![
                vec![C::FitTimeline, C::FollowNewest, C::AllSteps],
                panels::INFOS.into_iter().map(C::Toggle).chain([C::ResetLayout]).collect(),
                vec![
                    C::Theme(ThemePreference::System),
                    C::Theme(ThemePreference::Light),
                    C::Theme(ThemePreference::Dark),
                ],
                vec![C::ZoomIn, C::ZoomOut, C::ZoomReset],
            ],
            Self::Help => vec![vec![C::Welcome, C::Palette, C::Help], vec![C::About]],
        }
    }

    /// Its commands.
    pub fn commands(self) -> impl Iterator<Item = Command> {
        self.groups().into_iter().flatten()
    }
}

/// All commands, in the order of the menus.
pub fn commands() -> impl Iterator<Item = Command> {
    Menu::ALL.into_iter().flat_map(Menu::commands)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_keys_are_unique_and_every_command_says_what_it_does() {
        let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for command in commands() {
            let spec = command.spec();
            assert!(names.insert(spec.name), "{} is there twice", spec.name);
            assert!(!spec.tip.is_empty(), "{} says nothing", spec.name);
            if let Some(shortcut) = spec.shortcut {
                assert!(keys.insert(format!("{shortcut:?}")), "{}: its keys are taken", spec.name);
            }
        }
    }
}
