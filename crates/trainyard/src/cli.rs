//! What commands have in common: arguments, and how they speak to a person.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use clap::Args;
use indicatif::MultiProgress;

/// The name of this program, unless it is another's library.
pub(crate) const OWN_NAME: &str = "trainyard";

/// Leave to replace files.
#[derive(Clone, Copy, Debug, Args)]
pub struct Force {
    /// Replace a file that is there, also one that this program did not write as it stands
    #[arg(long)]
    pub force: bool,
}

/// The settings of a run that can be changed from the command line.
#[derive(Clone, Debug, Default, Args)]
pub struct Sets {
    /// Change a setting of the run file, such as train.steps=100 or device.left.memory="1 GiB"
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Allow budgets of devices that share a memory to be together more than it has
    #[arg(long)]
    pub overcommit: bool,
}

impl Sets {
    /// The changes, as those of `--set`.
    pub fn all(&self) -> Vec<String> {
        let overcommit = self.overcommit.then(|| "run.overcommit=true".to_owned());
        self.sets.iter().cloned().chain(overcommit).collect()
    }
}

/// A run file with changes.
#[derive(Clone, Debug, Args)]
pub struct RunFile {
    /// The run file
    #[arg(value_name = "RUN.toml")]
    pub file: PathBuf,
    /// Changes to it
    #[command(flatten)]
    pub sets: Sets,
}

/// Whether a person or a program reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A person at a terminal: bars, colours.
    Terminal,
    /// A log: plain lines.
    Plain,
    /// A program: one JSON object a line.
    Json,
}

impl Output {
    /// What fits, unless JSON was asked for.
    pub fn detect(json: bool) -> Self {
        match (json, std::io::stderr().is_terminal()) {
            (true, _) => Self::Json,
            (false, true) => Self::Terminal,
            (false, false) => Self::Plain,
        }
    }

    /// Whether colours may be used (`NO_COLOR`, <https://no-color.org>).
    pub fn color(self) -> bool {
        self == Self::Terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }
}

/// The bars that are on the terminal.
static BARS: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Lets [`say`] write above some bars from now on; without any, wherever the terminal is.
pub(crate) fn speak_above(bars: Option<&MultiProgress>) {
    *BARS.lock().unwrap_or_else(PoisonError::into_inner) = bars.cloned();
}

/// Says something to a person. `eprintln!` would end a training because nobody listens any more
/// (`trainyard train … 2>&1 | head`).
pub(crate) fn say(text: impl Display) {
    let write = || drop(writeln!(std::io::stderr(), "{text}"));
    let bars = BARS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bars {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

/// Reads an argument that is a number without a fraction.
pub(crate) fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "must be a whole number, 0 or more".to_owned())
}

/// Reads an argument that is a number.
pub(crate) fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "must be a number".to_owned())
}

/// Reads an argument that counts something.
pub(crate) fn at_least_one<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| *number >= T::from(1));
    number.ok_or_else(|| "must be a whole number of at least 1".to_owned())
}

/// A path as a person would type it into a shell.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:=@%,\\".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The name of the program that runs, as a person would type it: `trainyard`, or that of a program
/// with recipes of its own.
pub(crate) fn program() -> String {
    let path = std::env::args_os().next().map(PathBuf::from);
    let name = path.as_ref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy());
    name.filter(|name| !name.is_empty()).map_or_else(|| OWN_NAME.to_owned(), Into::into)
}
