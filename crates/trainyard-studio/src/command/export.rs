//! What can be written to files.

use super::Spec;

/// What can be written to a file, beside the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Export {
    /// The timeline as a picture of points.
    TimelinePng,
    /// The timeline as a drawing.
    TimelineSvg,
    /// The board as a picture of points.
    BoardPng,
    /// The board as a drawing.
    BoardSvg,
    /// The events as a table.
    Events,
    /// Memory over time as a table.
    Memory,
    /// The plan's stages as a table.
    Stages,
    /// The trace as data.
    Json,
    /// The trace as Perfetto reads it.
    Perfetto,
}

impl Export {
    pub(super) fn spec(self) -> Spec {
        let (name, tip) = match self {
            Self::TimelinePng => ("Export timeline as PNG…", "The timeline as it is drawn now"),
            Self::TimelineSvg => ("Export timeline as SVG…", "The timeline as a drawing"),
            Self::BoardPng => ("Export board as PNG…", "The board as it is drawn now"),
            Self::BoardSvg => ("Export board as SVG…", "The board as a drawing"),
            Self::Events => ("Export events as CSV…", "A row for every action, with its times"),
            Self::Memory => ("Export memory as CSV…", "A row for every sample, with its bytes"),
            Self::Stages => ("Export stages as CSV…", "A row for every stage, with what it takes"),
            Self::Json => ("Export trace as JSON…", "Events and memory, as data"),
            Self::Perfetto => {
                ("Export trace for Perfetto…", "Opens at https://ui.perfetto.dev and here")
            }
        };
        Spec { name, tip, shortcut: None }
    }

    /// What the file is called unless told otherwise.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::TimelinePng => "timeline.png",
            Self::TimelineSvg => "timeline.svg",
            Self::BoardPng => "board.png",
            Self::BoardSvg => "board.svg",
            Self::Events => "events.csv",
            Self::Memory => "memory.csv",
            Self::Stages => "stages.csv",
            Self::Json => "trace-data.json",
            Self::Perfetto => "trace.json",
        }
    }
}
