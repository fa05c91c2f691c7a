//! The message for a plan that does not fit: the numbers, with the remedy below.

use super::{DeviceNeed, human_bytes, human_bytes_at_least};

/// The text of [`crate::PlanError::DoesNotFit`]: a row a device, then the hint.
#[must_use]
pub fn describe_shortage(devices: &[DeviceNeed], hint: &str) -> String {
    let header = ["device", "needs", "budget", "short by"].map(str::to_owned);
    let row = |need: &DeviceNeed| {
        let short_by = match need.deficit_bytes() {
            0 => "fits".to_owned(),
            deficit => human_bytes_at_least(deficit),
        };
        let id = need.device.clone();
        [id, human_bytes(need.needed_bytes), human_bytes(need.budget_bytes), short_by]
    };
    let rows: Vec<[String; 4]> = std::iter::once(header).chain(devices.iter().map(row)).collect();
    let width = |column: usize| {
        rows.iter().map(|row: &[String; 4]| row[column].chars().count()).max().unwrap_or(0)
    };
    let (id, needs, budget) = (width(0), width(1), width(2));
    let mut lines = vec!["it does not fit in the devices' memory:".to_owned()];
    for [a, b, c, d] in &rows {
        lines.push(format!("  {a:<id$}  {b:>needs$}  {c:>budget$}  {d}"));
    }
    if !hint.is_empty() {
        lines.push(hint.to_owned());
    }
    lines.join("\n")
}
