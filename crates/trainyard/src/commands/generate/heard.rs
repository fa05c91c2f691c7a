//! What is said to a model, and by whom: a person's lines, or a program's events.

use std::collections::VecDeque;
use std::io::{self, BufRead, IsTerminal, Write, stderr, stdin};
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use serde::Deserialize;

use crate::error::RunError;

/// So many events may wait while an answer is written.
const WAITING: usize = 64;

/// Who speaks to the model.
pub(super) enum Heard {
    /// A person, a line of standard input a message.
    Lines,
    /// A program, with events. They are read beside the writing of an answer, so that they can end it.
    Events {
        /// Those that came.
        coming: Receiver<Result<Event, RunError>>,
        /// Those that came while an answer was written.
        waiting: VecDeque<Event>,
    },
}

/// What is heard.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// A message.
    Say(String),
    /// The answer in hand ends.
    Stop(bool),
    /// A new conversation begins.
    Forget(bool),
}

impl Heard {
    /// Lines of standard input.
    pub(super) fn lines() -> Self {
        Self::Lines
    }

    /// Events of standard input.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn events() -> Result<Self, RunError> {
        let (send, coming) = bounded(WAITING);
        let read = move || {
            for line in stdin().lock().lines() {
                let event = match line {
                    Ok(line) if line.trim().is_empty() => continue,
                    Ok(line) => event(&line),
                    Err(error) => Err(unread(error)),
                };
                let is_last = event.is_err();
                // Nobody hears when the conversation is over.
                if send.send(event).is_err() || is_last {
                    return;
                }
            }
        };
        let reader = thread::Builder::new().name("events".to_owned()).spawn(read);
        reader.map_err(RunError::io("read from", "standard input"))?;
        Ok(Self::Events { coming, waiting: VecDeque::new() })
    }

    /// The next event; None when nothing more comes. A person is asked for it.
    ///
    /// # Errors
    /// When nothing can be read, or what is read is no event.
    pub(super) fn next(&mut self) -> Result<Option<Event>, RunError> {
        match self {
            Self::Lines => loop {
                match next_line()? {
                    Some(line) if line.is_empty() => {}
                    line => return Ok(line.map(Event::Say)),
                }
            },
            Self::Events { coming, waiting } => match waiting.pop_front() {
                Some(event) => Ok(Some(event)),
                None => coming.recv().ok().transpose(),
            },
        }
    }

    /// Whether the answer in hand is to end.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub(super) fn is_stopped(&mut self) -> Result<bool, RunError> {
        let Self::Events { coming, waiting } = self else { return Ok(false) };
        let mut is_stopped = false;
        while let Ok(event) = coming.try_recv() {
            match event? {
                Event::Stop(is_asked) => is_stopped |= is_asked,
                event => waiting.push_back(event),
            }
        }
        Ok(is_stopped)
    }
}

fn event(line: &str) -> Result<Event, RunError> {
    serde_json::from_str(line).map_err(|error| RunError::BadValue {
        key: "standard input".to_owned(),
        value: line.chars().take(80).collect(),
        must: format!("{{\"say\":\"…\"}}, {{\"stop\":true}} or {{\"forget\":true}} ({error})"),
    })
}

/// The next line of standard input, for which a person is asked; None at its end.
fn next_line() -> Result<Option<String>, RunError> {
    if stdin().is_terminal() {
        let mut error = stderr();
        // Nobody has to see it.
        let _shown = write!(error, "> ").and_then(|()| error.flush()).is_ok();
    }
    let mut line = String::new();
    let read = stdin().lock().read_line(&mut line).map_err(unread)?;
    Ok((read > 0).then(|| line.trim_end_matches(['\n', '\r']).to_owned()))
}

fn unread(error: io::Error) -> RunError {
    if error.kind() == io::ErrorKind::InvalidData {
        return RunError::BadFile {
            path: "standard input".into(),
            reason: "it is not UTF-8 text; convert it, for example with iconv -t UTF-8".to_owned(),
        };
    }
    RunError::io("read from", "standard input")(error)
}

#[cfg(test)]
mod tests {
    use super::{Event, event};

    #[test]
    fn events_are_objects_with_one_known_key() {
        assert_eq!(event(r#"{"say":"a\nb"}"#).ok(), Some(Event::Say("a\nb".to_owned())));
        assert_eq!(event(r#"{"stop":true}"#).ok(), Some(Event::Stop(true)));
        for wrong in ["hello", "{}", r#"{"say":1}"#, r#"{"shout":"a"}"#] {
            let error = event(wrong).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("{\"say\":\"…\"}"), "{error}");
        }
    }
}
