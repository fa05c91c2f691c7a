//! What a person should know of how a CSV file was read.

use std::fmt;

/// A cell of a CSV file. Both numbers count from 1, as spreadsheets and editors do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The cell in the line.
    pub cell: usize,
}

/// What was left out of a CSV file, or is run in another way than it says. Cells are told by their
/// number and the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CsvRemark {
    /// So many lines before the first action are head lines.
    HeadLines(usize),
    /// Columns are ranks, as the head line says.
    ColumnsAreRanks,
    /// Cells of several actions at once, which run one after the other.
    Overlapped(usize, Place),
    /// Cells that belong to sharded weights, which are left out.
    Sharding(usize, Place),
    /// `B` whose `W` stands apart, which are read as `I`.
    OlderLetters(usize, Place),
}

impl fmt::Display for CsvRemark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = |count: usize, Place { line, cell }: Place| {
            let (s, first) = if count == 1 { ("", "") } else { ("s", "the first ") };
            format!("{count} cell{s} ({first}in line {line}, cell {cell}, counted from 1)")
        };
        match *self {
            Self::HeadLines(1) => f.write_str("the first line is a head line, and left out"),
            Self::HeadLines(count) => {
                write!(f, "the first {count} lines are head lines, and left out")
            }
            Self::ColumnsAreRanks => f.write_str("each column is a rank, as the head line says"),
            Self::Overlapped(count, first) => write!(
                f,
                "{} with several actions at once: they run one after the other, as they are written",
                cells(count, first)
            ),
            Self::Sharding(count, first) => write!(
                f,
                "{} with UNSHARD, RESHARD or REDUCE_GRAD left out: no weights are sharded here",
                cells(count, first)
            ),
            Self::OlderLetters(count, first) => write!(
                f,
                "{} with a B whose W stands apart: it is read as I, as earlier versions of PyTorch \
                 wrote it",
                cells(count, first)
            ),
        }
    }
}
