//! A conversation with a model: `trainyard generate --chat --json --stream` as a child process, which is told
//! and tells events, a line of JSON each.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::Deserialize;
use serde_json::json;

use super::end::{End, last_lines_of, wait};
use super::program::Program;
use super::wake::Wake;

/// So many events may wait to be taken; the program waits then, too.
const WAITING: usize = 1024;

/// With whom to talk, and how answers are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Talk {
    /// A run directory, or a model's folder or file.
    pub target: PathBuf,
    /// How wild answers are, in hundredths: 0 takes the likeliest token always.
    pub temperature_percent: u32,
    /// The most tokens of an answer.
    pub tokens: u32,
}

/// What the program tells.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Told {
    /// It can be talked to.
    Ready {
        /// Tokens that the model sees at once.
        context: u64,
        /// Whether it has no template of chats: it goes on with what is said as with one text.
        #[serde(default)]
        continues: bool,
    },
    /// A piece of an answer.
    Text {
        /// It.
        text: String,
    },
    /// The end of an answer.
    Answer {
        /// All of it.
        text: String,
        /// Its tokens.
        tokens: Vec<u64>,
        /// How fast they came, where there are two or more.
        tokens_per_s: Option<f64>,
        /// Why it ended: `end`, `stop`, `length`, `asked`, or `refused` where a note says why it said nothing.
        end: String,
    },
    /// What one should know of the conversation.
    Note {
        /// In words.
        text: String,
    },
}

/// What comes of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The program tells something.
    Told(Told),
    /// It is over.
    Over(End),
}

/// A conversation under way. Dropping it ends it.
#[derive(Debug)]
pub struct Conversation {
    child: Arc<Mutex<Child>>,
    say: Sender<String>,
    heard: Receiver<Heard>,
}

impl Talk {
    /// The arguments that begin it.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        let temperature = f64::from(self.temperature_percent) / 100.0;
        let mut arguments: Vec<OsString> =
            ["generate", "--chat", "--json", "--stream"].map(OsString::from).to_vec();
        arguments.extend(["--temperature".into(), temperature.to_string().into()]);
        arguments.extend(["--tokens".into(), self.tokens.to_string().into()]);
        arguments.extend(["--".into(), self.target.clone().into()]);
        arguments
    }
}

impl Conversation {
    /// Begins one. `wake` is called whenever there is something to hear.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn start(program: &Program, talk: &Talk, wake: Wake) -> io::Result<Self> {
        let mut child = Command::new(program.path())
            .args(talk.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (input, output, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let child = Arc::new(Mutex::new(child));
        let (say, said) = bounded(WAITING);
        let (tell, heard) = bounded(WAITING);
        if let Some(input) = input {
            spawn("trainyard input", move || write(input, &said))?;
        }
        let lines =
            spawn("trainyard errors", move || errors.map(last_lines_of).unwrap_or_default())?;
        let waited_for = Arc::clone(&child);
        spawn("trainyard talk", move || {
            let told = output
                .into_iter()
                .flat_map(|pipe| BufReader::new(pipe).lines().map_while(Result::ok));
            // What a newer program tells besides is not known here.
            for event in told.filter_map(|line| serde_json::from_str(&line).ok()) {
                if tell.send(Heard::Told(event)).is_err() {
                    break;
                }
                wake();
            }
            let exit = wait(&waited_for);
            let last_lines = lines.join().unwrap_or_default();
            // Nobody hears of a conversation that was let go.
            if tell.send(Heard::Over(End { exit, last_lines, output: Vec::new() })).is_ok() {
                wake();
            }
        })?;
        Ok(Self { child, say, heard })
    }

    /// The next thing that was heard; `None` where there is nothing new.
    pub fn poll(&mut self) -> Option<Heard> {
        self.heard.try_recv().ok()
    }

    /// Says something to the model.
    pub fn say(&mut self, text: &str) {
        self.tell(&json!({ "say": text }));
    }

    /// Ends the answer in hand.
    pub fn stop(&mut self) {
        self.tell(&json!({ "stop": true }));
    }

    /// Begins anew: the model forgets what was said.
    pub fn forget(&mut self) {
        self.tell(&json!({ "forget": true }));
    }

    fn tell(&mut self, event: &serde_json::Value) {
        // Of a program that has ended one hears that it is over; nobody says a thousand things at once.
        let _told = self.say.try_send(event.to_string()).is_ok();
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // A child that ended a moment ago needs no killing.
        let _ended = child.kill().is_err();
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Writes lines to the program as they come: a pipe may be full, and the window must not wait for it.
fn write(mut input: ChildStdin, said: &Receiver<String>) {
    for line in said {
        if writeln!(input, "{line}").and_then(|()| input.flush()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_known_and_unknown_ones_are_no_harm() {
        let told = |text: &str| serde_json::from_str::<Told>(text);
        let ready = |continues| Told::Ready { context: 64, continues };
        assert_eq!(told(r#"{"event":"ready","context":64}"#).unwrap(), ready(false));
        let text = r#"{"event":"ready","context":64,"continues":true}"#;
        assert_eq!(told(text).unwrap(), ready(true));
        let answer =
            r#"{"event":"answer","text":"a","tokens":[1],"tokens_per_s":null,"end":"end"}"#;
        assert!(matches!(told(answer).unwrap(), Told::Answer { tokens_per_s: None, .. }));
        assert!(told(r#"{"event":"later"}"#).is_err());
    }

    #[test]
    fn a_conversation_is_what_a_person_would_type() {
        let talk = Talk { target: "-m".into(), temperature_percent: 70, tokens: 300 };
        let words = talk.arguments().into_iter().map(|it| it.into_string().unwrap());
        assert_eq!(
            words.collect::<Vec<_>>().join(" "),
            "generate --chat --json --stream --temperature 0.7 --tokens 300 -- -m"
        );
    }
}
