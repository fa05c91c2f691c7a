//! Measures what devices, a model's layers on them, and the links between them cost.
//!
//! [`layers()`] and [`links()`] run the very code that training runs, on threads set up as workers
//! are, so that what a plan is predicted from is what the plan will meet.

mod bench;
mod cache_pressure;
mod fit;
pub(crate) mod layer_runner;
mod layers;
mod links;
mod speed;
mod unique_layers;

pub(crate) use layers::SampleFlow;
pub use layers::{DeviceCosts, LayerCost, MeasureSettings, layers};
pub use links::{link, links};
pub use speed::{copy_rate, relative_speed};

use trainyard_plan::compare::median;

/// The median of the means of a few neighbouring values each; 0 of nothing.
///
/// A step adds actions up, and with them the small delays that any of them may suffer, so its time
/// follows the mean of an action's times more than their median. A mean of all would follow every
/// interruption too.
fn median_of_means(values: impl IntoIterator<Item = f64>) -> f64 {
    const TOGETHER: usize = 4;
    let values: Vec<f64> = values.into_iter().collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    median(values.chunks(TOGETHER).map(mean).collect())
}
