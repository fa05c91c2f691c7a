//! A conversation, in the terminal or with a program.

use std::io::{Write, stdout};

use serde_json::{Value, json};
use trainyard_engine::Pipeline;

use super::course::Course;
use super::ends::Ends;
use super::heard::{Event, Heard};
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
    /// Where an answer is over.
    pub(super) ends: &'a Ends,
    /// How many tokens an answer may have.
    pub(super) tokens: usize,
}

impl Chat<'_> {
    /// Says the given texts to the model, then what is heard, and shows its answers. What is kept of the
    /// conversation stays on the devices, so that only what is new is computed.
    ///
    /// # Errors
    /// What the template refuses; when a device fails, or nobody can be read from or written to.
    pub(super) fn run(
        &self,
        pipeline: &mut Pipeline,
        mut text: Text,
        given: Vec<String>,
        heard: &mut Heard,
    ) -> Result<(), RunError> {
        let mut sequences = pipeline.sequences();
        let mut course = Course::of(self.form);
        let mut given = given.into_iter();
        let mut sees_all = true;
        let mut ready = json!({ "event": "ready", "context": self.writer.context });
        if course.is_text() {
            ready["continues"] = true.into();
        }
        self.tell(&ready)?;
        loop {
            let event = match given.next() {
                Some(said) => Event::Say(said),
                None => match heard.next()? {
                    Some(event) => event,
                    None => return Ok(()),
                },
            };
            let tokens = match event {
                Event::Say(said) => match course.say(&said, self.form) {
                    Ok(tokens) => tokens,
                    Err(error) if course.is_text() => {
                        self.refuse(&error)?;
                        continue;
                    }
                    Err(error) => return Err(error),
                },
                Event::Forget(true) => {
                    course.forget();
                    sees_all = true;
                    continue;
                }
                // There is no answer in hand.
                Event::Stop(_) | Event::Forget(false) => continue,
            };
            if sees_all && tokens.len() > self.writer.context {
                sees_all = false;
                self.note(&format!(
                    "the {} is longer than the {} tokens that the model sees at once: it has \
                     forgotten how it began",
                    if course.is_text() { "text" } else { "conversation" },
                    self.writer.context
                ))?;
            }
            text.go_on_with(tokens.clone(), self.tokens, &mut sequences)?;
            let out = &mut stdout();
            let mut shown = Shown::new(out, self.way, self.form, self.ends);
            shown.add(&Prompt { text: String::new(), tokens });
            shown.listen_to(heard);
            shown.begin()?;
            self.writer.write(&mut sequences, std::slice::from_mut(&mut text), &mut shown)?;
            let answer = shown.finish()?.pop().unwrap_or_default();
            course.answer(answer);
        }
    }

    /// Says why nothing is answered, where a program may say something else next.
    fn refuse(&self, error: &RunError) -> Result<(), RunError> {
        self.note(&error.to_string())?;
        self.tell(&json!({
            "event": "answer", "text": "", "tokens": [], "tokens_per_s": null, "end": "refused",
        }))
    }

    /// Says something beside the conversation.
    fn note(&self, words: &str) -> Result<(), RunError> {
        if self.way == Way::Events {
            return self.tell(&json!({ "event": "note", "text": words }));
        }
        say(format_args!("note: {words}"));
        Ok(())
    }

    /// An event for a program.
    fn tell(&self, event: &Value) -> Result<(), RunError> {
        if self.way != Way::Events {
            return Ok(());
        }
        let out = &mut stdout();
        let told = writeln!(out, "{event}").and_then(|()| out.flush());
        told.map_err(RunError::io("write to", "the terminal"))
    }
}
