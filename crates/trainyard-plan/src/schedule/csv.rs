//! Schedules as CSV, in the form that `PyTorch`'s pipelining reads and writes: a row a rank, an
//! action a cell, an empty cell for an idle slot.
//!
//! ```text
//! 0F0,0F1,,0B0,,0B1
//! ,1F0,1B0,1F1,1B1
//! ```
//!
//! `B` is a full backward, `I` and `W` are its halves. `PyTorch`'s form with transfers is the same
//! with `0SEND_F0`, `1RECV_F0`, `1SEND_B0` and `0RECV_B0`. A send is for all stages that take the
//! output, a receive for the messages of all stages that it takes from.

use super::table::Schedule;
use crate::{Action, PlanError, validate};

/// The most cells that idle slots may bring a file to. Beyond, they are left out: a thousand ranks
/// that wait for each other have a grid of millions of empty cells.
const MAX_CELLS: usize = 1 << 24;

impl Schedule {
    /// Reads a schedule from CSV. Idle slots are dropped, as an order is all a schedule is.
    /// Spaces, quotes around a cell, a byte order mark, either line ending and empty lines at the
    /// end are fine. Whether the schedule can run is for [`validate`](crate::validate::validate) to
    /// say.
    ///
    /// # Errors
    /// [`PlanError::BadCsv`] for the first cell that is not an action, a row without actions that
    /// is followed by one with, or no actions at all.
    pub fn from_csv(name: &str, text: &str) -> Result<Self, PlanError> {
        let bad = |line: usize, cell: usize, reason: String| PlanError::BadCsv {
            line: line + 1,
            cell: cell + 1,
            reason,
        };
        let mut ranks: Vec<Vec<Action>> = Vec::new();
        let mut empty_line = None;
        for (line, text) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let mut row = Vec::new();
            for (cell, text) in text.split(',').enumerate() {
                let text = unquoted(text);
                if !text.is_empty() {
                    row.push(text.parse().map_err(|_| bad(line, cell, why_not(text)))?);
                }
            }
            match (row.is_empty(), empty_line) {
                (true, _) => empty_line = empty_line.or(Some(line)),
                (false, Some(line)) => {
                    let reason = "the rank of this row has no actions; remove the row".to_owned();
                    return Err(bad(line, 0, reason));
                }
                (false, None) => ranks.push(row),
            }
        }
        if ranks.is_empty() {
            let reason = "there are no actions; write a row a rank, such as 0F0,0B0".to_owned();
            return Err(bad(0, 0, reason));
        }
        Ok(Self { name: name.to_owned(), ranks })
    }

    /// Writes a schedule as CSV. If it can run, it is laid out in time: every action takes one
    /// slot, implied transfers take none, and a rank that waits has empty cells. If it cannot run,
    /// or the empty cells would be more than millions, there are only the actions.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let micro_batches =
            self.ranks.iter().flatten().map(|a| a.micro_batch.saturating_add(1)).max();
        let starts = validate::start_steps(self, self.stages(), micro_batches.unwrap_or(0));
        let starts = starts.ok().filter(|starts| {
            let ends = starts.iter().map(|row| row.last().copied().unwrap_or(0));
            ends.fold(0, usize::saturating_add) <= MAX_CELLS
        });
        let mut text = String::new();
        for (rank, row) in self.ranks.iter().enumerate() {
            let starts = starts.as_ref().and_then(|starts| starts.get(rank));
            let mut slot = 0;
            for (position, action) in row.iter().enumerate() {
                let start = starts.and_then(|starts| starts.get(position)).copied();
                // The commas end the slots before this one, one of them where it is the next.
                let commas = start.unwrap_or(position) - slot;
                text.extend(std::iter::repeat_n(',', commas));
                text.push_str(&action.to_string());
                slot += commas;
            }
            text.push('\n');
        }
        text
    }
}

/// A cell without the spaces and the quotes around it.
fn unquoted(cell: &str) -> &str {
    let cell = cell.trim();
    let inside = cell.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or(cell).trim()
}

/// Why a cell is refused, by what is in it.
fn why_not(cell: &str) -> String {
    const SHOWN: usize = 40;
    let shown: String = cell.chars().take(SHOWN).collect();
    let more = if cell.chars().nth(SHOWN).is_some() { "…" } else { "" };
    let reason = if ["UNSHARD", "RESHARD", "REDUCE_GRAD"].iter().any(|kind| cell.ends_with(kind)) {
        "belongs to sharded weights, which Trainyard does not have; remove the cell"
    } else if cell.contains("OVERLAP") {
        "is two actions at once; write them as two cells"
    } else {
        "is not an action; actions look like 0F3, 1B0, 2I1, 0W3, 2SEND_F1 (stage, kind, \
         micro-batch)"
    };
    format!("'{shown}{more}' {reason}")
}
