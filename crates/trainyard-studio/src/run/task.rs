//! A program that answers a question: its output is the answer. It runs beside the window and can
//! be cancelled.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use trainyard_plan::DeviceList;

use super::end::{End, Exit, last_lines_of, wait};
use super::program::Program;
use super::wake::Wake;

/// The longest answer that is taken, in bytes; a profile of 400 layers on 16 devices has a tenth.
const LARGEST_ANSWER: u64 = 64 << 20;

/// A running `trainyard devices --json`, `measure`, `plan`, …. Dropping it cancels it.
#[derive(Debug)]
pub struct Task {
    what: String,
    child: Arc<Mutex<std::process::Child>>,
    answer: Receiver<TaskEnd>,
    cancelled: bool,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    /// What it wrote to its standard output.
    Done(Vec<u8>),
    /// It failed.
    Failed(End),
    /// It was cancelled.
    Cancelled,
}

impl Task {
    /// Starts the program with these arguments in a directory. `what` says to a person what it
    /// does ("looking for devices"). `wake` is called once, when it has ended.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn start(
        program: &Program,
        what: &str,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
        directory: Option<&Path>,
        wake: Wake,
    ) -> io::Result<Self> {
        let mut command = Command::new(program.path());
        command.args(arguments.into_iter().map(Into::into));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(directory) = directory {
            command.current_dir(directory);
        }
        let mut child = command.spawn()?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let child = Arc::new(Mutex::new(child));
        let (send, answer) = bounded(1);
        let waited_for = Arc::clone(&child);
        let lines = thread::Builder::new()
            .name("trainyard errors".to_owned())
            .spawn(move || errors.map(last_lines_of).unwrap_or_default())?;
        thread::Builder::new().name("trainyard task".to_owned()).spawn(move || {
            let mut bytes = Vec::new();
            let read = output.map(|pipe| pipe.take(LARGEST_ANSWER).read_to_end(&mut bytes));
            let exit = wait(&waited_for);
            let last_lines = lines.join().unwrap_or_default();
            let done = exit == Exit::Code(0) && matches!(read, Some(Ok(_)));
            let end = if done {
                TaskEnd::Done(bytes)
            } else {
                TaskEnd::Failed(End { exit, last_lines, output: bytes })
            };
            // The receiver of a dropped task is gone.
            if send.send(end).is_ok() {
                wake();
            }
        })?;
        Ok(Self { what: what.to_owned(), child, answer, cancelled: false })
    }

    /// `trainyard devices --json`; its answer is read by [`devices`].
    ///
    /// # Errors
    /// As [`Task::start`].
    pub fn devices(program: &Program, wake: Wake) -> io::Result<Self> {
        Self::start(program, "Looking for devices", ["devices", "--json"], None, wake)
    }

    /// The task, in words.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// How it ended, once. `None` while it runs.
    pub fn poll(&mut self) -> Option<TaskEnd> {
        let end = self.answer.try_recv().ok()?;
        Some(if self.cancelled { TaskEnd::Cancelled } else { end })
    }

    /// Cancels it. [`Task::poll`] says when it has ended.
    pub fn cancel(&mut self) {
        self.cancelled = true;
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // A child that ended a moment ago needs no killing.
        let _ended = child.kill().is_err();
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// The devices in the answer of [`Task::devices`].
///
/// # Errors
/// In words, if it is no list of devices or one of another version.
pub fn devices(answer: &[u8]) -> Result<DeviceList, String> {
    let list: DeviceList = serde_json::from_slice(answer)
        .map_err(|error| format!("`trainyard devices` did not list devices: {error}"))?;
    if list.format != DeviceList::FORMAT || list.version != DeviceList::VERSION {
        return Err(format!(
            "`trainyard devices` wrote {} version {}, and this studio reads {} version {}; use \
             programs of the same version",
            list.format,
            list.version,
            DeviceList::FORMAT,
            DeviceList::VERSION
        ));
    }
    Ok(list)
}
