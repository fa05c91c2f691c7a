//! A field for a number of bytes, which shows it as people write it.

use eframe::egui::{DragValue, Ui};
use trainyard_plan::memory::{human_bytes, parse_bytes};

/// The number that a person has written or dragged, if any: the text is shorter than the number, and who leaves it
/// as it stands changes nothing. `name` is for screen readers, `speed` how many bytes a point of dragging is.
pub(crate) fn bytes_field(
    ui: &mut Ui,
    (name, hint): (String, String),
    before: u64,
    speed: f64,
) -> Option<u64> {
    let mut written = before as f64;
    let field = DragValue::new(&mut written)
        .range(0.0..=u64::MAX as f64)
        .clamp_existing_to_range(false)
        .speed(speed)
        .update_while_editing(false)
        .custom_formatter(|bytes, _| human_bytes(bytes as u64))
        .custom_parser(move |text| parsed(text, before));
    let field = ui.add(field).accessible_name(name).on_hover_text(hint);
    let written = written as u64;
    let says_else = human_bytes(written) != human_bytes(before);
    (field.changed() && (field.dragged() || says_else)).then_some(written)
}

/// Bytes that a person wrote; a number alone is in the unit that stood there.
fn parsed(text: &str, before: u64) -> Option<f64> {
    let has_unit = text.chars().any(char::is_alphabetic);
    let shown = human_bytes(before);
    let unit = shown.split(' ').nth(1).filter(|_| !has_unit).unwrap_or_default();
    parse_bytes(&format!("{text} {unit}")).ok().map(|bytes| bytes as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_alone_is_in_the_unit_that_stood_there() {
        let gib = f64::from(1 << 30);
        assert_eq!(parsed("12", 15 << 29), Some(12.0 * gib));
        assert_eq!(parsed(" 1.5 ", 15 << 29), Some(1.5 * gib));
        assert_eq!(parsed("512 MiB", 15 << 29), Some(gib / 2.0));
        assert_eq!(parsed("12", 0), Some(12.0));
        assert_eq!(parsed("many", 0), None);
    }
}
