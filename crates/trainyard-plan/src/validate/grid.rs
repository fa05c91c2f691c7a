//! A schedule as text, around the place where something is wrong.

use std::fmt::Write;

use crate::{Action, Schedule};

/// The schedule around a place: two ranks and four actions to each side, the place marked by `>`.
pub(super) fn grid(schedule: &Schedule, rank: usize, position: usize) -> String {
    let first = position.saturating_sub(4);
    let rows = schedule.ranks.iter().enumerate().skip(rank.saturating_sub(2)).take(5);
    let cells: Vec<(usize, Vec<String>)> = rows
        .filter(|(index, _)| *index <= rank.saturating_add(2))
        .map(|(index, row)| {
            (index, row.iter().skip(first).take(9).map(Action::to_string).collect())
        })
        .collect();
    let width = cells.iter().flat_map(|(_, row)| row).map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for (index, row) in cells {
        let mark = if index == rank { '>' } else { ' ' };
        let dots = if first > 0 { " …" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{mark} rank {index}:{dots}");
        for column in 0..row.len().max(position - first + 1) {
            let mark = if index == rank && first + column == position { '>' } else { ' ' };
            let _ = write!(text, " {mark}{:<width$}", row.get(column).map_or("", String::as_str));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}
