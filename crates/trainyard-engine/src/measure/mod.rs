//! Measures what devices, a model's layers on them, and the links between them cost.
//!
//! [`layers()`] and [`links()`] run the very code that training runs, on threads set up as workers
//! are, so that what a plan is predicted from is what the plan will meet. A control kernel is timed
//! in between: it says what other programs took meanwhile ([`trainyard_plan::noise`]).

mod bench;
mod cache_pressure;
mod control;
mod costs;
mod fit;
mod hiding;
pub(crate) mod layer_runner;
mod layers;
mod links;
mod over_link;
mod speed;
mod unique_layers;

pub use control::control_times;
pub use costs::{DeviceCosts, LayerCost, MeasureSettings};
pub use hiding::hidden_share;
pub(crate) use layers::SampleFlow;
pub use layers::layers;
pub use links::{link, link_times, links, to_device_times};
pub use speed::{copy_rate, relative_speed};
