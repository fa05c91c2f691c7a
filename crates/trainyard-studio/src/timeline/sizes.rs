//! Sizes that several parts of the timeline keep to.

/// Width of the column with the devices' names, points.
pub(super) const NAMES: f32 = 172.0;
/// Height of the ruler, points.
pub(super) const RULER: f32 = 22.0;
