//! Schedules as CSV, a row a rank.

use super::super::table::Schedule;
use crate::validate;

/// The most cells that idle slots may bring a file to. Beyond, they are left out: a thousand ranks
/// that wait for each other have a grid of millions of empty cells.
const MAX_CELLS: usize = 1 << 24;

impl Schedule {
    /// Writes a schedule as CSV. If it can run, it is laid out in time: every action takes one
    /// slot, implied transfers take none, and a rank that waits has empty cells. If it cannot run,
    /// or the empty cells would be more than millions, there are only the actions.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let starts = validate::start_steps(self, self.stages(), self.micro_batches());
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
