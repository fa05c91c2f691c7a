//! Classes to be learned.

use std::path::Path;

use crate::error::DataError;

/// Refuses training rows that are all of one class: a model that always says it has learned all there is. Data
/// without a training part may be, and so may images, of which a model need not learn the classes.
pub(crate) fn check_classes(
    name: &str,
    classes: &[String],
    mut numbers: impl Iterator<Item = i32>,
    validation_fraction: f64,
) -> Result<(), DataError> {
    let (Some(first), Some(second)) = (numbers.next(), numbers.next()) else { return Ok(()) };
    let are_unlike = first != second || numbers.any(|number| number != first);
    if are_unlike || validation_fraction >= 1.0 {
        return Ok(());
    }
    let class = usize::try_from(first).ok().and_then(|first| classes.get(first));
    let class = class.map_or("", String::as_str);
    let reason = format!(
        "all rows have the class '{class}': there is nothing to tell apart; add rows of another class"
    );
    Err(DataError::bad_file(Path::new(name), reason))
}
