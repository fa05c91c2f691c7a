//! Texts written by a language model: what is text and what tokens, which token comes next, and several texts
//! at once over the stages of a pipeline.

mod run_tokenizer;
mod sampling;
mod stop_text;
mod text_form;
mod writer;

pub(crate) use run_tokenizer::{RunTokenizer, has_chats, template_of};
pub(crate) use sampling::Sampling;
pub(crate) use stop_text::{Shown, StopText};
pub(crate) use text_form::{Decoder, PRETRAINED, TextForm};
pub(crate) use writer::{Listener, PIECE, Text, Writer, each};
