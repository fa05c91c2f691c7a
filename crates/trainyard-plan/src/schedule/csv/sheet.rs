//! A text as rows of cells, one row a rank: separators, brackets, quotes, head lines and names of
//! ranks.

use super::cell::{Content, looks_like_an_action};
use super::remark::{CsvRemark, Place};

/// What can separate cells: the one that gives the most cells with actions, the first of equals.
const SEPARATORS: [char; 3] = [',', ';', '\t'];

/// Words before the number of a rank.
const RANK_WORDS: [&str; 5] = ["rank", "device", "gpu", "worker", "stage"];

/// A cell, without what is around its content.
#[derive(Clone, Copy)]
pub(super) struct Cell<'t> {
    pub(super) text: &'t str,
    pub(super) place: Place,
}

/// The cells of a text.
pub(super) struct Sheet<'t> {
    /// A row a rank.
    pub(super) rows: Vec<Vec<Cell<'t>>>,
    pub(super) remarks: Vec<CsvRemark>,
}

impl<'t> Sheet<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        let mut rows = cut_by(text, SEPARATORS[0]);
        for separator in &SEPARATORS[1..] {
            // Most texts have no other.
            if text.contains(*separator) {
                let others = cut_by(text, *separator);
                rows = if actions(&others) > actions(&rows) { others } else { rows };
            }
        }
        let mut remarks = Vec::new();
        let is_head = |row: &Vec<Cell>| !row.iter().any(|cell| begins_action(cell.text));
        let heads = rows.iter().take_while(|row| is_head(row)).count();
        // Without a single action nothing is a head line: the first cell is to be refused.
        if heads == rows.len() {
            return Self { rows, remarks };
        }
        let body = rows.split_off(heads);
        rows.retain(|row| has_text(row));
        if !rows.is_empty() {
            remarks.push(CsvRemark::HeadLines(rows.len()));
        }
        let rows = match rows.last().and_then(|head| rank_columns(head)) {
            Some(columns) => {
                remarks.push(CsvRemark::ColumnsAreRanks);
                transposed(&body, &columns)
            }
            None => body.into_iter().map(without_label).collect(),
        };
        Self { rows, remarks }
    }
}

/// Whether a cell, after the name of a rank, begins as an action does.
fn begins_action(text: &str) -> bool {
    looks_like_an_action(after_label(text).unwrap_or(text))
}

/// The rows of a text between separators.
fn cut_by(text: &str, separator: char) -> Vec<Vec<Cell<'_>>> {
    let mut rows = Vec::new();
    for (line, text) in text.lines().enumerate() {
        cut(text, separator, line + 1, &mut rows);
    }
    rows
}

/// How many cells have actions.
fn actions(rows: &[Vec<Cell>]) -> usize {
    let is_action = |cell: &&Cell| !cell.text.is_empty() && Content::of(cell.text).is_ok();
    rows.iter().flatten().filter(is_action).count()
}

/// Calls `visit` with each character of a line that is outside quotes and parentheses, and where it
/// stands.
fn outside(line: &str, mut visit: impl FnMut(usize, char)) {
    let mut quote = None;
    let mut depth = 0_usize;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), _) => quote = Some(open).filter(|open| *open != c),
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, _) if depth == 0 => visit(at, c),
            (None, _) => {}
        }
    }
}

/// Cuts a line into rows of cells: one, or more where brackets end lists. A line without anything
/// but spaces is no row.
fn cut<'t>(text: &'t str, separator: char, line: usize, rows: &mut Vec<Vec<Cell<'t>>>) {
    if text.trim().is_empty() {
        return;
    }
    let mut row: Vec<Cell> = Vec::new();
    let (mut start, mut number, mut lists) = (0, 0, 0);
    let mut end_cell = |row: &mut Vec<Cell<'t>>, at: std::ops::Range<usize>, lists: usize| {
        let text = bare(text.get(at).unwrap_or_default());
        // The separator after a list is none of cells.
        if !(lists > 0 && row.is_empty() && text.is_empty()) {
            number += 1;
            row.push(Cell { text, place: Place { line, cell: number } });
        }
    };
    outside(text, |at, c| {
        if c != separator && c != ']' {
            return;
        }
        end_cell(&mut row, start..at, lists);
        start = at + c.len_utf8();
        if c == ']' && has_text(&row) {
            lists += 1;
            rows.push(std::mem::take(&mut row));
        }
    });
    end_cell(&mut row, start..text.len(), lists);
    if lists == 0 || has_text(&row) {
        rows.push(row);
    }
}

fn has_text(row: &[Cell]) -> bool {
    row.iter().any(|cell| !cell.text.is_empty())
}

/// A cell without spaces, quotes and brackets around it.
fn bare(cell: &str) -> &str {
    cell.trim_matches(|c: char| c.is_whitespace() || "[]{}\"'".contains(c))
}

/// What follows the name of a rank: `0: 0F0` and `Rank 0: 0F0` are followed by `0F0`, and `Rank 0`
/// and `0` by nothing. `None` for a text that does not begin with one.
fn after_label(text: &str) -> Option<&str> {
    let number = after_rank_word(text).unwrap_or(text);
    let rest = number.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.len() == number.len() {
        return None;
    }
    match rest.trim_start().strip_prefix([':', '=']) {
        Some(rest) => Some(bare(rest)),
        None => rest.is_empty().then_some(""),
    }
}

/// What follows `rank` or another word for it.
fn after_rank_word(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|c: char| c.is_alphabetic());
    let word = text.get(..text.len() - rest.len())?;
    let is_rank = RANK_WORDS.iter().any(|known| word.eq_ignore_ascii_case(known));
    is_rank.then(|| rest.trim_start_matches([' ', '_', '-']))
}

/// A row without the name of its rank.
fn without_label(mut row: Vec<Cell>) -> Vec<Cell> {
    let after = row.first().and_then(|first| after_label(first.text));
    if let (Some(after), Some(first)) = (after, row.first_mut()) {
        first.text = after;
    }
    row
}

/// The columns of the ranks, where a head line names a rank in each cell but the first.
fn rank_columns(head: &[Cell]) -> Option<Vec<usize>> {
    let names_rank =
        |cell: &Cell| after_rank_word(cell.text).is_some_and(|rest| after_label(rest) == Some(""));
    let columns: Vec<usize> = (0..head.len()).filter(|column| names_rank(&head[*column])).collect();
    let others = head.iter().skip(1).filter(|cell| !cell.text.is_empty() && !names_rank(cell));
    (!columns.is_empty() && others.count() == 0).then_some(columns)
}

/// The rows of a sheet whose columns are ranks.
fn transposed<'t>(body: &[Vec<Cell<'t>>], columns: &[usize]) -> Vec<Vec<Cell<'t>>> {
    let of_rank =
        |column: &usize| body.iter().filter_map(|row| row.get(*column)).copied().collect();
    columns.iter().map(of_rank).collect()
}
