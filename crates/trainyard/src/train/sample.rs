//! What a language model writes after a validation, to see what it has learned.

use std::ops::ControlFlow;

use trainyard_plan::journal::Record;
use trainyard_pretrained::Message;

use super::checkpoint::own_template;
use super::training::Training;
use crate::error::RunError;
use crate::generation::{Decoder, Listener, Sampling, Text, TextForm, Writer, has_chats};
use crate::interrupt::Interrupt;
use crate::setup::TrainingSetup;

/// How freely a model writes of itself, as `trainyard generate` does unless told otherwise.
const SAMPLE_TEMPERATURE: f64 = 0.8;

/// What a language model is to write.
pub(super) struct Samples {
    form: TextForm,
    writer: Writer,
    prompts: Vec<Prompt>,
}

/// A beginning: one that was asked for, or the model's own.
struct Prompt {
    /// As it is shown.
    text: String,
    tokens: Vec<u32>,
    is_given: bool,
}

impl Samples {
    /// What the run file asks for; None for a model that writes no text, or is not to.
    ///
    /// # Errors
    /// For prompts that have no tokens, or that the template of chats refuses.
    pub(super) fn of(setup: &TrainingSetup) -> Result<Option<Self>, RunError> {
        let (train, data) = (&setup.config.train, setup.data()?);
        let Some(context) = setup.job.context.filter(|_| train.sample_tokens > 0) else {
            return Ok(None);
        };
        let template = own_template(&setup.config, &**data);
        let vocabulary = data.info().vocabulary.clone();
        let form = TextForm::of_run(&setup.config, vocabulary, template.as_deref())?;
        let Some(form) = form else { return Ok(None) };
        let is_chat = has_chats(&setup.config);
        let prompt = |said: &String| -> Result<Prompt, RunError> {
            let (text, tokens) = if is_chat {
                let messages = [Message::new("user", said.as_str())];
                (format!("{said}\n"), form.chat(&messages)?)
            } else {
                (said.clone(), form.encode(said)?)
            };
            Ok(Prompt { text, tokens, is_given: true })
        };
        let mut prompts = train.sample_prompts.iter().map(prompt).collect::<Result<Vec<_>, _>>()?;
        let temperature = if prompts.is_empty() { SAMPLE_TEMPERATURE } else { 0.0 };
        if prompts.is_empty() {
            prompts.push(Prompt { text: String::new(), tokens: form.encode("")?, is_given: false });
        }
        // No memory is set aside for what is kept of several.
        let writer = Writer { context, sampling: Sampling::at(temperature), at_once: 1 };
        Ok(Some(Self { form, writer, prompts }))
    }
}

impl Training<'_> {
    /// Lets a language model show what it has learned. False where it was interrupted.
    pub(super) fn write_samples(&mut self, interrupt: &Interrupt) -> Result<bool, RunError> {
        if interrupt.asked() {
            return Ok(false);
        }
        let Some(Samples { form, writer, prompts }) = &self.samples else { return Ok(true) };
        let train = &self.setup.config.train;
        let text = |(number, prompt): (usize, &Prompt)| {
            Text::new(prompt.tokens.clone(), train.sample_tokens, train.seed, number)
        };
        let mut texts: Vec<Text> = prompts.iter().enumerate().map(text).collect();
        // What a model writes of itself is to go on, whatever it ends.
        let begun = |prompt: &Prompt| Begun {
            text: prompt.text.clone(),
            decoder: form.decoder(if prompt.is_given { &prompt.tokens } else { &[] }),
            ends: if prompt.is_given { form.ends() } else { &[] },
        };
        let mut written = Written { texts: prompts.iter().map(begun).collect(), interrupt };
        writer.write(&mut self.pipeline.sequences(), &mut texts, &mut written)?;
        if interrupt.asked() {
            return Ok(false);
        }
        let texts = written.texts.into_iter().map(Begun::whole);
        let given = prompts.iter().map(|prompt| prompt.is_given.then(|| prompt.text.clone()));
        for (prompt, text) in given.zip(texts).collect::<Vec<_>>() {
            self.tell(&Record::Sample { at_ns: self.now(), step: self.step, prompt, text });
        }
        Ok(true)
    }
}

/// A text on its way.
struct Begun<'a> {
    text: String,
    decoder: Decoder<'a>,
    /// Tokens after which it is over.
    ends: &'a [u32],
}

impl Begun<'_> {
    fn whole(mut self) -> String {
        self.text.push_str(&self.decoder.rest());
        self.text
    }
}

/// The texts as they are written.
struct Written<'a> {
    texts: Vec<Begun<'a>>,
    interrupt: &'a Interrupt,
}

impl Listener for Written<'_> {
    fn token(&mut self, text: usize, token: u32) -> Result<ControlFlow<()>, RunError> {
        let Some(Begun { text, decoder, ends }) = self.texts.get_mut(text) else {
            return Ok(ControlFlow::Break(()));
        };
        if ends.contains(&token) || self.interrupt.asked() {
            return Ok(ControlFlow::Break(()));
        }
        text.push_str(&decoder.push(token));
        Ok(ControlFlow::Continue(()))
    }
}
