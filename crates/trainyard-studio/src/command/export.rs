//! What can be written to files.

use super::spec::Spec;

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
    /// What the simulator says of the plan, as data.
    Prediction,
    /// The trace as data.
    Json,
    /// The trace as Perfetto reads it.
    Perfetto,
}

impl Export {
    pub(super) fn spec(self) -> Spec {
        let (name, tip) = match self {
            Self::TimelinePng => {
                ("Export timeline as PNG…", "All devices over the time that is shown, as a picture")
            }
            Self::TimelineSvg => {
                ("Export timeline as SVG…", "All devices over the time that is shown, as a drawing")
            }
            Self::BoardPng => ("Export board as PNG…", "The whole board as a picture"),
            Self::BoardSvg => ("Export board as SVG…", "The whole board as a drawing"),
            Self::Events => ("Export events as CSV…", "A row for every action, with its times"),
            Self::Memory => ("Export memory as CSV…", "A row for every sample, with its bytes"),
            Self::Stages => ("Export stages as CSV…", "A row for every stage, with what it takes"),
            Self::Prediction => {
                ("Export prediction as JSON…", "Times, idle causes and peaks of the plan, as data")
            }
            Self::Json => ("Export trace as JSON…", "Events and memory, as data"),
            Self::Perfetto => {
                ("Export trace for Perfetto…", "Opens at https://ui.perfetto.dev and here")
            }
        };
        Spec { name, tip, shortcut: None }
    }

    /// Default name of the file.
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
            Self::Prediction => "prediction.json",
            Self::Json => "trace-data.json",
            Self::Perfetto => "trace.json",
        }
    }
}
