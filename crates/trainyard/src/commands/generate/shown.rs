//! Shows what is written, as it is written: one text after the other, however many are written at once.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use serde_json::{Value, json};

use super::ends::Ends;
use super::heard::Heard;
use super::prompts::Prompt;
use crate::cli::say;
use crate::error::RunError;
use crate::generation::{Decoder, Listener, Shown as Part, StopText, TextForm};

/// In which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// For a person.
    Text,
    /// For a machine, at the end.
    Json,
    /// For a machine, as it happens: a line an event.
    Events,
}

/// One text.
struct One<'a> {
    prompt: String,
    decoder: Decoder<'a>,
    stop: StopText,
    /// What was written, and how much of it has been shown.
    written: String,
    shown: usize,
    tokens: Vec<u32>,
    /// Why it ended, where not because it has as many tokens as it may.
    end: Option<End>,
    is_over: bool,
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The model ended it.
    Token,
    /// A text to stop before came.
    Text,
    /// A token to stop at came.
    StopToken,
    /// Whoever reads it asked.
    Asked,
}

/// Shows texts on a terminal, or as JSON.
pub(super) struct Shown<'a> {
    out: &'a mut dyn Write,
    way: Way,
    form: &'a TextForm,
    /// Where a text is over.
    ends: &'a Ends,
    texts: Vec<One<'a>>,
    /// The text that is being shown.
    current: usize,
    pace: Pace,
    /// Who may end a text.
    heard: Option<&'a mut Heard>,
}

/// How fast tokens came.
#[derive(Default)]
struct Pace {
    tokens: usize,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl End {
    /// Its name for machines; `length` where the text has as many tokens as it may.
    fn name(end: Option<Self>) -> &'static str {
        match end {
            Some(Self::Token) => "end",
            Some(Self::Text | Self::StopToken) => "stop",
            Some(Self::Asked) => "asked",
            None => "length",
        }
    }
}

impl Pace {
    fn token(&mut self) {
        let now = Instant::now();
        self.tokens += 1;
        self.first = self.first.or(Some(now));
        self.last = Some(now);
    }

    /// Tokens a second, of those after the first; None of fewer than two.
    fn per_second(&self) -> Option<f64> {
        let seconds = self.last?.duration_since(self.first?).as_secs_f64();
        (self.tokens > 1 && seconds > 0.0).then(|| (self.tokens - 1) as f64 / seconds)
    }
}

impl<'a> Shown<'a> {
    pub(super) fn new(
        out: &'a mut dyn Write,
        way: Way,
        form: &'a TextForm,
        ends: &'a Ends,
    ) -> Self {
        let (texts, pace) = (Vec::new(), Pace::default());
        Self { out, way, form, ends, texts, current: 0, pace, heard: None }
    }

    /// Lets somebody end the text that is written.
    pub(super) fn listen_to(&mut self, heard: &'a mut Heard) {
        self.heard = Some(heard);
    }

    /// One text more, which begins with a prompt.
    pub(super) fn add(&mut self, prompt: &Prompt) {
        self.texts.push(One {
            prompt: prompt.text.clone(),
            decoder: self.form.decoder(&prompt.tokens),
            stop: StopText::new(self.ends.stop_texts.clone()),
            written: String::new(),
            shown: 0,
            tokens: Vec::new(),
            end: None,
            is_over: false,
        });
    }

    /// Shows what the first text begins with.
    pub(super) fn begin(&mut self) -> Result<(), RunError> {
        self.show_prompt().map_err(failed)
    }

    /// Ends with what is only known at the end: JSON, and how fast it was. Gives what was written.
    pub(super) fn finish(self) -> Result<Vec<String>, RunError> {
        let Self { out, way, texts, pace, form, .. } = self;
        let can_chat = form.has_chat_template();
        if way == Way::Json {
            let of_text = |text: &One<'_>| json!({ "text": text.written, "tokens": text.tokens });
            let mut all: Vec<Value> = texts.iter().map(of_text).collect();
            let value = if all.len() == 1 { all.remove(0) } else { Value::Array(all) };
            writeln!(out, "{value}").map_err(failed)?;
        }
        if way == Way::Events {
            for text in &texts {
                let event = json!({
                    "event": "answer", "text": text.written, "tokens": text.tokens,
                    "tokens_per_s": pace.per_second(), "end": End::name(text.end),
                });
                writeln!(out, "{event}").and_then(|()| out.flush()).map_err(failed)?;
            }
        }
        let is_empty = |text: &One<'_>| text.end == Some(End::Token) && text.tokens.len() == 1;
        if way == Way::Text && can_chat && texts.iter().any(is_empty) {
            say("(the model ended the text at once; --chat asks it by its template)");
        }
        if let Some(rate) = pace.per_second() {
            say(format_args!("{} tokens, {rate:.1} tokens/s", pace.tokens));
        }
        Ok(texts.into_iter().map(|text| text.written).collect())
    }

    fn show_prompt(&mut self) -> io::Result<()> {
        let (number, count) = (self.current + 1, self.texts.len());
        let Some(text) = self.texts.get(self.current).filter(|_| self.way == Way::Text) else {
            return Ok(());
        };
        if count > 1 {
            let gap = if number > 1 { "\n" } else { "" };
            writeln!(self.out, "{gap}── prompt {number} of {count} ──")?;
        }
        write!(self.out, "{}", text.prompt)?;
        self.out.flush()
    }

    /// Shows what there is of the text in hand, and goes on with the next where it is over.
    fn show(&mut self) -> io::Result<()> {
        while let Some(text) = self.texts.get_mut(self.current) {
            let new = text.written.get(text.shown..).unwrap_or_default();
            if !new.is_empty() {
                match self.way {
                    Way::Text => write!(self.out, "{new}")?,
                    Way::Events => {
                        writeln!(self.out, "{}", json!({ "event": "text", "text": new }))?;
                    }
                    Way::Json => {}
                }
                self.out.flush()?;
            }
            text.shown = text.written.len();
            if !text.is_over {
                return Ok(());
            }
            if self.way == Way::Text {
                writeln!(self.out)?;
            }
            self.current += 1;
            self.show_prompt()?;
        }
        Ok(())
    }
}

impl Listener for Shown<'_> {
    fn token(&mut self, number: usize, token: u32) -> Result<ControlFlow<()>, RunError> {
        self.pace.token();
        let Some(text) = self.texts.get_mut(number) else { return Ok(ControlFlow::Break(())) };
        text.tokens.push(token);
        let is_in = |ends: &[u32]| ends.contains(&token);
        let end = is_in(&self.ends.tokens).then_some(End::Token);
        text.end = end.or_else(|| is_in(&self.ends.stop_tokens).then_some(End::StopToken));
        if text.end.is_some() {
            return Ok(ControlFlow::Break(()));
        }
        let (new, end) = match text.stop.push(&text.decoder.push(token)) {
            Part::More(new) => (new, None),
            Part::Last(new) => (new, Some(End::Text)),
        };
        text.written.push_str(&new);
        let is_asked = match &mut self.heard {
            Some(heard) => heard.is_stopped()?,
            None => false,
        };
        text.end = end.or(is_asked.then_some(End::Asked));
        let next =
            if text.end.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        if number == self.current {
            self.show().map_err(failed)?;
        }
        Ok(next)
    }

    fn end(&mut self, number: usize) -> Result<(), RunError> {
        if let Some(text) = self.texts.get_mut(number) {
            if text.end != Some(End::Text) {
                let rest = text.stop.rest() + &text.decoder.rest();
                text.written.push_str(&rest);
            }
            text.is_over = true;
        }
        self.show().map_err(failed)
    }
}

fn failed(error: io::Error) -> RunError {
    RunError::io("write to", "the terminal")(error)
}
