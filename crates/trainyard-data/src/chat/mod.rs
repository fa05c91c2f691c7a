//! `chat`: chats and instructions, each as the template of a model writes it, a chat a row.
//!
//! What the assistant says is to be learned, or all of it. A row begins with its chat and is filled up
//! with what does not count and what no token of the chat sees; several chats do not share one.

mod encode;
mod options;
mod read;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use trainyard_config::KeyGroup;
use trainyard_pretrained::Tokenizer;

use crate::batch::Batch;
use crate::error::DataError;
use crate::files;
use crate::kind::{self, Source};
use crate::numbered::NumberedSource;
use crate::order::Split;
use crate::plain_text::Remarks;
use crate::source::{DataInfo, Unit};
use crate::tokens::{self, TokenRows, TokenStore, TokenWriter, tokenizer_at};
use encode::{Counted, encode};
use read::{ChatError, ChatFile};

pub use options::{ChatOptions, TooLong, TrainOn};

/// Kinds of files taken out of a folder.
const EXTENSIONS: &[&str] = &["jsonl", "ndjson"];

/// In a file of tokens, marks one that is to be learned.
const COUNTS: u32 = 1 << 31;

/// The line of the registry.
pub(crate) const SOURCE: Source = Source {
    group: KeyGroup::of::<ChatOptions>("chat").named_by("chat"),
    open: |section| {
        let options: ChatOptions = kind::options(section)?;
        let path = options.tokenizer.as_ref().ok_or_else(|| {
            DataError::bad_value(
                "data.tokenizer",
                "missing",
                "the path of a model's folder or .gguf file",
            )
        })?;
        let tokenizer = tokenizer_at(path)?;
        Ok(Box::new(ChatSource::open(&options, tokenizer, section.validation_fraction)?))
    },
    #[cfg(test)]
    sample: tests::sample,
};

/// Chats: `tokens` `[rows, context]` i32, and `targets` `[rows, context]` i32, the token that follows each,
/// or [`IGNORED`](crate::IGNORED) for what is not to be learned.
#[derive(Debug)]
pub struct ChatSource {
    tokenizer: Arc<Tokenizer>,
    store: TokenStore,
    context: usize,
    split: Split,
    info: DataInfo,
}

impl ChatSource {
    /// Reads the chats that the options name, and makes tokens of them where they were not kept.
    ///
    /// # Errors
    /// [`DataError::BadValue`] for options that make no sense; [`DataError::NoFiles`];
    /// [`DataError::BadFile`] for a line that is no chat, with its number; [`DataError::Tokenizer`] where
    /// there is no template of chats; [`DataError::TooFew`].
    pub fn open(
        options: &ChatOptions,
        tokenizer: Tokenizer,
        validation_fraction: f64,
    ) -> Result<Self, DataError> {
        kind::check(options)?;
        let tokenizer = match &options.template {
            Some(path) => tokenizer.with_chat_template(path)?,
            None => tokenizer,
        };
        let paths = files::expand(&options.chat, EXTENSIONS, "file of chats")?;
        let name = files::name_of(&paths);
        let (mut remarks, mut hash) = (Remarks::default(), blake3::Hasher::new());
        let mut opened = Vec::new();
        for path in &paths {
            let add = |text: &str| {
                hash.update(text.as_bytes());
            };
            opened.push(ChatFile::open(path, options.encoding.as_deref(), &mut remarks, add)?);
        }
        let key = tokens::key(
            &hash.finalize().to_hex(),
            &tokenizer,
            &[
                ("template", tokenizer.chat_template().unwrap_or_default().to_owned()),
                ("eos", format!("{:?}", tokenizer.eos())),
                ("train_on", options.train_on.text().to_owned()),
                ("too_long", options.too_long.text().to_owned()),
                ("context", options.context.to_string()),
            ],
        )?;
        let store = match TokenStore::kept(&key) {
            Some(store) => store,
            None => tokens_of(opened, &tokenizer, options, &key)?,
        };
        let split = Split::new(store.samples(), validation_fraction, &name)?;
        let training = split.training_samples();
        let info = DataInfo {
            name,
            fingerprint: files::fingerprint(&key, &[("training", training.to_string())]),
            tensors: TokenRows::tensors(options.context),
            classes: Vec::new(),
            vocabulary: Vec::new(),
            token_count: tokenizer.size(),
            samples: Some(training),
            validation_samples: Some(split.validation_samples()),
            items_per_row: options.context as u64,
            unit: Unit::Tokens,
            remarks: remarks.of_cells().into_iter().chain(store.notes().to_vec()).collect(),
        };
        Ok(Self { tokenizer: Arc::new(tokenizer), store, context: options.context, split, info })
    }
}

/// Makes tokens of the chats of some files, and keeps them.
fn tokens_of(
    chat_files: Vec<ChatFile<'_>>,
    tokenizer: &Tokenizer,
    options: &ChatOptions,
    key: &str,
) -> Result<TokenStore, DataError> {
    let mut writer = TokenWriter::new()?;
    // A row predicts its tokens and the one behind them.
    let longest = options.context + 1;
    let (mut done, of) = (0, chat_files.iter().map(ChatFile::bytes).sum::<u64>());
    let (mut chats, mut too_long, mut without_answer) = (0_u64, 0_u64, 0_u64);
    for file in chat_files {
        file.chats(|messages, bytes| {
            let mut chat = encode(tokenizer, &messages, options.train_on).map_err(ChatError::Reason)?;
            chats += 1;
            done += bytes;
            tokens::progress(done, of);
            if chat.len() > longest {
                too_long += 1;
                match options.too_long {
                    TooLong::Cut => chat.truncate(longest),
                    TooLong::Split => {}
                    TooLong::Refuse => {
                        return Err(ChatError::Reason(format!(
                            "the chat has {} tokens, more than a context of {} can have ({longest}); \
                             shorten it, or say data.too_long = \"cut\" or \"split\"",
                            chat.len(),
                            options.context
                        )));
                    }
                }
            }
            let mut has_answer = false;
            for part in parts(&chat, options.context) {
                // One that teaches nothing is no sample.
                if part.iter().skip(1).any(|(_, counts)| *counts) {
                    let mark = |(token, counts): &Counted| token | if *counts { COUNTS } else { 0 };
                    writer.push_sample(&part.iter().map(mark).collect::<Vec<_>>())?;
                    has_answer = true;
                }
            }
            without_answer += u64::from(!has_answer);
            Ok(())
        })?;
    }
    let context = options.context;
    if too_long > 0 {
        let what = if options.too_long == TooLong::Cut { "cut" } else { "split" };
        writer.note(format!(
            "{too_long} of {chats} chats are longer than a context of {context} tokens and were {what}"
        ));
    }
    if without_answer > 0 {
        writer.note(format!(
            "{without_answer} of {chats} chats have nothing to be learned in a context of {context} tokens \
             and were left out"
        ));
    }
    writer.finish(key)
}

/// The tokens of each row of a chat: the first of a row is the last that the row before predicts.
fn parts(chat: &[Counted], context: usize) -> impl Iterator<Item = &[Counted]> {
    let starts = (0..chat.len().saturating_sub(1)).step_by(context.max(1));
    starts
        .map(move |start| chat.get(start..chat.len().min(start + context + 1)).unwrap_or_default())
}

impl NumberedSource for ChatSource {
    fn parts(&self) -> (&DataInfo, &Split) {
        (&self.info, &self.split)
    }

    fn gather(&self, samples: impl Iterator<Item = u64>) -> Result<Batch, DataError> {
        let mut rows = TokenRows::new(self.context);
        for sample in samples {
            let marked = self.store.sample(sample)?;
            let chat: Vec<u32> = marked.iter().map(|token| token & !COUNTS).collect();
            rows.push(&chat, |at| marked.get(at).is_some_and(|token| token & COUNTS != 0));
        }
        rows.into_batch()
    }

    fn tokenizer(&self) -> Option<Arc<Tokenizer>> {
        Some(Arc::clone(&self.tokenizer))
    }
}
