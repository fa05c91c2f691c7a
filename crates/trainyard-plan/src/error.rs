//! What can be wrong with a plan, a schedule or a file of this crate's.

use thiserror::Error;

/// Everything this crate refuses, with the numbers and the way out.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum PlanError {
    /// Text that is not an action.
    #[error(
        "'{text}' is not an action; actions look like 0F3, 1B0, 2SEND_F1 (stage, kind, micro-batch)"
    )]
    BadAction {
        /// The kind of file.
        text: String,
    },
    /// A CSV file that is not a schedule.
    #[error("line {line}, cell {cell} (counted from 1): {reason}\n{grid}")]
    BadCsv {
        /// The line, from 1.
        line: usize,
        /// The cell in the line, from 1.
        cell: usize,
        /// The fault.
        reason: String,
        /// The rows around the place, as text.
        grid: String,
    },
    /// A schedule name that is not in the registry.
    #[error("there is no schedule '{name}'; known schedules: {known}")]
    UnknownSchedule {
        /// The name that was given.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A schedule that cannot run, or does not do the whole step.
    #[error(
        "row {} (rank {rank}), action {} (counted from 1): {action}: {reason}\n{grid}",
        .rank.saturating_add(1), .position.saturating_add(1)
    )]
    BadSchedule {
        /// The rank, from 0.
        rank: usize,
        /// Index in the rank's list, from 0.
        position: usize,
        /// The action there (or the one that is missing).
        action: String,
        /// The fault.
        reason: String,
        /// The schedule around the place, as text.
        grid: String,
    },
    /// A number that makes no sense.
    #[error("{what} is {value}, but must be {must}")]
    BadNumber {
        /// Which number.
        what: String,
        /// Its value.
        value: String,
        /// The values that are allowed.
        must: String,
    },
    /// A plan that does not match the model, the devices or itself.
    #[error("unsound plan: {reason}")]
    BadPlan {
        /// The mismatch.
        reason: String,
    },
    /// Wishes that no plan can fulfil.
    #[error("no plan does all that is asked for: {reason}")]
    NoSuchPlan {
        /// What cannot be, and the way out.
        reason: String,
    },
    /// A file that cannot be read, or a value in it that makes no sense.
    #[error("{}", describe_bad_file(.format, *.line, .field, .reason))]
    BadFile {
        /// Which format.
        format: String,
        /// The line, from 1; 0 where the value did not come from a file.
        line: usize,
        /// The value, such as `devices[1].forward_us[3]`; empty for the file as a whole.
        field: String,
        /// The fault.
        reason: String,
    },
    /// A file of another version than this program reads.
    #[error(
        "this is {format} version {found}; this program reads version {expected}: use the program that wrote it, or make the file anew"
    )]
    UnknownVersion {
        /// Which format.
        format: String,
        /// Version in the file.
        found: u64,
        /// Version this program reads.
        expected: u64,
    },
    /// A file that is no journal.
    #[error("line {line}: this is not a journal: {reason}")]
    NotAJournal {
        /// The line, from 1.
        line: u64,
        /// The fault.
        reason: String,
    },
    /// A layer with a tensor that is larger than any its device can have, whatever memory is free.
    #[error("{0}")]
    TensorTooLarge(Box<crate::TensorTooLarge>),
    /// Devices whose memory is too small for what they are given.
    #[error("{}", crate::memory::describe_shortage(.devices, .hint))]
    DoesNotFit {
        /// Every device of the plan with its need and budget.
        devices: Vec<crate::memory::DeviceNeed>,
        /// A remedy, in words.
        hint: String,
    },
}

fn describe_bad_file(format: &str, line: usize, field: &str, reason: &str) -> String {
    let line = if line > 0 { format!(", line {line}") } else { String::new() };
    let field = if matches!(field, "" | ".") { String::new() } else { format!("{field}: ") };
    format!("{format}{line}: {field}{reason}")
}
