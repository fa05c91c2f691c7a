//! PyTorch's own pipelining beside ours: `torch_pipeline.py`, run by a Python that has PyTorch.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::blocks::{BLOCKS, MICRO_BATCHES, Shape};
use super::stepper::STEPS;

const SCRIPT: &str = include_str!("torch_pipeline.py");

/// The most that an answer may take: PyTorch is loaded by several processes, and a few steps are made.
const ANSWER_WITHIN: Duration = Duration::from_mins(2);
/// The most that is waited for the script's end.
const END_WITHIN: Duration = Duration::from_secs(5);

/// What the script times.
#[derive(Clone, Copy, Debug)]
pub(super) enum Contender {
    /// A loop on one device.
    Plain,
    /// A pipeline of as many processes as there are devices.
    Pipeline,
}

impl Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Pipeline => "pipeline",
        }
    }
}

/// PyTorch, or why it is left out.
pub(super) enum Torch {
    /// It answers.
    Runs(Script),
    /// It is not there, failed, or took too long.
    Skipped(String),
}

/// The running script.
pub(super) struct Script {
    version: String,
    child: Child,
    requests: Option<ChildStdin>,
    answers: Receiver<String>,
    folder: PathBuf,
}

/// A line of the script's.
#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default)]
    torch: Option<String>,
    #[serde(default)]
    ms: Option<f64>,
    #[serde(default)]
    error: Option<String>,
}

impl Torch {
    /// Starts the script in a Python, which may have no PyTorch.
    pub(super) fn start(python: &str, shape: Shape, ranks: usize) -> Self {
        Script::start(python, shape, ranks).map_or_else(Self::Skipped, Self::Runs)
    }

    /// The version of a PyTorch that has not failed yet; else why it is left out.
    pub(super) fn version(&self) -> Result<&str, &str> {
        match self {
            Self::Runs(script) => Ok(&script.version),
            Self::Skipped(reason) => Err(reason),
        }
    }

    /// The median time of a few steps, ms. One that fails is left out from then on.
    pub(super) fn median_ms(&mut self, contender: Contender) -> Option<f64> {
        let Self::Runs(script) = self else { return None };
        let answer = script.ask(contender);
        answer.map_err(|reason| *self = Self::Skipped(reason)).ok()
    }
}

impl Script {
    fn start(python: &str, shape: Shape, ranks: usize) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("trainyard-torch-{}", std::process::id()));
        let unwritten = |error| format!("{}: {error}", folder.display());
        std::fs::create_dir(&folder).map_err(unwritten)?;
        let started = Self::in_folder(python, shape, ranks, &folder);
        if started.is_err() {
            // What is left in the system's folder for such files is no trouble worth a word.
            let _gone = std::fs::remove_dir_all(&folder).is_ok();
        }
        started
    }

    fn in_folder(python: &str, shape: Shape, ranks: usize, folder: &Path) -> Result<Self, String> {
        let path = folder.join("torch_pipeline.py");
        let messages = folder.join("messages");
        let unwritten = |error| format!("{}: {error}", folder.display());
        std::fs::write(&path, SCRIPT).map_err(unwritten)?;
        let stderr = std::fs::File::create(&messages).map_err(unwritten)?;
        let setup = json!({
            "ranks": ranks,
            "blocks": BLOCKS,
            "micro_batches": MICRO_BATCHES,
            "rows": shape.rows(),
            "width": shape.width(),
            "inner": shape.inner(),
            "steps": STEPS,
        });
        let mut child = Command::new(python)
            .arg(&path)
            .arg(setup.to_string())
            .env("TMPDIR", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|error| format!("cannot start {python}: {error}"))?;
        let requests = child.stdin.take();
        let (line, answers) = channel();
        let output = child.stdout.take();
        let read = move || {
            let lines = output.into_iter().flat_map(|output| BufReader::new(output).lines());
            lines.map_while(Result::ok).take_while(|text| line.send(text.clone()).is_ok()).count()
        };
        let thread = std::thread::Builder::new().name("torch-answers".to_owned());
        let folder = folder.to_owned();
        let mut script = Self { version: String::new(), child, requests, answers, folder };
        thread.spawn(read).map_err(|error| format!("no thread: {error}"))?;
        script.version = script.answer()?.torch.unwrap_or_default();
        Ok(script)
    }

    fn ask(&mut self, contender: Contender) -> Result<f64, String> {
        if let Some(requests) = &mut self.requests {
            // Whether it still listens shows in its answer.
            let _asked = writeln!(requests, "{}", contender.name()).is_ok();
        }
        let ms = self.answer()?.ms;
        ms.ok_or_else(|| "its answer has no time".to_owned())
    }

    fn answer(&self) -> Result<Answer, String> {
        let line = self.answers.recv_timeout(ANSWER_WITHIN).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("no answer in {} s", ANSWER_WITHIN.as_secs()),
            RecvTimeoutError::Disconnected => self.last_words(),
        })?;
        let answer: Answer = serde_json::from_str(&line)
            .map_err(|error| format!("its answer '{line}' cannot be read: {error}"))?;
        match answer.error {
            Some(error) => Err(error),
            None => Ok(answer),
        }
    }

    /// What a script that has ended said last: the exception, which names what is missing.
    fn last_words(&self) -> String {
        let said = std::fs::read(self.folder.join("messages")).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        last.map_or_else(|| "it ended without a word".to_owned(), |line| line.trim().to_owned())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It ends with its input, and so do all the processes that it has started.
        self.requests = None;
        while self.answers.recv_timeout(END_WITHIN).is_ok() {}
        let _ended = self.child.kill().and_then(|()| self.child.wait()).is_ok();
        let _gone = std::fs::remove_dir_all(&self.folder).is_ok();
    }
}
