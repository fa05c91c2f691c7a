//! `sentences`: texts of tables as an encoder reads them, one or two a row, with what is to be learned of them.
//!
//! A row begins with its texts and is filled up to the context. `segments` number what sees each other: two texts
//! whose likeness is learned do not, two whose class is learned do, and what fills a row is seen by no text.

mod options;
mod read;
#[cfg(test)]
pub(crate) mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use trainyard_config::KeyGroup;
use trainyard_pretrained::{EncodedTexts, Tokenizer};

use crate::batch::{Batch, DType, HostTensor};
use crate::classes::check_classes;
use crate::error::DataError;
use crate::files;
use crate::kind::{self, Source};
use crate::numbered::NumberedSource;
use crate::order::Split;
use crate::plain_text::Remarks;
use crate::source::{DataInfo, SEGMENTS, TensorInfo, Unit};
use crate::table::{EXTENSIONS, TableTask, Target, finite};
use crate::tokens::{self, TokenStore, TokenWriter, tokenizer_named};
use read::{Row, RowError, read};

pub use options::{SentencesOptions, TooLongText};

/// In a file of tokens, marks one of the second text.
const SECOND: u32 = 1 << 31;

/// The line of the registry.
pub(crate) const SOURCE: Source = Source {
    group: KeyGroup::of::<SentencesOptions>("sentences").named_by("sentences"),
    open: |section| {
        let options: SentencesOptions = kind::options(section)?;
        let tokenizer = tokenizer_named(options.tokenizer.as_ref())?;
        Ok(Box::new(SentencesSource::open(&options, tokenizer, section.validation_fraction)?))
    },
    #[cfg(test)]
    sample: tests::sample,
};

/// Texts of tables: `tokens` and `segments` `[rows, context]` i32, `token_types` `[rows, context]` i32 where two texts are
/// read as one, and `targets`: `[rows]` i32 class numbers, or `[rows]` f32 scores, or none.
#[derive(Debug)]
pub struct SentencesSource {
    tokenizer: Arc<Tokenizer>,
    store: TokenStore,
    targets: Targets,
    form: Form,
    context: usize,
    split: Split,
    info: DataInfo,
}

/// How the texts of a row stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    One,
    /// As one, with a mark between them.
    Joined,
    /// Each by itself.
    Apart,
}

/// What is to be learned of each row.
#[derive(Debug)]
enum Targets {
    Nothing,
    Classes(Vec<i32>),
    Scores(Vec<f32>),
}

/// The rows of some files but for their tokens.
struct Labelled {
    rows: u64,
    /// BLAKE3 of the texts.
    texts: String,
    classes: Vec<String>,
    targets: Targets,
}

impl SentencesSource {
    /// Reads the tables that the options name, and makes tokens of their texts where these were not kept.
    ///
    /// # Errors
    /// [`DataError::BadValue`] for options that make no sense; [`DataError::NoFiles`], [`DataError::NoColumn`];
    /// [`DataError::Cell`] for a cell that cannot be used; [`DataError::BadFile`] for a file that is no table;
    /// [`DataError::TooFew`].
    pub fn open(
        options: &SentencesOptions,
        tokenizer: Tokenizer,
        validation_fraction: f64,
    ) -> Result<Self, DataError> {
        kind::check(options)?;
        let paths = files::expand(&options.sentences, EXTENSIONS, "table")?;
        let name = files::name_of(&paths);
        let form = match (&options.second, &options.score) {
            (None, _) => Form::One,
            (Some(_), None) => Form::Joined,
            (Some(_), Some(_)) => Form::Apart,
        };
        let mut remarks = Remarks::default();
        let labelled = labelled(&paths, options, &mut remarks)?;
        if let Targets::Classes(numbers) = &labelled.targets {
            let numbers = numbers.iter().copied();
            check_classes(&name, &labelled.classes, numbers, validation_fraction)?;
        }
        let key = tokens::key(
            &labelled.texts,
            &tokenizer,
            &[
                ("form", format!("{form:?}")),
                ("too_long", options.too_long.text().to_owned()),
                ("context", options.context.to_string()),
            ],
        )?;
        let store = match TokenStore::kept(&key) {
            Some(store) => store,
            None => tokens_of(&paths, &tokenizer, (options, form, labelled.rows), &key)?,
        };
        let split = Split::new(store.samples(), validation_fraction, &name)?;
        let info = DataInfo {
            name,
            fingerprint: fingerprint(&key, &labelled, &split),
            tensors: tensors(form, &labelled.targets, options.context),
            classes: labelled.classes,
            vocabulary: Vec::new(),
            token_count: tokenizer.size(),
            samples: Some(split.training_samples()),
            validation_samples: Some(split.validation_samples()),
            items_per_row: 1,
            unit: Unit::Rows,
            remarks: remarks.of_cells().into_iter().chain(store.notes().to_vec()).collect(),
        };
        let (targets, context) = (labelled.targets, options.context);
        Ok(Self { tokenizer: Arc::new(tokenizer), store, targets, form, context, split, info })
    }
}

/// Reads what is to be learned, and all texts for what tells them from others.
fn labelled(
    paths: &[PathBuf],
    options: &SentencesOptions,
    remarks: &mut Remarks,
) -> Result<Labelled, DataError> {
    let mut hash = blake3::Hasher::new();
    let mut classes = Target::new(TableTask::Classes, &options.classes, 1);
    let (mut rows, mut scores) = (0, Vec::new());
    read(paths, options, remarks, |Row { first, second, target }| {
        for text in [Some(first), second].into_iter().flatten() {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        rows += 1;
        match target {
            None => Ok(()),
            Some(cell) if options.label.is_some() => classes.push(cell).map_err(RowError::Target),
            Some(cell) => {
                let score = finite(cell).map_err(RowError::Target)?;
                let share = f64::from(score) / options.full_score;
                if share.abs() > 1.0 {
                    let full = options.full_score;
                    return Err(RowError::Target(format!(
                        "{score} is more than data.full_score = {full}, the score of texts that say the same; mend \
                         it, or say a larger one"
                    )));
                }
                scores.push(share as f32);
                Ok(())
            }
        }
    })?;
    let (classes, targets) = match (&options.label, &options.score) {
        (Some(_), _) => {
            let (names, numbers) = classes.into_classes();
            (names, Targets::Classes(numbers))
        }
        (None, Some(_)) => (Vec::new(), Targets::Scores(scores)),
        (None, None) => (Vec::new(), Targets::Nothing),
    };
    Ok(Labelled { rows, texts: hash.finalize().to_hex().to_string(), classes, targets })
}

/// Makes tokens of the texts of some files, and keeps them.
fn tokens_of(
    paths: &[PathBuf],
    tokenizer: &Tokenizer,
    (options, form, rows): (&SentencesOptions, Form, u64),
    key: &str,
) -> Result<TokenStore, DataError> {
    let mut writer = TokenWriter::new()?;
    let (mut done, mut cut) = (0, 0_u64);
    read(paths, options, &mut Remarks::default(), |row| {
        let encoded = encode(tokenizer, &row, form, options.context)?;
        done += 1;
        tokens::progress(done, rows);
        cut += u64::from(encoded.is_cut);
        if encoded.is_cut && options.too_long == TooLongText::Refuse {
            let context = options.context;
            return Err(RowError::Text(format!(
                "it has more tokens than a context of {context} can have; shorten it, or say data.too_long = \"cut\""
            )));
        }
        let mark = |(token, of): (&u32, &u32)| token | if *of > 0 { SECOND } else { 0 };
        let marked: Vec<u32> = encoded.tokens.iter().zip(&encoded.types).map(mark).collect();
        Ok(writer.push_sample(&marked)?)
    })?;
    if cut > 0 {
        let context = options.context;
        let [is, was] = if cut == 1 { ["is", "was"] } else { ["are", "were"] };
        writer.note(format!(
            "{cut} of {rows} rows {is} longer than a context of {context} tokens and {was} cut"
        ));
    }
    writer.finish(key)
}

/// The tokens of a row, each with 1 where it counts as one of the second text.
fn encode(
    tokenizer: &Tokenizer,
    row: &Row<'_>,
    form: Form,
    context: usize,
) -> Result<EncodedTexts, DataError> {
    let Some(second) = row.second.filter(|_| form == Form::Apart) else {
        return Ok(tokenizer.encode_texts(row.first, row.second, context)?);
    };
    let [mut first, second] = [
        tokenizer.encode_texts(row.first, None, context / 2)?,
        tokenizer.encode_texts(second, None, context / 2)?,
    ];
    first.types = vec![0; first.tokens.len()];
    first.types.extend(vec![1; second.tokens.len()]);
    first.tokens.extend(second.tokens);
    first.is_cut |= second.is_cut;
    Ok(first)
}

/// The tensors of a batch.
fn tensors(form: Form, targets: &Targets, context: usize) -> Vec<TensorInfo> {
    let of_tokens = |name: &str| TensorInfo::new(name, [context], DType::I32);
    let mut tensors = vec![of_tokens("tokens"), of_tokens(SEGMENTS)];
    tensors.extend((form == Form::Joined).then(|| of_tokens("token_types")));
    tensors.extend(match targets {
        Targets::Nothing => None,
        Targets::Classes(_) => Some(TensorInfo::new("targets", [], DType::I32)),
        Targets::Scores(_) => Some(TensorInfo::new("targets", [], DType::F32)),
    });
    tensors
}

/// Fingerprint of all that decides which samples there are.
fn fingerprint(key: &str, labelled: &Labelled, split: &Split) -> String {
    let mut hash = blake3::Hasher::new();
    let mut add = |bytes: [u8; 4]| {
        hash.update(&bytes);
    };
    match &labelled.targets {
        Targets::Nothing => {}
        Targets::Classes(classes) => classes.iter().for_each(|class| add(class.to_le_bytes())),
        Targets::Scores(scores) => scores.iter().for_each(|score| add(score.to_le_bytes())),
    }
    files::fingerprint(
        key,
        &[
            ("targets", hash.finalize().to_hex().to_string()),
            ("classes", labelled.classes.join("\n")),
            ("training", split.training_samples().to_string()),
        ],
    )
}

impl NumberedSource for SentencesSource {
    fn parts(&self) -> (&DataInfo, &Split) {
        (&self.info, &self.split)
    }

    fn gather(&self, samples: impl Iterator<Item = u64>) -> Result<Batch, DataError> {
        let context = self.context;
        let (mut tokens, mut segments, mut types) = (Vec::new(), Vec::new(), Vec::new());
        let (mut classes, mut scores, mut rows) = (Vec::new(), Vec::new(), 0);
        for sample in samples {
            let marked = self.store.sample(sample)?;
            for at in 0..context {
                let token = marked.get(at).copied();
                let is_second = token.is_some_and(|token| token & SECOND != 0);
                // Every number of a token fits. What fills a row is seen by no text.
                tokens.push(token.map_or(0, |token| (token & !SECOND).cast_signed()));
                let is_apart = is_second && self.form == Form::Apart;
                segments.push(i32::from(token.is_some()) + i32::from(is_apart));
                types.push(i32::from(is_second));
            }
            let at = sample as usize;
            match &self.targets {
                Targets::Nothing => {}
                Targets::Classes(all) => classes.extend(all.get(at)),
                Targets::Scores(all) => scores.extend(all.get(at)),
            }
            rows += 1;
        }
        let of_tokens = |values| HostTensor::I32 { shape: vec![rows, context], values };
        let mut tensors = vec![("tokens", of_tokens(tokens)), (SEGMENTS, of_tokens(segments))];
        tensors.extend((self.form == Form::Joined).then(|| ("token_types", of_tokens(types))));
        let shape = vec![rows];
        tensors.extend(match &self.targets {
            Targets::Nothing => None,
            Targets::Classes(_) => Some(("targets", HostTensor::I32 { shape, values: classes })),
            Targets::Scores(_) => Some(("targets", HostTensor::F32 { shape, values: scores })),
        });
        let named = tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor));
        Batch::new(named.collect(), rows)
    }

    /// Rows are counted, not tokens.
    fn items(&self, batch: &Batch) -> Option<u64> {
        Some(batch.rows as u64)
    }

    fn check_known(&self, known: u64) -> Result<(), DataError> {
        self.store.check_known(&self.info.name, &self.tokenizer, known)
    }

    fn tokenizer(&self) -> Option<Arc<Tokenizer>> {
        Some(Arc::clone(&self.tokenizer))
    }
}
