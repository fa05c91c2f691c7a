//! How a program ended, in words, and the last lines it said.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How many lines are kept.
pub(super) const LAST_LINES: usize = 200;
/// As much as is read of a file's end, in bytes.
const TAIL_BYTES: u64 = 64 << 10;
/// A reason is given in no more characters.
const REASON_CHARACTERS: usize = 1500;
/// Of a program that gives no reason the first and the last lines are told, so many of each.
const FEW: usize = 3;
/// How long a line may be, in characters.
const LINE_CHARACTERS: usize = 500;
/// A child is asked this often whether it lives: the standard library can wait for a child or be
/// able to kill it, not both.
const ASK_EVERY: Duration = Duration::from_millis(30);

/// What a program left behind when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// An exit code.
    Code(i32),
    /// A signal killed it.
    Signal(i32),
    /// The system does not say.
    Unknown,
}

/// How a program ended, with its last lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Its exit code or signal.
    pub exit: Exit,
    /// The last lines it said, oldest first.
    pub last_lines: Vec<String>,
    /// What it wrote to its standard output, of a program that was asked something.
    pub output: Vec<u8>,
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
            return Self::Signal(signal);
        }
        status.code().map_or(Self::Unknown, Self::Code)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(0) => f.write_str("the program ended well"),
            Self::Code(2) => {
                f.write_str("the program refused what it was given (exit code 2: wrong input)")
            }
            Self::Code(3) => {
                f.write_str("the program says that it does not fit the devices (exit code 3)")
            }
            Self::Code(130) => f.write_str("the program was stopped (exit code 130)"),
            Self::Code(code) => write!(f, "the program failed (exit code {code})"),
            Self::Signal(2) => f.write_str("the program was interrupted (signal 2)"),
            Self::Signal(4) => f.write_str("the program crashed: bad instruction (signal 4)"),
            Self::Signal(6) => f.write_str("the program gave up: aborted (signal 6)"),
            Self::Signal(7) => f.write_str("the program crashed: bus error (signal 7)"),
            Self::Signal(9) => f.write_str("the program was killed (signal 9)"),
            Self::Signal(11) => f.write_str("the program crashed: bad memory access (signal 11)"),
            Self::Signal(15) => f.write_str("the program was asked to end (signal 15)"),
            Self::Signal(signal) => write!(f, "the program was ended by signal {signal}"),
            Self::Unknown => f.write_str("the program ended, and the system does not say how"),
        }
    }
}

impl fmt::Display for End {
    /// The whole story in one text: how it ended and the last things it said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.last_lines.is_empty() {
            return write!(f, "{}; it said nothing", self.exit);
        }
        if let Some(words) = self.reason() {
            return write!(f, "{}: {words}", self.exit);
        }
        // The reason may be the first of them or the last.
        let lines = &self.last_lines;
        let said = match lines.len().checked_sub(2 * FEW) {
            Some(left_out) if left_out > 0 => {
                let (first, last) = (lines.iter().take(FEW), lines.iter().skip(FEW + left_out));
                let first: Vec<&str> = first.map(String::as_str).collect();
                let last: Vec<&str> = last.map(String::as_str).collect();
                format!("{} / … / {}", first.join(" / "), last.join(" / "))
            }
            _ => lines.join(" / "),
        };
        write!(f, "{}; it said: {said}", self.exit)
    }
}

impl End {
    /// The reason that it gave: its last report of an error from its beginning on, without the
    /// picture of the place in the file, which the words name, too.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        // As miette begins a report where the terminal has such a sign and where not, and as clap and
        // a panic do.
        const SIGNS: [&str; 4] = ["× ", "x ", "error: ", "thread '"];
        let lines = &self.last_lines;
        let begins = |line: &String| SIGNS.iter().any(|sign| line.trim_start().starts_with(sign));
        let first = lines.iter().rposition(begins)?;
        let words = lines[first..].iter().map(|line| line.trim()).filter(|line| !is_picture(line));
        let words: Vec<&str> = words
            .map(|line| line.trim_start_matches(SIGNS[0]).trim_start_matches(SIGNS[1]))
            .collect();
        let words = words.join(" ");
        // A report may have a picture of a whole schedule in it.
        Some(match words.char_indices().nth(REASON_CHARACTERS) {
            Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
            None => words,
        })
    }
}

/// Whether a line of a report is of the picture of a place in a file.
fn is_picture(line: &str) -> bool {
    let numbered = line.split_once(['│', '|']).is_some_and(|(number, _)| {
        number.trim().chars().all(|character| character.is_ascii_digit())
    });
    numbered
        || line.starts_with(['╭', '╰', '·'])
        || line.starts_with(",-[")
        || line.starts_with("`-")
        || line == ":"
        || line.starts_with(": ")
}

/// Waits until a child ends; others may kill it meanwhile.
pub(super) fn wait(child: &Mutex<std::process::Child>) -> Exit {
    loop {
        // Between two locks whoever wants to kill it gets their turn.
        let asked = child.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
        match asked {
            Ok(Some(status)) => return status.into(),
            Ok(None) => thread::sleep(ASK_EVERY),
            Err(_) => return Exit::Unknown,
        }
    }
}

/// The last lines of what comes out of a pipe, until it closes.
pub(super) fn last_lines_of(mut pipe: impl Read) -> Vec<String> {
    let mut tail = VecDeque::new();
    let mut piece = [0; 4096];
    loop {
        match pipe.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => {
                tail.extend(piece.get(..length).unwrap_or_default());
                let excess = tail.len().saturating_sub(TAIL_BYTES as usize);
                tail.drain(..excess);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    last_lines(tail.make_contiguous())
}

/// The last lines of a file, but nothing from before `from` (bytes). None of a file that cannot be
/// read: they are asked for when something else went wrong already.
pub(super) fn last_lines_in(path: &Path, from: u64) -> Vec<String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL_BYTES)).min(length)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    last_lines(&read().unwrap_or_default())
}

/// The last lines that say something. What a terminal would make of control characters is left out.
fn last_lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let clean = |line: &str| -> String {
        let line = line.trim_end().chars().filter(|c| !c.is_control() || *c == '\t');
        line.take(LINE_CHARACTERS).collect()
    };
    let lines: Vec<String> = text.lines().map(clean).filter(|line| !line.is_empty()).collect();
    let first = lines.len().saturating_sub(LAST_LINES);
    lines.into_iter().skip(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_output_is_kept_and_the_rest_is_not() {
        let lines: Vec<String> = (0..100_000).map(|n| format!("line {n}\r\n\n")).collect();
        let text = lines.concat();
        let lines = last_lines_of(text.as_bytes());
        assert_eq!(lines.len(), LAST_LINES);
        assert_eq!(lines.last().unwrap(), "line 99999");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &text).unwrap();
        assert_eq!(last_lines_in(file.path(), 0), lines);
        let from = text.find("line 99998").unwrap() as u64;
        assert_eq!(last_lines_in(file.path(), from), ["line 99998", "line 99999"]);
        assert_eq!(last_lines_in(Path::new("/nowhere"), 0), Vec::<String>::new());
    }

    #[test]
    fn ends_are_told_in_words() {
        let end = |exit, lines: &[&str]| {
            let last_lines = lines.iter().map(|&l| l.to_owned()).collect();
            End { exit, last_lines, output: Vec::new() }.to_string()
        };
        assert_eq!(
            end(Exit::Signal(9), &["a", "b", "c", "d", "e"]),
            "the program was killed (signal 9); it said: a / b / c / d / e"
        );
        assert_eq!(
            end(Exit::Signal(9), &["1", "2", "3", "4", "5", "6", "7", "8"]),
            "the program was killed (signal 9); it said: 1 / 2 / 3 / … / 6 / 7 / 8"
        );
        let refused = [
            "warning: a line before",
            "  × unknown key 'stpes' in [train] (a.toml:12:1); did you",
            "    mean 'steps'?",
            "    ╭─[a.toml:12:1]",
            " 11 │ [train]",
            "    · ──┬──",
            "    ·   ╰── unknown",
            "    ╰────",
        ];
        assert_eq!(
            end(Exit::Code(2), &refused),
            "the program refused what it was given (exit code 2: wrong input): unknown key 'stpes' in \
             [train] (a.toml:12:1); did you mean 'steps'?"
        );
        // Where a terminal has no such signs.
        let plain = [
            "  x run.toml:9:13 is not TOML",
            "   ,-[run.toml:9:13]",
            " 8 | [data]",
            " 9 | text = \"C:\\Users\"",
            "   :             ^",
            "   :             `-- here",
            "   `----",
            "  help: write it in single quotes",
        ];
        assert_eq!(
            end(Exit::Code(2), &plain),
            "the program refused what it was given (exit code 2: wrong input): run.toml:9:13 is not \
             TOML help: write it in single quotes"
        );
        // However long it is, its beginning is there.
        let mut long = vec!["  × the schedule cannot run: 1F0 waits for ever".to_owned()];
        long.extend((0..190).map(|rank| format!("    rank {rank}  0F0 0F1 0F2 0B0 0B1 0B2")));
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        let words = end(Exit::Code(2), &long);
        assert!(words.contains("wrong input): the schedule cannot run: 1F0 waits for ever"));
        assert!(words.ends_with('…'));
        assert_eq!(end(Exit::Code(7), &[]), "the program failed (exit code 7); it said nothing");
    }
}
