//! The training that is watched, and the program that trains.

use std::path::PathBuf;

use crate::effect::Effect;
use crate::event::Event;
use crate::message::{Message, RunMessage, ViewMessage};
use crate::run::{Program, ProgramMissing, RUN_FILE, Session};

/// The training that is watched, and the program that trains.
pub struct RunPart {
    program: Result<Program, ProgramMissing>,
    session: Option<Session>,
    /// The run file that the session was started from, where that is known.
    run_file: Option<PathBuf>,
    is_older_than_document: bool,
}

impl Default for RunPart {
    /// No run, and no program that was found.
    fn default() -> Self {
        let program = Err(ProgramMissing { looked: Vec::new() });
        Self { program, session: None, run_file: None, is_older_than_document: false }
    }
}

impl RunPart {
    /// Takes a message.
    pub fn update(&mut self, message: RunMessage) -> Vec<Effect> {
        match message {
            RunMessage::UseProgram(program) => self.program = program,
            RunMessage::Watch { session, run_file, resumed } => {
                self.run_file = if resumed { self.run_file.take() } else { run_file };
                // A document that was opened since stays in the place of a run that goes on.
                self.is_older_than_document &= resumed;
                self.session = Some(*session);
            }
            RunMessage::DocumentOpened => {
                self.session.take_if(|session| !session.is_running());
                self.is_older_than_document = self.session.is_some();
            }
            RunMessage::Stop => {
                let done = "The training finishes its step, saves and stops";
                return outcome(self.session.as_mut().map(Session::stop), "stop", done);
            }
            RunMessage::Kill => {
                let done = "The training is being ended";
                return outcome(self.session.as_mut().map(Session::kill), "end", done);
            }
            RunMessage::Close => {
                self.session = None;
                return vec![Effect::set_status("The run is no longer watched")];
            }
        }
        Vec::new()
    }

    /// Takes what is new of the run that is watched; whether it has ended.
    pub fn poll(&mut self) -> Option<Message> {
        let session = self.session.as_mut()?;
        let ran = session.is_running();
        session.poll();
        (ran && !session.is_running()).then(|| Event::RunEnded.into())
    }

    /// The program that trains and measures, unless a run file names another one.
    ///
    /// # Errors
    /// [`ProgramMissing`], which says where it was looked for.
    pub fn program(&self) -> Result<&Program, &ProgramMissing> {
        self.program.as_ref()
    }

    /// The training that is watched.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// The run file that says which program trains: the one that the run was started from, or else
    /// the copy in its directory.
    #[must_use]
    pub fn run_file(&self) -> Option<PathBuf> {
        let session = self.session.as_ref()?;
        Some(self.run_file.clone().unwrap_or_else(|| session.directory().join(RUN_FILE)))
    }

    /// Whether a training that is watched goes on.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_running)
    }

    /// Whether a training that was started here goes on.
    #[must_use]
    pub fn is_own_child_running(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_own_child_running)
    }

    /// Whether the document was opened after the run that is watched.
    #[must_use]
    pub fn is_older_than_document(&self) -> bool {
        self.is_older_than_document
    }
}

/// Outcome of a request to a training.
fn outcome(asked: Option<Result<(), String>>, verb: &str, done: &str) -> Vec<Effect> {
    match asked {
        Some(Err(words)) => vec![
            // Nothing is to be waited for.
            ViewMessage::CloseWhenStopped(false).into(),
            Effect::fail(format!("Cannot {verb} the training"), words, ""),
        ],
        Some(Ok(())) => vec![Effect::set_status(done)],
        None => Vec::new(),
    }
}
