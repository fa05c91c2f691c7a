//! The timeline: what every device does when, as predicted, as measured, or both above each other.
//!
//! A [`Scene`] is a trace made ready once: rows with their levels of detail, steps, flows, idle times
//! and memory. A [`Timeline`] is what a person has done to the view of it; [`Timeline::show`] draws one
//! frame. A [`ForeignScene`] is a trace of another program, whose threads lie below the devices. In between, a `picture` (rectangles for the shader of `shaders/timeline.wgsl`, or the same on
//! the CPU) is worked out from scenes, rows and the visible range, without a window.
//!
//! | part | files |
//! |---|---|
//! | the trace | `scene`, `foreign`, `track` (level of detail), `step`, `transfers`, `flow`, `idle`, `curve` |
//! | questions to it | [`statistics()`], [`live_at`], `search` |
//! | from time to pixels | `view`, `ruler`, `layout`, `time_scale`, `sheet`, `picture`, `memory`, `quad`, `gpu`, `cpu_renderer` |
//! | the widget | `state`, `frame`, `widget`, `toolbar`, `minimap`, `canvas`, `overlay`, `names`, `keys`, `details`, `span_details` |
//!
//! Times of a scene are on its trace's clock. What is seen is in ns since the start of a step, so
//! that a predicted and a measured step begin at the same place.

mod canvas;
pub mod cpu_renderer;
mod curve;
mod details;
pub mod flow;
mod foreign;
mod frame;
mod gpu;
mod idle;
mod keys;
mod layout;
mod legend;
mod live;
mod memory;
mod minimap;
mod names;
mod overlay;
mod picture;
mod quad;
mod ruler;
mod scene;
mod search;
mod searching;
mod selection;
mod sheet;
mod sizes;
mod span_details;
mod state;
mod statistics;
mod step;
mod time_scale;
mod toolbar;
mod track;
mod transfers;
mod view;
mod widget;

pub use curve::{Curve, Held};
pub use foreign::{CounterCurve, ForeignScene};
pub use gpu::{install, shape};
pub use keys::Command;
pub use layout::{Group, Row, RowKind, Scenes, Side, layout};
pub use live::{Live, LiveTensor, live_at};
pub use picture::{Label, Picture};
pub use quad::{Look, Quad};
pub use ruler::Ticks;
pub use scene::{Scene, SceneDevice, Source};
pub use search::Query;
pub use selection::{Selected, Selection};
pub use sheet::{Anchors, Sheet};
pub use state::Timeline;
pub use statistics::{DeviceStatistics, Statistics, statistics};
pub use step::Step;
pub use track::{Slice, Track};
pub use view::{Axis, View};
pub use widget::TimelineOutput;
