//! Masked tokens (Devlin et al., arXiv 1810.04805, §3.1): of any source of tokens, some are hidden, and these are what
//! is to be learned.

use std::sync::Arc;

use trainyard_pretrained::Tokenizer;

use crate::batch::{Batch, DType, HostTensor};
use crate::error::DataError;
use crate::random::{Use, below, stream, unit};
use crate::source::{Cursor, DataInfo, DataSource, IGNORED, SEGMENTS, TensorInfo, Unit};
use crate::tokens::check_known;

/// Share of tokens that are to be found.
const CHOSEN: f64 = 0.15;
/// Of these, the share that becomes the mask, and the share that becomes any token; the others stay.
const HIDDEN: f64 = 0.8;
const REPLACED: f64 = 0.1;

/// The rows of another source with masked `tokens` `[rows, context]` i32, and `targets` `[rows, context]` i32, what the chosen
/// tokens were, in their places, and [`IGNORED`] elsewhere. Which are chosen follows from the cursor: others in each
/// epoch, the same however rows are cut into batches. Special tokens are never chosen.
pub struct Masked {
    inner: Arc<dyn DataSource>,
    tokenizer: Arc<Tokenizer>,
    mask: u32,
    /// Tokens that the model knows, of which any may replace another.
    known: u64,
    info: DataInfo,
}

impl Masked {
    /// Masks the tokens of a source for a model that knows the first `known`.
    ///
    /// # Errors
    /// [`DataError::NoMask`] for one without tokens of a tokenizer, or whose tokenizer has no token for it.
    pub fn new(inner: Arc<dyn DataSource>, known: u64) -> Result<Self, DataError> {
        let about = inner.info();
        let refused = |reason| DataError::NoMask { name: about.name.clone(), reason };
        let of_tokens = about.tensors.iter().find(|tensor| tensor.name == "tokens");
        let (Some(of_tokens), Some(tokenizer)) = (of_tokens, inner.tokenizer()) else {
            return Err(refused(
                "they are not made by a model's tokenizer; name a text and a tokenizer",
            ));
        };
        let mask = tokenizer.mask().ok_or_else(|| {
            refused("the tokenizer has no mask token; take the model of one that has, such as BERT")
        })?;
        let known = known.min(tokenizer.size() as u64);
        let context = of_tokens.row_shape.clone();
        let mut tensors = about.tensors.clone();
        tensors.retain(|tensor| tensor.name != "targets");
        tensors.push(TensorInfo::new("targets", context.clone(), DType::I32));
        let info = DataInfo {
            fingerprint: crate::files::fingerprint(
                &about.fingerprint,
                &[("masked", CHOSEN.to_string())],
            ),
            tensors,
            classes: Vec::new(),
            items_per_row: context.iter().product::<usize>() as u64,
            unit: Unit::Tokens,
            ..about.clone()
        };
        Ok(Self { inner, tokenizer, mask, known, info })
    }

    /// Masks the rows of a batch, the first of which has a number in the stream of a use.
    fn masked(
        &self,
        batch: Batch,
        (seed, first, purpose): (u64, u64, Use),
    ) -> Result<Batch, DataError> {
        let rows = batch.rows;
        let mut tensors = batch.tensors;
        tensors.retain(|(name, _)| name != "targets");
        let segments = tensors.iter().find(|(name, _)| name == SEGMENTS);
        let segments = match segments {
            Some((_, HostTensor::I32 { values, .. })) => values.clone(),
            _ => Vec::new(),
        };
        let mut learned = None;
        for (name, tensor) in &mut tensors {
            if let (HostTensor::I32 { shape, values }, "tokens") = (tensor, name.as_str()) {
                let width = shape.get(1).copied().unwrap_or(1).max(1);
                let mut targets = vec![IGNORED; values.len()];
                let places = values.chunks_mut(width).zip(targets.chunks_mut(width)).enumerate();
                for (row, (tokens, targets)) in places {
                    let number = first.saturating_add(row as u64);
                    let segments = segments.get(row * width..).unwrap_or_default();
                    self.mask_row((seed, number, purpose), tokens, targets, segments);
                }
                learned = Some(HostTensor::I32 { shape: shape.clone(), values: targets });
            }
        }
        tensors.extend(learned.map(|targets| ("targets".to_owned(), targets)));
        Batch::new(tensors, rows)
    }

    fn mask_row(
        &self,
        (seed, number, purpose): (u64, u64, Use),
        tokens: &mut [i32],
        targets: &mut [i32],
        segments: &[i32],
    ) {
        let mut random = stream(seed, number, purpose);
        for (at, (token, target)) in tokens.iter_mut().zip(targets).enumerate() {
            let is_filling = segments.get(at) == Some(&0);
            // Drawn for every place, so that one depends on no other.
            let [chosen, how] = [unit(&mut random), unit(&mut random)];
            let other = below(&mut random, self.known);
            if is_filling || chosen >= CHOSEN || self.tokenizer.is_special(token.cast_unsigned()) {
                continue;
            }
            *target = *token;
            if how < HIDDEN {
                *token = self.mask.cast_signed();
            } else if how < HIDDEN + REPLACED {
                *token = i32::try_from(other).unwrap_or(*token);
            }
        }
    }
}

impl DataSource for Masked {
    fn info(&self) -> &DataInfo {
        &self.info
    }

    fn batch(&self, cursor: Cursor, rows: usize) -> Result<Batch, DataError> {
        let batch = self.inner.batch(cursor, rows)?;
        self.masked(batch, (cursor.seed, cursor.position, Use::Mask))
    }

    fn validation(
        &self,
        rows: usize,
        limit: Option<usize>,
    ) -> Box<dyn Iterator<Item = Result<Batch, DataError>> + Send + '_> {
        let mut done = 0;
        Box::new(self.inner.validation(rows, limit).map(move |batch| {
            let batch = batch?;
            let first = done;
            done += batch.rows as u64;
            self.masked(batch, (0, first, Use::ValidationMask))
        }))
    }

    fn check_known(&self, known: u64) -> Result<(), DataError> {
        check_known(&self.info.name, &[self.mask], &self.tokenizer, known)?;
        self.inner.check_known(known)
    }

    fn tokenizer(&self) -> Option<Arc<Tokenizer>> {
        Some(Arc::clone(&self.tokenizer))
    }

    fn learns_in_place(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentences::tests::bare;

    fn values(batch: &Batch, name: &str) -> Vec<i32> {
        match batch.get(name) {
            Some(HostTensor::I32 { values, .. }) => values.clone(),
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn a_seventh_of_the_tokens_is_to_be_found_and_most_of_these_are_hidden() {
        let plain: Arc<dyn DataSource> = bare(2000).into();
        let source = Masked::new(Arc::clone(&plain), u64::MAX).unwrap();
        let cursor = Cursor::new(3);
        let (whole, hidden) =
            (plain.batch(cursor, 1500).unwrap(), source.batch(cursor, 1500).unwrap());
        let (before, after) = (values(&whole, "tokens"), values(&hidden, "tokens"));
        let targets = values(&hidden, "targets");
        let tokenizer = source.tokenizer().unwrap();
        let (mut letters, mut counts) = (0.0, [0.0; 3]);
        for ((before, after), target) in before.iter().zip(&after).zip(&targets) {
            let is_special = tokenizer.is_special(before.cast_unsigned());
            letters += f64::from(u8::from(!is_special));
            if *target == IGNORED {
                assert_eq!(before, after);
                continue;
            }
            assert!(!is_special);
            assert_eq!(target, before);
            let kind = if after.cast_unsigned() == source.mask {
                0
            } else {
                usize::from(after == before) + 1
            };
            counts[kind] += 1.0;
        }
        let chosen: f64 = counts.iter().sum();
        assert!((chosen / letters - 0.15).abs() < 0.01, "{chosen} of {letters}");
        let shares = counts.map(|count| count / chosen);
        assert!((shares[0] - 0.8).abs() < 0.03, "{shares:?}");
        assert!((shares[1] - 0.1).abs() < 0.02 && (shares[2] - 0.1).abs() < 0.02, "{shares:?}");
    }

    #[test]
    fn no_token_becomes_one_that_the_model_does_not_know() {
        let plain: Arc<dyn DataSource> = bare(2000).into();
        let size = plain.tokenizer().unwrap().size() as u64;
        // Without the last digits and what is inside of words.
        for known in [size - 6, size, size + 9] {
            let source = Masked::new(Arc::clone(&plain), known).unwrap();
            let batch = source.batch(Cursor::new(3), 1500).unwrap();
            let (tokens, targets) = (values(&batch, "tokens"), values(&batch, "targets"));
            let mask = source.mask.cast_signed();
            let drawn = tokens
                .iter()
                .zip(&targets)
                .filter(|(now, was)| **was != IGNORED && now != was && **now != mask);
            let drawn: Vec<u64> = drawn.map(|(now, _)| u64::from(now.cast_unsigned())).collect();
            assert!(drawn.len() > 100, "{}", drawn.len());
            let largest = drawn.into_iter().max().unwrap();
            assert!(largest < known && largest + 6 > known.min(size), "{largest} of {known}");
        }
        // What the texts have is found before any of it is looked up.
        let source = Masked::new(Arc::clone(&plain), 3).unwrap();
        assert!(source.check_known(size).is_ok());
        let error = source.check_known(3).unwrap_err().to_string();
        assert!(error.contains("the token '[MASK]', number 4, and the model knows 3"), "{error}");
    }

    #[test]
    fn the_same_tokens_are_hidden_however_rows_are_cut_and_others_in_the_next_epoch() {
        let source = Masked::new(bare(40).into(), u64::MAX).unwrap();
        let at = |position, rows| source.batch(Cursor { seed: 5, position }, rows).unwrap();
        let samples = source.info().samples.unwrap();
        assert_eq!(at(27, 6).split(2), [at(27, 2), at(29, 2), at(31, 2)]);
        assert_ne!(at(0, 3), at(samples, 3));
        assert_ne!(values(&at(0, 30), "targets"), values(&at(samples, 30), "targets"));
        let all = |rows| -> Vec<Batch> {
            let batches = source.validation(rows, None).map(Result::unwrap);
            batches.flat_map(|batch| batch.split(1)).collect()
        };
        assert_eq!(all(10), all(3));
        assert_eq!(source.info().items_per_row, 12);
    }
}
