//! Checks of numbers, each with a message that names the number.

use std::fmt::Display;

use trainyard_plan::PlanError;

use crate::EngineError;

/// Refuses a number that does not hold, saying what it must be.
pub(super) fn number(
    what: &str,
    value: impl Display,
    holds: bool,
    must: &str,
) -> Result<(), EngineError> {
    if holds {
        return Ok(());
    }
    let (what, value, must) = (what.to_owned(), value.to_string(), must.to_owned());
    Err(PlanError::BadNumber { what, value, must }.into())
}

/// For what is left from step to step.
pub(super) fn below_one(what: &str, value: f64) -> Result<(), EngineError> {
    number(what, value, (0.0..1.0).contains(&value), "at least 0 and below 1")
}

/// For what is divided by, or compared with; a 32-bit float must be able to hold it.
pub(super) fn above_zero(what: &str, value: f64) -> Result<(), EngineError> {
    let fits = (f64::from(f32::MIN_POSITIVE)..=1e30).contains(&value);
    number(what, value, fits, "above 1.2e-38 and at most 1e30")
}

/// For factors.
pub(super) fn not_negative(what: &str, value: f64) -> Result<(), EngineError> {
    number(what, value, (0.0..=1000.0).contains(&value), "0 to 1000")
}
