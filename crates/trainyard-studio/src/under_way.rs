//! Background jobs under way. Dropping one lets go of it or ends it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use crate::background::Job;
use crate::event::{Aim, Answered, Event, FileRead, Inspected, Question, Then};
use crate::export::ExportError;
use crate::open::{OpenError, Opened};
use crate::run::{NamedProgram, Task};

/// A file that is being read.
pub struct Reading {
    pub(crate) path: PathBuf,
    pub(crate) job: Job<Result<Opened, OpenError>>,
    pub(crate) then: Then,
}

/// A run file that is being looked at, before a program is started for it.
pub struct Inspection {
    pub(crate) run_file: PathBuf,
    pub(crate) aim: Aim,
    pub(crate) job: Job<Option<Result<NamedProgram, String>>>,
}

/// A program that answers a question.
pub struct Inquiry {
    pub(crate) task: Task,
    pub(crate) question: Question,
    pub(crate) folder: Option<TempDir>,
}

/// Data that is being written on a thread of its own, as there can be much of it. Dropping it
/// cancels the work.
pub struct Writing {
    pub(crate) file: PathBuf,
    pub(crate) job: Job<Result<(), ExportError>>,
    pub(crate) cancelled: Arc<AtomicBool>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl Reading {
    /// The contents, once read.
    pub(crate) fn poll(&self) -> Option<Event> {
        let opened = self.job.poll().transpose()?;
        let (path, then) = (self.path.clone(), self.then.clone());
        Some(Event::Read(Box::new(FileRead { path, then, opened: opened.ok() })))
    }
}

impl Inspection {
    /// The result, once known.
    pub(crate) fn poll(&self) -> Option<Event> {
        let named = self.job.poll().transpose()?;
        let stopped = || "looking at it stopped unexpectedly".to_owned();
        let named = named.unwrap_or_else(|_ended| Some(Err(stopped())));
        let (run_file, aim) = (self.run_file.clone(), self.aim.clone());
        Some(Event::Inspected(Box::new(Inspected { run_file, aim, named })))
    }
}

impl Inquiry {
    /// The answer, once there.
    pub(crate) fn poll(&mut self) -> Option<Event> {
        let end = self.task.poll()?;
        Some(Event::Answered(Box::new(Answered {
            what: self.task.what().to_owned(),
            question: self.question.clone(),
            end,
            folder: self.folder.take(),
        })))
    }
}

impl Writing {
    /// The outcome, once known.
    pub(crate) fn poll(&self) -> Option<Event> {
        let written = self.job.poll().transpose()?;
        let stopped = |path: &Path| {
            let source = std::io::Error::other("the work stopped unexpectedly");
            Err(ExportError::Write { path: path.to_owned(), source })
        };
        let written = written.unwrap_or_else(|_ended| stopped(&self.file));
        Some(Event::Written(self.file.clone(), written))
    }
}
