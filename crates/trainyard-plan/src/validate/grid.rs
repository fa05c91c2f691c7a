//! Rows of a schedule as text, around the place where something is wrong.

use std::fmt::Write;

/// The rows around a place: two rows and four cells to each side, the place marked by `>`. There are
/// `rows` rows; `label` names one, and `cell` is the text of one of its cells.
pub(crate) fn grid(
    rows: usize,
    label: &dyn Fn(usize) -> String,
    cell: &dyn Fn(usize, usize) -> Option<String>,
    row: usize,
    position: usize,
) -> String {
    let first = position.saturating_sub(4);
    let shown = row.saturating_sub(2)..rows.min(row.saturating_add(3));
    let cells: Vec<(usize, Vec<String>)> = shown
        .map(|row| (row, (first..first.saturating_add(9)).map_while(|at| cell(row, at)).collect()))
        .collect();
    let width = cells.iter().flat_map(|(_, row)| row).map(|cell| cell.chars().count());
    let width = width.max().unwrap_or(0);
    let mut text = String::new();
    for (index, cells) in cells {
        let mark = if index == row { '>' } else { ' ' };
        let dots = if first > 0 { " …" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{mark} {}:{dots}", label(index));
        for column in 0..cells.len().max(position - first + 1) {
            let mark = if index == row && first + column == position { '>' } else { ' ' };
            let _ = write!(text, " {mark}{:<width$}", cells.get(column).map_or("", String::as_str));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}
