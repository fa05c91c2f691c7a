//! Tokenizers: from text to the numbers that a model reads, and back.
//!
//! Whatever a model's files have becomes a `tokenizer.json`, and the crate `tokenizers` does the rest:
//! GPT-2's `vocab.json` and `merges.txt` and BERT's `vocab.txt` ([`slow`]), and the tokenizer inside a
//! GGUF file ([`gguf`]). Which tokens are special is what the configs say ([`special`]).

mod added_tokens;
mod chat;
mod chat_template;
mod dates;
mod files;
mod gguf;
mod info;
mod parts;
mod pre_tokenizers;
mod sentence_piece;
mod slow;
mod special;
mod spelling;
mod stream;
mod texts;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tokenizers::PostProcessorWrapper;

use crate::error::PretrainedError;
use chat::ChatTemplate;
pub use chat::Message;
pub(crate) use gguf::{LISTS, of_gguf};
pub use info::TokenizerInfo;
pub(crate) use info::of_folder;
pub(crate) use pre_tokenizers::name_of_words;
use special::SpecialTokens;
use spelling::Spelling;
pub use stream::TextStream;
pub use texts::EncodedTexts;

/// A model's tokenizer, with its special tokens and its template of chats.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The same for [`Self::encode_with_places`], made when it is asked for.
    without_surroundings: OnceLock<tokenizers::Tokenizer>,
    /// Folder or file that it comes from.
    path: PathBuf,
    /// One more than the largest number of a token.
    size: usize,
    special: SpecialTokens,
    spelling: Spelling,
    adds_bos: bool,
    template: Option<ChatTemplate>,
}

impl Tokenizer {
    /// Opens the tokenizer of a model: of its folder, of one of the tokenizer's own files, or of a GGUF
    /// file. None where a folder or GGUF file has none.
    ///
    /// # Errors
    /// [`PretrainedError::Io`]; [`PretrainedError::BadFile`] for a file that is damaged;
    /// [`PretrainedError::Unsupported`] for a tokenizer of a kind that is not known.
    pub fn open(path: &Path) -> Result<Option<Self>, PretrainedError> {
        let about = std::fs::metadata(path).map_err(PretrainedError::io(path))?;
        if about.is_dir() {
            return files::of_folder(path);
        }
        let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        match end.to_ascii_lowercase().as_str() {
            "gguf" => gguf::of_file(path),
            "json" | "txt" => files::of_file(path).map(Some),
            _ => Err(PretrainedError::BadFile {
                path: path.to_owned(),
                reason: "it is no tokenizer; name a model's folder, its tokenizer.json or its .gguf file"
                    .to_owned(),
            }),
        }
    }

    /// Puts a tokenizer together with what the configs say of it.
    fn new(
        mut inner: tokenizers::Tokenizer,
        path: &Path,
        special: SpecialTokens,
        template: Option<ChatTemplate>,
    ) -> Result<Self, PretrainedError> {
        let unusable = |reason: &dyn fmt::Display| {
            PretrainedError::bad_file(path, format!("its tokenizer cannot be used: {reason}"))
        };
        // Both would change what a text of any length is.
        inner.with_truncation(None).map_err(|error| unusable(&error))?.with_padding(None);
        let size = inner.get_vocab(true).into_values().max().map_or(0, |last| last as usize + 1);
        if size == 0 {
            return Err(unusable(&"it has no tokens"));
        }
        // What cannot be cut is found out here: any letter, and one that no vocabulary has.
        let encode = |text: &str, special| {
            let encoded = inner.encode_fast(text, special).map_err(|error| unusable(&error))?;
            Ok::<_, PretrainedError>(encoded.get_ids().to_vec())
        };
        encode("\u{10fffd}", true)?;
        let (plain, marked) = (encode("a", false)?, encode("a", true)?);
        let before =
            marked.split_first().filter(|(_, rest)| *rest == plain).map(|(first, _)| *first);
        let mut special = special;
        special.bos = special.bos.or(before);
        let adds_bos = special.bos.is_some()
            && marked.len() > plain.len()
            && marked.first().copied() == special.bos;
        let spelling = Spelling::of(inner.get_decoder());
        Ok(Self {
            inner,
            without_surroundings: OnceLock::new(),
            path: path.to_owned(),
            size,
            special,
            spelling,
            adds_bos,
            template,
        })
    }

    /// The tokens of a text; with `special` also those that the model expects around it, such as the one
    /// that begins every text. Special tokens that stand in the text itself are taken as such.
    pub fn encode(&self, text: &str, special: bool) -> Vec<u32> {
        // What may fail was tried when it was opened.
        self.inner
            .encode_fast(text, special)
            .map_or_else(|_| Vec::new(), |it| it.get_ids().to_vec())
    }

    /// The same without special tokens around it, each token with its bytes of the text.
    pub fn encode_with_places(&self, text: &str) -> Vec<(u32, Range<usize>)> {
        // What surrounds a text with special tokens also takes spaces out of the places of their tokens.
        let plain = self.without_surroundings.get_or_init(|| {
            let mut plain = self.inner.clone();
            plain.with_post_processor(None::<PostProcessorWrapper>);
            plain
        });
        let Ok(encoded) = plain.encode(text, false) else { return Vec::new() };
        let places = encoded.get_offsets().iter().map(|&(start, end)| start..end);
        encoded.get_ids().iter().copied().zip(places).collect()
    }

    /// The text of some tokens, without special ones if those are to be skipped. Bytes that make no
    /// character become U+FFFD, and numbers that are no token nothing.
    pub fn decode(&self, tokens: &[u32], skip_special: bool) -> String {
        self.inner.decode(tokens, skip_special).unwrap_or_default()
    }

    /// The bytes that a token adds to a text; none for one that is skipped or is no token.
    fn bytes(&self, token: u32, skip_special: bool) -> Vec<u8> {
        let text = self.inner.id_to_token(token).unwrap_or_default();
        let is_skipped = skip_special && self.inner.get_added_vocabulary().is_special_token(&text);
        if is_skipped { Vec::new() } else { self.spelling.bytes(&text) }
    }

    /// Turns tokens into text one by one.
    pub fn stream(&self, skip_special: bool) -> TextStream<'_> {
        TextStream::new(self, skip_special)
    }

    /// The token that begins a text.
    pub fn bos(&self) -> Option<u32> {
        self.special.bos
    }

    /// The tokens that end a text: those of `generation_config.json`, else of `config.json`, else the
    /// tokenizer's own.
    pub fn eos(&self) -> &[u32] {
        &self.special.eos
    }

    /// Its special tokens: names that templates of chats know, such as `bos_token`, and their texts.
    pub fn special(&self) -> impl Iterator<Item = (&str, &str)> {
        self.special.names.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Whether a text begins with [`Self::bos`] for the model.
    pub fn adds_bos(&self) -> bool {
        self.adds_bos
    }

    /// Different tokens: one more than the largest number.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The number of a token by its name in the vocabulary, such as `<|im_end|>`.
    pub fn token(&self, name: &str) -> Option<u32> {
        self.inner.token_to_id(name)
    }

    /// The name of a token in the vocabulary, by its number.
    pub fn name(&self, token: u32) -> Option<String> {
        self.inner.id_to_token(token)
    }

    /// The folder or file that it comes from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of it as a `tokenizer.json`.
    ///
    /// # Errors
    /// [`PretrainedError::BadFile`] where it cannot be written down.
    pub fn to_json(&self) -> Result<String, PretrainedError> {
        let json = self.inner.to_string(false);
        json.map_err(|error| PretrainedError::bad_file(&self.path, error.to_string()))
    }

    /// A chat as the model's own template writes it; with `add_generation_prompt` up to where its next
    /// answer begins. What begins a text is in it: it is encoded without special tokens around it.
    ///
    /// # Errors
    /// [`PretrainedError::NoChatTemplate`]; [`PretrainedError::BadFile`] for a chat that the template
    /// refuses, with its reason.
    pub fn chat(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, PretrainedError> {
        self.chat_at(messages, add_generation_prompt, dates::now())
    }

    /// The same at a time, in seconds since 1970, for templates that write down the day.
    ///
    /// # Errors
    /// As [`Self::chat`].
    pub fn chat_at(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        seconds: u64,
    ) -> Result<String, PretrainedError> {
        let template = self.template.as_ref();
        let template =
            template.ok_or_else(|| PretrainedError::NoChatTemplate { path: self.path.clone() })?;
        template.render(&self.special.names, messages, add_generation_prompt, seconds)
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, size, special, adds_bos, .. } = self;
        let mut all = f.debug_struct("Tokenizer");
        all.field("path", path).field("size", size).field("special", special);
        all.field("adds_bos", adds_bos).finish_non_exhaustive()
    }
}
