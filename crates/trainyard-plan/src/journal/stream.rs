//! Reading a journal in pieces, as it grows.

use std::fmt;

use super::{Header, Record, parse};
use crate::PlanError;
use crate::json_words::in_words;

/// The longest line that is read. A header with 16 devices has some kilobytes; whatever is longer
/// is no line of a journal, and is not kept in memory.
const LONGEST_LINE: usize = 1 << 20;

/// Cuts the bytes of a journal into lines and reads them. The pieces may end anywhere: the last
/// line waits for its rest.
#[derive(Debug, Default)]
pub struct Stream {
    /// The start of a line whose end has not come yet.
    started: Vec<u8>,
    /// Set where the line that has started is too long, and is left out up to its end.
    too_long: bool,
    /// Number of lines that have ended.
    lines: u64,
    /// Start of the part of the run that the records are of, ms since 1970; `None` before any header.
    started_unix_ms: Option<u64>,
    unreadable: Unreadable,
    keeps_newer: bool,
}

/// The lines that could not be read and were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unreadable {
    /// Their number.
    pub lines: u64,
    /// The first of them, from 1, and what is wrong with it.
    pub first: Option<(u64, String)>,
}

impl Stream {
    /// A stream that hands out records of newer programs too, as [`Record::Newer`].
    #[must_use]
    pub fn keeping_newer() -> Self {
        Self { keeps_newer: true, ..Self::default() }
    }

    /// Says that a file has ended, and the next bytes are of another: a last line without its end is
    /// taken if it is whole, and is nothing where it was being written.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn end_of_file(&mut self, mut found: impl FnMut(Record)) -> Result<(), PlanError> {
        let line = std::mem::take(&mut self.started);
        let is_whole = !std::mem::take(&mut self.too_long) && parse(&line)?.is_ok();
        let ended = if is_whole { self.line(&line, &mut found) } else { Ok(()) };
        self.lines = 0;
        ended
    }

    /// Whether a header has come.
    #[must_use]
    pub fn has_header(&self) -> bool {
        self.started_unix_ms.is_some()
    }

    /// Takes the next bytes and hands out every record that is whole with them, without those of
    /// types this program does not know.
    ///
    /// # Errors
    /// [`PlanError::UnknownVersion`] and [`PlanError::NotAJournal`]. Nothing sensible can be read
    /// after that: this stream is to be given up.
    pub fn push(&mut self, bytes: &[u8], mut found: impl FnMut(Record)) -> Result<(), PlanError> {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let Some(end) = piece.strip_suffix(b"\n") else {
                self.keep(piece);
                continue;
            };
            if self.started.is_empty() && !self.too_long && end.len() <= LONGEST_LINE {
                self.line(end, &mut found)?;
                continue;
            }
            self.keep(end);
            if std::mem::take(&mut self.too_long) {
                self.lines += 1;
                self.leave_out(&format!("it is longer than {LONGEST_LINE} bytes"));
                continue;
            }
            let line = std::mem::take(&mut self.started);
            self.line(&line, &mut found)?;
            self.started = line;
            self.started.clear();
        }
        Ok(())
    }

    /// Number of lines that have ended.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The lines that were left out.
    #[must_use]
    pub fn unreadable(&self) -> &Unreadable {
        &self.unreadable
    }

    /// Keeps a piece of a line, unless the line gets too long.
    fn keep(&mut self, piece: &[u8]) {
        if self.too_long || self.started.len() + piece.len() > LONGEST_LINE {
            self.too_long = true;
            self.started = Vec::new();
        } else {
            self.started.extend_from_slice(piece);
        }
    }

    fn line(&mut self, line: &[u8], found: &mut impl FnMut(Record)) -> Result<(), PlanError> {
        self.lines += 1;
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let record = match parse(line)? {
            Ok(Record::Unknown) if !self.keeps_newer => return Ok(()),
            Ok(Record::Unknown) => Record::Newer(String::from_utf8_lossy(line).into_owned()),
            Ok(record) => record,
            Err(error) => {
                self.leave_out(&in_words(&error));
                return Ok(());
            }
        };
        if let Record::Header(Header { format, started_unix_ms, segment, .. }) = &record {
            if format != Header::FORMAT {
                let reason = format!("it is a {format}, not a {}", Header::FORMAT);
                return Err(PlanError::NotAJournal { line: self.lines, reason });
            }
            let goes_on = *segment > 0 && self.started_unix_ms == Some(*started_unix_ms);
            self.started_unix_ms = Some(*started_unix_ms);
            if goes_on {
                return Ok(());
            }
        }
        if self.started_unix_ms.is_none() && self.unreadable.lines > 0 {
            // The header was one of those, it seems.
            self.leave_out("it comes before any header");
            return Ok(());
        }
        if self.started_unix_ms.is_none() {
            let reason = "a record comes before any header".to_owned();
            return Err(PlanError::NotAJournal { line: self.lines, reason });
        }
        match record {
            Record::Steps(steps) => steps.each(found),
            record => found(record),
        }
        Ok(())
    }

    fn leave_out(&mut self, reason: &str) {
        self.unreadable.lines += 1;
        let line = self.lines;
        self.unreadable.first.get_or_insert_with(|| (line, reason.to_owned()));
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.first, self.lines) {
            (None, _) => f.write_str("every line could be read"),
            (Some((line, reason)), 1) => write!(f, "line {line} could not be read: {reason}"),
            (Some((line, reason)), lines) => {
                write!(f, "{lines} lines could not be read, the first is line {line}: {reason}")
            }
        }
    }
}
