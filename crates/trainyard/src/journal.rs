//! Writing and reading a run's journal, one record a line.
//!
//! The journal is append-only and others follow it while it grows, so only whole lines are handed
//! to the system. After a crash its last line may be torn; the next writer ends that line and
//! goes on, and readers skip it. A long one is in parts: [`trainyard_plan::journal::Segment`].

mod parts;
mod read;
#[cfg(test)]
mod tests;
mod writer;

pub use read::{first_header, read_journal, read_what_is_sound};
pub use writer::JournalWriter;

pub(crate) use parts::is_there;
