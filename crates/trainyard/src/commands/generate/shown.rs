//! Shows what is written, as it is written: one text after the other, however many are written at once.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use serde_json::{Value, json};

use super::prompts::Prompt;
use crate::cli::say;
use crate::error::RunError;
use crate::generation::{Decoder, Listener, Shown as Part, StopText, TextForm};

/// In which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// For a person.
    Text,
    /// For a machine.
    Json,
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
    /// A text to stop at came.
    is_stopped: bool,
    is_over: bool,
}

/// Shows texts on a terminal, or as JSON.
pub(super) struct Shown<'a> {
    out: &'a mut dyn Write,
    way: Way,
    form: &'a TextForm,
    /// Tokens after which a text is over.
    ends: &'a [u32],
    texts: Vec<One<'a>>,
    /// The text that is being shown.
    current: usize,
    pace: Pace,
}

/// How fast tokens came.
#[derive(Default)]
struct Pace {
    tokens: usize,
    first: Option<Instant>,
    last: Option<Instant>,
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
        ends: &'a [u32],
    ) -> Self {
        let (texts, pace) = (Vec::new(), Pace::default());
        Self { out, way, form, ends, texts, current: 0, pace }
    }

    /// One text more, which begins with a prompt and stops before some texts.
    pub(super) fn add(&mut self, prompt: &Prompt, stops: &[String]) {
        self.texts.push(One {
            prompt: prompt.text.clone(),
            decoder: self.form.decoder(&prompt.tokens),
            stop: StopText::new(stops.to_vec()),
            written: String::new(),
            shown: 0,
            tokens: Vec::new(),
            is_stopped: false,
            is_over: false,
        });
    }

    /// Shows what the first text begins with.
    pub(super) fn begin(&mut self) -> Result<(), RunError> {
        self.show_prompt().map_err(failed)
    }

    /// Ends with what is only known at the end: JSON, and how fast it was. Gives what was written.
    pub(super) fn finish(self) -> Result<Vec<String>, RunError> {
        let Self { out, way, texts, pace, .. } = self;
        if way == Way::Json {
            let of_text = |text: &One<'_>| json!({ "text": text.written, "tokens": text.tokens });
            let mut all: Vec<Value> = texts.iter().map(of_text).collect();
            let value = if all.len() == 1 { all.remove(0) } else { Value::Array(all) };
            writeln!(out, "{value}").map_err(failed)?;
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
            if self.way == Way::Text && !new.is_empty() {
                write!(self.out, "{new}")?;
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
        if self.ends.contains(&token) {
            return Ok(ControlFlow::Break(()));
        }
        let (new, next) = match text.stop.push(&text.decoder.push(token)) {
            Part::More(new) => (new, ControlFlow::Continue(())),
            Part::Last(new) => (new, ControlFlow::Break(())),
        };
        text.written.push_str(&new);
        text.is_stopped = next.is_break();
        if number == self.current {
            self.show().map_err(failed)?;
        }
        Ok(next)
    }

    fn end(&mut self, number: usize) -> Result<(), RunError> {
        if let Some(text) = self.texts.get_mut(number) {
            if !text.is_stopped {
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
