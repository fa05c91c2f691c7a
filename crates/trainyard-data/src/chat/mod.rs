//! `chat`: chats and instructions, each as the template of a model writes it.
//!
//! What the assistant says is to be learned, or all of it. A row has a chat, or with `packing` as many as have
//! room in it, which do not see each other; it is filled up with what does not count and what no token of a
//! chat sees.

mod encode;
mod left_out;
mod messages;
mod options;
mod packing;
mod read;
#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;
use std::sync::Arc;

use trainyard_config::KeyGroup;
use trainyard_pretrained::Tokenizer;

use crate::batch::{Batch, HostTensor};
use crate::error::DataError;
use crate::files;
use crate::kind::{self, Source};
use crate::numbered::NumberedSource;
use crate::order::Split;
use crate::plain_text::Remarks;
use crate::source::{DataInfo, IGNORED, Unit};
use crate::tokens::{self, Counted, TokenRows, TokenStore, TokenWriter, tokenizer_named};
use encode::{check_roles, encode};
use left_out::{Lack, LeftOut};
use packing::Packing;
use read::{ChatError, ChatFile};

pub use options::{ChatOptions, TooLong, TrainOn};

/// Kinds of files taken out of a folder.
const EXTENSIONS: &[&str] = &["jsonl", "ndjson", "parquet"];

/// In a file of tokens, marks one that is to be learned.
const COUNTS: u32 = 1 << 31;

/// Counts up when other tokens are made of the same chats, so that none that were kept before are taken for them.
const MAKING: u32 = 2;

/// Rows of which less is filled than this are spoken of.
const HALF: f64 = 0.5;

/// The line of the registry.
pub(crate) const SOURCE: Source = Source {
    group: KeyGroup::of::<ChatOptions>("chat").named_by("chat"),
    open: |section| {
        let options: ChatOptions = kind::options(section)?;
        let tokenizer = tokenizer_named(options.tokenizer.as_ref())?;
        Ok(Box::new(ChatSource::open(&options, tokenizer, section.validation_fraction)?))
    },
    #[cfg(test)]
    sample: tests::sample,
};

/// Chats: `tokens` `[rows, context]` i32, and `targets` `[rows, context]` i32, the token that follows each,
/// or [`IGNORED`] for what is not to be learned; with `packing` also [`SEGMENTS`](crate::SEGMENTS).
#[derive(Debug)]
pub struct ChatSource {
    tokenizer: Arc<Tokenizer>,
    store: TokenStore,
    /// Where rows have several chats.
    packing: Option<Packing>,
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
    /// there is no template of chats; [`DataError::BadFile`] where no chat has an answer, or all share one row;
    /// [`DataError::TooFew`].
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
        let kept_as = format!("{key}-{MAKING}");
        let store = match TokenStore::kept(&kept_as) {
            Some(store) => store,
            None => tokens_of(opened, (&tokenizer, &name), options, &kept_as)?,
        };
        // A chat takes a position less than it has tokens.
        let lengths = || store.lengths().map(|tokens| tokens.saturating_sub(1));
        let context = options.context as u64;
        let packing = options.packing.then(|| Packing::new(lengths(), context));
        let rows = packing.as_ref().map_or(store.samples(), Packing::rows);
        let split = Split::new(rows, validation_fraction, &name);
        let split = split.map_err(|error| match &packing {
            Some(packing) if packing.rows() < store.samples() => {
                share_too_few(&name, [store.samples(), rows], validation_fraction)
            }
            _ => error,
        })?;
        let training = split.training_samples();
        let filled = lengths().sum::<u64>() as f64 / (rows * context).max(1) as f64;
        let longest = lengths().max().unwrap_or(0);
        let is_empty = packing.is_none() && filled < HALF && longest < context;
        let sparse = is_empty.then(|| {
            format!(
                "chats fill {:.0} % of their rows of {context} tokens, and the rest is computed for nothing: the longest \
                 has {longest}, so that model.context = {longest} does, or data.packing = true",
                100.0 * filled
            )
        });
        let packed = packing.as_ref().map(|_| {
            let shared = if rows == 1 {
                "1 row, which they fill".into()
            } else {
                format!("{rows} rows, which they fill")
            };
            format!("{} chats share {shared} to {:.0} %", store.samples(), 100.0 * filled)
        });
        let choices = [("training", training.to_string())].into_iter();
        let choices = choices.chain(packing.as_ref().map(|_| ("packing", "true".to_owned())));
        let info = DataInfo {
            name,
            fingerprint: files::fingerprint(&key, &choices.collect::<Vec<_>>()),
            tensors: TokenRows::tensors(options.context, options.packing),
            classes: Vec::new(),
            vocabulary: Vec::new(),
            token_count: tokenizer.size(),
            samples: Some(training),
            validation_samples: Some(split.validation_samples()),
            items_per_row: context,
            unit: Unit::Tokens,
            remarks: remarks
                .of_cells()
                .into_iter()
                .chain(store.notes().to_vec())
                .chain(packed)
                .chain(sparse)
                .collect(),
        };
        let (tokenizer, context) = (Arc::new(tokenizer), options.context);
        Ok(Self { tokenizer, store, packing, context, split, info })
    }
}

/// That chats share too few rows for a training and a validation part.
fn share_too_few(name: &str, [chats, rows]: [u64; 2], fraction: f64) -> DataError {
    let rows = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
    let reason = format!(
        "its {chats} chats share {rows}, too few for a validation_fraction of {fraction}: both parts need at least \
         one; say data.packing = false, use more chats, or another fraction"
    );
    DataError::bad_file(Path::new(name), reason)
}

/// Makes tokens of the chats of some files, and keeps them.
fn tokens_of(
    chat_files: Vec<ChatFile<'_>>,
    (tokenizer, name): (&Tokenizer, &str),
    options: &ChatOptions,
    key: &str,
) -> Result<TokenStore, DataError> {
    let mut writer = TokenWriter::new()?;
    // A row predicts its tokens and the one behind them.
    let longest = options.context + 1;
    let (mut done, of) = (0, chat_files.iter().map(ChatFile::bytes).sum::<u64>());
    let (mut chats, mut too_long, mut left_out) = (0_u64, 0_u64, LeftOut::default());
    for file in chat_files {
        file.chats(|chat| {
            chats += 1;
            done += chat.bytes;
            tokens::progress(done, of);
            check_roles(&chat.said.messages, tokenizer).map_err(ChatError::Reason)?;
            let wants_answers = options.train_on == TrainOn::Answers;
            if let Some(lack) = Lack::of(&chat.said).filter(|_| wants_answers) {
                left_out.add(lack, &chat);
                return Ok(());
            }
            let mut tokens = encode(tokenizer, &chat.said, options.train_on).map_err(ChatError::Reason)?;
            let length = tokens.len();
            if length > longest {
                too_long += 1;
                match options.too_long {
                    TooLong::Cut => tokens.truncate(longest),
                    TooLong::Split => {}
                    TooLong::Refuse => {
                        return Err(ChatError::Reason(format!(
                            "the chat has {length} tokens, more than a context of {} can have ({longest}); \
                             shorten it, or say data.too_long = \"cut\" or \"split\"",
                            options.context
                        )));
                    }
                }
            }
            let mut has_answer = false;
            for part in parts(&tokens, options.context) {
                // One that teaches nothing is no sample.
                if part.iter().skip(1).any(|(_, counts)| *counts) {
                    let mark = |(token, counts): &Counted| token | if *counts { COUNTS } else { 0 };
                    writer.push_sample(&part.iter().map(mark).collect::<Vec<_>>())?;
                    has_answer = true;
                }
            }
            if !has_answer {
                left_out.add(Lack::Context(length.saturating_sub(1) as u64), &chat);
            }
            Ok(())
        })?;
    }
    let context = options.context;
    if left_out.count() == chats {
        let reason = left_out.refusal(chats, context);
        return Err(DataError::bad_file(Path::new(name), reason));
    }
    if too_long > 0 {
        let what = if options.too_long == TooLong::Cut { "cut" } else { "split" };
        let [is, was] = if too_long == 1 { ["is", "was"] } else { ["are", "were"] };
        writer.note(format!(
            "{too_long} of {chats} chats {is} longer than a context of {context} tokens and {was} {what}"
        ));
    }
    for note in left_out.notes(chats, context) {
        writer.note(note);
    }
    writer.finish(key)
}

/// The tokens of each row of a chat: the first of a row is the last that the row before predicts.
fn parts(chat: &[Counted], context: usize) -> impl Iterator<Item = &[Counted]> {
    let starts = (0..chat.len().saturating_sub(1)).step_by(context.max(1));
    starts
        .map(move |start| chat.get(start..chat.len().min(start + context + 1)).unwrap_or_default())
}

impl ChatSource {
    /// The tokens of a chat, and which of them are to be learned.
    fn chat(&self, number: u64) -> Result<Vec<Counted>, DataError> {
        let marked = self.store.sample(number)?.into_iter();
        Ok(marked.map(|token| (token & !COUNTS, token & COUNTS != 0)).collect())
    }
}

impl NumberedSource for ChatSource {
    fn parts(&self) -> (&DataInfo, &Split) {
        (&self.info, &self.split)
    }

    fn gather(&self, samples: impl Iterator<Item = u64>) -> Result<Batch, DataError> {
        let Some(packing) = &self.packing else {
            let mut rows = TokenRows::new(self.context);
            for sample in samples {
                let chat = self.chat(sample)?;
                let tokens: Vec<u32> = chat.iter().map(|(token, _)| *token).collect();
                rows.push(&tokens, |at| chat.get(at).is_some_and(|(_, counts)| *counts));
            }
            return rows.into_batch();
        };
        let mut rows = TokenRows::packed(self.context);
        for row in samples {
            let chats = packing.chats_of(row).iter().map(|chat| self.chat(*chat));
            rows.push_samples(&chats.collect::<Result<Vec<_>, _>>()?);
        }
        rows.into_batch()
    }

    fn items(&self, batch: &Batch) -> Option<u64> {
        let values = |name| match batch.get(name) {
            Some(HostTensor::I32 { values, .. }) => Some(values.chunks(self.context.max(1))),
            _ => None,
        };
        if self.packing.is_some() {
            return None;
        }
        let filled = |(tokens, targets): (&[i32], &[i32])| {
            let both = tokens.iter().zip(targets);
            tokens.len() - both.rev().take_while(|it| *it == (&0, &IGNORED)).count()
        };
        Some(values("tokens")?.zip(values("targets")?).map(filled).sum::<usize>() as u64)
    }

    fn check_known(&self, known: u64) -> Result<(), DataError> {
        self.store.check_known(&self.info.name, &self.tokenizer, known)
    }

    fn tokenizer(&self) -> Option<Arc<Tokenizer>> {
        Some(Arc::clone(&self.tokenizer))
    }
}
