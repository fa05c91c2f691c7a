//! Writes texts token by token, several at once.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use burn::tensor::TensorData;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use trainyard_data::SEGMENTS;
use trainyard_engine::{HostTensors, Sequences};

use super::Sampling;
use crate::error::RunError;

/// Tokens that are computed at once of a long text: what a device needs for them for a moment does not grow with
/// the text, and the next device has one part in hand while this one has the next.
pub(crate) const PIECE: usize = 128;

/// How texts are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    /// Tokens the model sees at once.
    pub(crate) context: usize,
    pub(crate) sampling: Sampling,
    /// Texts that are written at once.
    pub(crate) at_once: usize,
}

/// A text that is being written.
pub(crate) struct Text {
    /// What it begins with, and what was added.
    pub(crate) tokens: Vec<u32>,
    /// How many tokens are still to be added at most.
    pub(crate) more: usize,
    /// Where chance comes from: of its own, so that a text does not depend on the others.
    random: ChaCha8Rng,
    /// Outputs on their way of which nothing is wanted: those of all parts but the last.
    unwanted: usize,
}

impl Text {
    /// One of several, by its number, that begins with some tokens and gets at most `more` of them.
    pub(crate) fn new(tokens: Vec<u32>, more: usize, seed: u64, number: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number as u64);
        Self { tokens, more, random, unwanted: 0 }
    }

    /// Takes the only text up again with other tokens, such as a conversation in which more was said. What the
    /// devices keep of it stays where it is how these begin.
    ///
    /// # Errors
    /// When the pipeline has failed.
    pub(crate) fn go_on_with(
        &mut self,
        tokens: Vec<u32>,
        more: usize,
        sequences: &mut Sequences<'_>,
    ) -> Result<(), RunError> {
        let kept = sequences.positions(0);
        // Of a text that was longer than the context something else is kept than its beginning.
        let is_beginning = kept + 1 == self.tokens.len() && kept < tokens.len();
        if !is_beginning || self.tokens.get(..kept) != tokens.get(..kept) {
            sequences.forget(0)?;
        }
        (self.tokens, self.more) = (tokens, more);
        Ok(())
    }
}

/// Is told what is written.
pub(crate) trait Listener {
    /// A text, by its number, has one token more; it ends where this breaks off.
    ///
    /// # Errors
    /// What keeps it from listening; that ends the writing.
    fn token(&mut self, text: usize, token: u32) -> Result<ControlFlow<()>, RunError>;

    /// Nothing more comes of a text.
    ///
    /// # Errors
    /// As [`Self::token`].
    fn end(&mut self, _text: usize) -> Result<(), RunError> {
        Ok(())
    }
}

/// A listener of one text, as a function.
pub(crate) struct Each<F>(F);

/// Calls a function with every token.
pub(crate) fn each<F: FnMut(u32) -> Result<ControlFlow<()>, RunError>>(function: F) -> Each<F> {
    Each(function)
}

impl<F: FnMut(u32) -> Result<ControlFlow<()>, RunError>> Listener for Each<F> {
    fn token(&mut self, _text: usize, token: u32) -> Result<ControlFlow<()>, RunError> {
        (self.0)(token)
    }
}

impl Writer {
    /// Adds tokens to texts until each has as many as it may, or its listener breaks it off. What the devices
    /// keep of a text is its sequence of the same number, from which it goes on if it is written again.
    ///
    /// # Errors
    /// When a device fails, or the listener does.
    pub(crate) fn write(
        self,
        sequences: &mut Sequences<'_>,
        texts: &mut [Text],
        listener: &mut impl Listener,
    ) -> Result<(), RunError> {
        let mut waiting: VecDeque<usize> = (0..texts.len()).collect();
        for _ in 0..self.at_once.max(1) {
            self.begin_next(sequences, texts, &mut waiting, listener)?;
        }
        while let Some((sequence, output)) = sequences.next_output()? {
            let number = sequence as usize;
            let Some(text) = texts.get_mut(number) else { continue };
            if text.unwanted > 0 {
                text.unwanted -= 1;
                continue;
            }
            let token = self.next_token(&output, text)?;
            text.tokens.push(token);
            text.more = text.more.saturating_sub(1);
            if listener.token(number, token)?.is_continue() && text.more > 0 {
                self.feed(sequences, sequence, text)?;
                continue;
            }
            listener.end(number)?;
            // The only one may be taken up again; of others the room is needed.
            if texts.len() > 1 {
                sequences.forget(sequence)?;
            }
            self.begin_next(sequences, texts, &mut waiting, listener)?;
        }
        Ok(())
    }

    /// Begins with the next text that wants any tokens.
    fn begin_next(
        self,
        sequences: &mut Sequences<'_>,
        texts: &mut [Text],
        waiting: &mut VecDeque<usize>,
        listener: &mut impl Listener,
    ) -> Result<(), RunError> {
        while let Some(number) = waiting.pop_front() {
            if texts[number].more > 0 {
                return self.feed(sequences, number as u64, &mut texts[number]);
            }
            listener.end(number)?;
        }
        Ok(())
    }

    /// Has the devices compute what comes after a text. Of a longer one than the model sees at once it sees the
    /// end, each time anew: what is kept of a token depends on its place in what is seen.
    fn feed(
        self,
        sequences: &mut Sequences<'_>,
        number: u64,
        text: &mut Text,
    ) -> Result<(), RunError> {
        let tokens = &text.tokens;
        let from = if tokens.len() > self.context || !sequences.go_on() {
            sequences.forget(number)?;
            tokens.len().saturating_sub(self.context)
        } else {
            sequences.positions(number)
        };
        let fed = tokens.get(from..).unwrap_or_default();
        let fed: Vec<i32> = fed.iter().map(|&token| i32::try_from(token).unwrap_or(0)).collect();
        let piece = if sequences.go_on() { PIECE } else { fed.len().max(1) };
        let mut parts = 0;
        for part in fed.chunks(piece) {
            let of_part = |values: Vec<i32>| TensorData::new(values, [1, part.len()]);
            let mut tensors = vec![("tokens".into(), of_part(part.to_vec()))];
            // A model that was made for rows of several texts.
            if sequences.takes(SEGMENTS) {
                tensors.push((SEGMENTS.into(), of_part(vec![1; part.len()])));
            }
            sequences.feed(number, tensors)?;
            parts += 1;
        }
        text.unwanted = usize::saturating_sub(parts, 1);
        Ok(())
    }

    fn next_token(self, output: &HostTensors, text: &mut Text) -> Result<u32, RunError> {
        let logits: Vec<f32> = output.iter().flat_map(|(_, data)| data.iter::<f32>()).collect();
        if !logits.iter().any(|logit| logit.is_finite()) {
            let words = "the model gives no numbers: its weights are past use; of a run, --checkpoint takes \
                         earlier ones";
            return Err(RunError::config(words));
        }
        Ok(self.sampling.choose(&logits, &text.tokens, &mut text.random))
    }
}

#[cfg(test)]
mod tests;
