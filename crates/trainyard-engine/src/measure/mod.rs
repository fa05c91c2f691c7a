//! Measures what devices, a model's layers on them, and the links between them cost.
//!
//! [`layers()`] and [`links()`] run the very code that training runs, on threads set up as workers
//! are, so that what a plan is predicted from is what the plan will meet.

mod bench;
mod fit;
mod kinds;
mod layers;
mod links;
mod rest;
mod speed;

pub use layers::{DeviceCosts, LayerCost, MeasureSettings, layers};
pub use links::{LinkCost, link, links};
pub use speed::{copy_rate, relative_speed};

/// The median; 0 of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => 0.0,
        (Some(&value), 1) => value,
        (Some(&value), _) => f64::midpoint(values[middle - 1], value),
    }
}
