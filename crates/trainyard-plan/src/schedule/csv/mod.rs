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
//!
//! `sheet` cuts a text into cells, `cell` reads one of them.

mod cell;
mod remark;
mod sheet;
mod write;

use std::collections::BTreeSet;

use super::table::Schedule;
use crate::validate::{grid, validate};
use crate::{Action, ActionKind, PlanError};
use cell::Content;
pub use remark::{CsvRemark, Place};
use sheet::{Cell, Sheet};

/// The most cells of a file: 64 ranks with 4096 micro-batches have fewer.
const MOST_CELLS: usize = 1 << 20;

/// A schedule that was read from CSV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvSchedule {
    /// The schedule.
    pub schedule: Schedule,
    /// What was left out, or is run in another way than the file says.
    pub remarks: Vec<CsvRemark>,
    /// Where each action stands, a row a rank.
    places: Vec<Vec<Place>>,
}

impl Schedule {
    /// Reads a schedule from CSV. Idle slots are dropped, as an order is all a schedule is. Whether
    /// it can run is for [`CsvSchedule::check`] to say.
    ///
    /// Commas, semicolons or tabs separate cells. A byte order mark, either line ending, spaces,
    /// quotes, the brackets of printed lists, `None`, head lines, names of ranks at the beginning of
    /// rows and empty lines are fine. Where a head line names the ranks, columns are ranks.
    ///
    /// `BW` and `B+W` are full backwards; the `B` of a micro-batch whose `W` stands apart is read as
    /// `I`, as earlier versions of `PyTorch` wrote it. `(0F7;7B3)OVERLAP_F_B` is read as its parts,
    /// and the actions of sharded weights are left out. The remarks say so.
    ///
    /// ```
    /// use trainyard_plan::Schedule;
    ///
    /// let read = Schedule::from_csv("mine", "0F0;0F1;(0F2;0B0)OVERLAP_F_B;0B1;0B2")?;
    /// assert_eq!(read.schedule.ranks[0].len(), 6);
    /// assert_eq!(read.remarks.len(), 1);
    /// read.check()?;
    /// # Ok::<(), trainyard_plan::PlanError>(())
    /// ```
    ///
    /// # Errors
    /// [`PlanError::BadCsv`] for the first cell that is not an action, a row without actions that
    /// is followed by one with, or no actions at all.
    pub fn from_csv(name: &str, text: &str) -> Result<CsvSchedule, PlanError> {
        if text.bytes().filter(|byte| b",;\t\n".contains(byte)).count() > MOST_CELLS {
            let reason = format!("it has more than {MOST_CELLS} cells");
            let grid = String::new();
            return Err(PlanError::BadCsv { line: 1, cell: 1, reason, grid });
        }
        let sheet = Sheet::of(text);
        let mut reader = Reader::default();
        let mut without_actions = None;
        for (row, cells) in sheet.rows.iter().enumerate() {
            let actions =
                reader.row(cells).map_err(|(cell, reason)| bad(&sheet, row, cell, &reason))?;
            match (actions.is_empty(), without_actions) {
                (true, _) => without_actions = without_actions.or(Some(row)),
                (false, None) => reader.ranks.push(actions),
                (false, Some(row)) => {
                    let reason = "the rank of this row has no actions; remove the row";
                    return Err(bad(&sheet, row, 0, reason));
                }
            }
        }
        if reader.ranks.is_empty() {
            let reason = "there are no actions; write a row a rank, such as 0F0,0B0";
            return Err(bad(&sheet, 0, 0, reason));
        }
        Ok(reader.finish(name, sheet.remarks))
    }
}

impl CsvSchedule {
    /// Checks that the schedule does the whole step, once, in an order that can run.
    ///
    /// # Errors
    /// [`PlanError::BadCsv`] with the first cell that is wrong.
    pub fn check(&self) -> Result<(), PlanError> {
        let (stages, micro_batches) = (self.schedule.stages(), self.schedule.micro_batches());
        validate(&self.schedule, stages, micro_batches).map_err(|error| self.located(error))
    }

    /// An error about this schedule with its place in the file; any other error as it is.
    #[must_use]
    pub fn located(&self, error: PlanError) -> PlanError {
        let PlanError::BadSchedule { rank, position, action, reason, .. } = error else {
            return error;
        };
        let row = self.places.get(rank).map(Vec::as_slice).unwrap_or_default();
        let place = match (row.get(position), row.last()) {
            (Some(place), _) => *place,
            // What is missing would come after the last.
            (None, Some(last)) => Place { cell: last.cell + 1, ..*last },
            (None, None) => Place { line: 1, cell: 1 },
        };
        let label = |rank: usize| {
            let first = self.places.get(rank).and_then(|places| places.first());
            format!("line {}, rank {rank}", first.map_or(0, |place| place.line))
        };
        let text =
            |rank: usize, at: usize| self.schedule.ranks.get(rank)?.get(at).map(Action::to_string);
        let grid = grid(self.schedule.ranks.len(), &label, &text, rank, position);
        PlanError::BadCsv {
            line: place.line,
            cell: place.cell,
            reason: format!("{action}: {reason}"),
            grid,
        }
    }
}

/// An action and where it stands.
type Placed = (Action, Place);

/// The actions read so far, and what is to be said about them.
#[derive(Default)]
struct Reader {
    ranks: Vec<Vec<Placed>>,
    overlapped: Vec<Place>,
    sharded: Vec<Place>,
}

impl Reader {
    /// The actions of a row.
    ///
    /// # Errors
    /// The index of the first cell that is not an action, and the reason.
    fn row(&mut self, cells: &[Cell]) -> Result<Vec<Placed>, (usize, String)> {
        let mut actions = Vec::new();
        for (index, Cell { text, place }) in cells.iter().enumerate() {
            match Content::of(text).map_err(|reason| (index, reason))? {
                Content::Idle => {}
                Content::Sharding => self.sharded.push(*place),
                Content::Action(action) => actions.push((action, *place)),
                Content::Several(parts) => {
                    self.overlapped.push(*place);
                    actions.extend(parts.into_iter().map(|action| (action, *place)));
                }
            }
        }
        Ok(actions)
    }

    fn finish(mut self, name: &str, mut remarks: Vec<CsvRemark>) -> CsvSchedule {
        let renamed = self.rename_halves();
        let said = [
            (&self.overlapped, CsvRemark::Overlapped as fn(usize, Place) -> CsvRemark),
            (&self.sharded, CsvRemark::Sharding),
            (&renamed, CsvRemark::OlderLetters),
        ];
        for (places, remark) in said {
            remarks.extend(places.first().map(|first| remark(places.len(), *first)));
        }
        let (ranks, places) = self.ranks.into_iter().map(|row| row.into_iter().unzip()).unzip();
        CsvSchedule { schedule: Schedule::new(name, ranks), remarks, places }
    }

    /// Names each `B` that has a `W` and no `I` beside it `I`. Returns where they stand.
    fn rename_halves(&mut self) -> Vec<Place> {
        let cells = |ranks: &[Vec<Placed>], wanted: ActionKind| -> BTreeSet<(usize, usize)> {
            let actions = ranks.iter().flatten().map(|(action, _)| action);
            let actions = actions.filter(|action| action.kind == wanted);
            actions.map(|action| (action.stage, action.micro_batch)).collect()
        };
        let apart = cells(&self.ranks, ActionKind::WeightGrad);
        let halves = cells(&self.ranks, ActionKind::InputGrad);
        let mut renamed = Vec::new();
        for (action, place) in self.ranks.iter_mut().flatten() {
            let cell = (action.stage, action.micro_batch);
            let is_half = apart.contains(&cell) && !halves.contains(&cell);
            if action.kind == ActionKind::Backward && is_half {
                action.kind = ActionKind::InputGrad;
                renamed.push(*place);
            }
        }
        renamed
    }
}

/// The error for a cell of a sheet, by their indices, with the sheet around it.
fn bad(sheet: &Sheet, row: usize, cell: usize, reason: &str) -> PlanError {
    let place = |row: usize, cell: usize| sheet.rows.get(row)?.get(cell).map(|cell| cell.place);
    let at = place(row, cell).unwrap_or(Place { line: 1, cell: 1 });
    let label = |row: usize| format!("line {}", place(row, 0).map_or(0, |place| place.line));
    let text =
        |row: usize, at: usize| sheet.rows.get(row)?.get(at).map(|cell| cell::shortened(cell.text));
    let grid = grid(sheet.rows.len(), &label, &text, row, cell);
    PlanError::BadCsv { line: at.line, cell: at.cell, reason: reason.to_owned(), grid }
}
