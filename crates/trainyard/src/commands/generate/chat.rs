//! A conversation in the terminal.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin, stdout};

use trainyard_engine::Pipeline;
use trainyard_pretrained::Message;

use super::prompts::Prompt;
use super::shown::{Shown, Way};
use crate::cli::say;
use crate::error::RunError;
use crate::generation::{Text, TextForm, Writer};

/// How answers are written and shown.
pub(super) struct Chat<'a> {
    pub(super) form: &'a TextForm,
    pub(super) writer: Writer,
    pub(super) way: Way,
    /// Tokens after which an answer is over.
    pub(super) ends: &'a [u32],
    /// Texts before which it stops.
    pub(super) stops: &'a [String],
    /// How many tokens an answer may have.
    pub(super) tokens: usize,
}

impl Chat<'_> {
    /// Says the given texts to the model, then the lines of standard input, and shows its answers. What is kept of
    /// the conversation stays on the devices, so that only what is new is computed.
    ///
    /// # Errors
    /// What the template refuses; when a device fails, or nobody can be read from or written to.
    pub(super) fn run(
        &self,
        pipeline: &mut Pipeline,
        mut text: Text,
        given: Vec<String>,
    ) -> Result<(), RunError> {
        let mut sequences = pipeline.sequences();
        let mut messages = Vec::new();
        let mut given = given.into_iter();
        let mut sees_all = true;
        loop {
            let said = match given.next() {
                Some(said) => said,
                None => match next_line()? {
                    Some(line) if line.is_empty() => continue,
                    Some(line) => line,
                    None => return Ok(()),
                },
            };
            messages.push(Message::new("user", said));
            let tokens = self.form.chat(&messages)?;
            if sees_all && tokens.len() > self.writer.context {
                sees_all = false;
                say(format_args!(
                    "note: the conversation is longer than the {} tokens that the model sees at once: it has \
                     forgotten how it began",
                    self.writer.context
                ));
            }
            text.go_on_with(tokens.clone(), self.tokens, &mut sequences)?;
            let out = &mut stdout();
            let mut shown = Shown::new(out, self.way, self.form, self.ends);
            shown.add(&Prompt { text: String::new(), tokens }, self.stops);
            shown.begin()?;
            self.writer.write(&mut sequences, std::slice::from_mut(&mut text), &mut shown)?;
            let answer = shown.finish()?.pop().unwrap_or_default();
            messages.push(Message::new("assistant", answer));
        }
    }
}

/// The next line of standard input, for which a person is asked; None at its end.
fn next_line() -> Result<Option<String>, RunError> {
    if stdin().is_terminal() {
        let mut error = stderr();
        // Nobody has to see it.
        let _shown = write!(error, "> ").and_then(|()| error.flush()).is_ok();
    }
    let mut line = String::new();
    let read = stdin().lock().read_line(&mut line);
    let read = read.map_err(RunError::io("read from", "standard input"))?;
    Ok((read > 0).then(|| line.trim_end_matches(['\n', '\r']).to_owned()))
}
