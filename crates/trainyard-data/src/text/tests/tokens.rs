//! Texts whose tokens are those of a tokenizer.

use super::*;
use crate::HostTensor;
use crate::source::IGNORED;
use crate::tokens::tests::{byte_tokenizer, piece_tokenizer};

fn values<'a>(batch: &'a Batch, name: &str) -> &'a [i32] {
    match batch.get(name) {
        Some(HostTensor::I32 { values, .. }) => values,
        other => panic!("{name}: {other:?}"),
    }
}

fn source(
    text: &str,
    tokenizer: &Path,
    context: usize,
    fraction: f64,
) -> Result<TokenSource, DataError> {
    let (_folder, path) = in_file(text.as_bytes());
    let options = TextOptions { text: vec![path], context, ..TextOptions::default() };
    TokenSource::open(&options, tokenizer_at(tokenizer).unwrap(), fraction)
}

#[test]
fn evaluation_predicts_each_token_of_a_window_but_its_first() {
    let folder = tempfile::tempdir().unwrap();
    // One token a letter; <s> and a space before them make 14.
    let tokenizer = piece_tokenizer(folder.path());
    for (context, rows, predicted) in [(5, 3, 4 + 4 + 3), (14, 1, 13), (20, 1, 13), (13, 1, 12)] {
        let all = source("bcdfgjklmopq", &tokenizer, context, 1.0).unwrap();
        assert_eq!(all.info().validation_samples, Some(rows), "{context}");
        let batches: Vec<Batch> = all.validation(2, None).map(Result::unwrap).collect();
        let tokens: Vec<i32> =
            batches.iter().flat_map(|it| values(it, "tokens")).copied().collect();
        let targets: Vec<i32> =
            batches.iter().flat_map(|it| values(it, "targets")).copied().collect();
        assert_eq!(targets.iter().filter(|target| **target != IGNORED).count(), predicted);
        assert_eq!(tokens[0], 1, "a text begins as the tokenizer says");
        for (row, (tokens, targets)) in
            tokens.chunks(context).zip(targets.chunks(context)).enumerate()
        {
            assert_eq!(targets[context - 1], IGNORED);
            for at in 0..context - 1 {
                assert!([IGNORED, tokens[at + 1]].contains(&targets[at]), "{row} {at}");
            }
        }
    }
    let error = source("", &tokenizer, 4, 1.0).unwrap_err().to_string();
    assert!(error.contains("is empty"), "{error}");
}

#[test]
fn training_goes_on_over_the_borders_of_windows() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = byte_tokenizer(folder.path());
    let text = yard_text(3, 4000);
    let set = source(&text, &tokenizer, 16, 0.1).unwrap();
    let info = set.info();
    assert_eq!((info.token_count, info.vocabulary.len(), info.items_per_row), (266, 0, 16));
    let batch = set.batch(Cursor::new(7), 5).unwrap();
    let (tokens, targets) = (values(&batch, "tokens"), values(&batch, "targets"));
    assert!(!targets.contains(&IGNORED));
    for row in 0..5 {
        assert_eq!(tokens[row * 16 + 1..row * 16 + 16], targets[row * 16..row * 16 + 15]);
    }
    let row: Vec<u32> = tokens[..16].iter().map(|token| token.cast_unsigned()).collect();
    assert!(text.contains(&set.tokenizer().unwrap().decode(&row, false)));
    let error = source("the the", &tokenizer, 16, 0.5).unwrap_err().to_string();
    assert!(error.contains("tokens, 1 of them for training, but a context of 16 needs"), "{error}");
}

#[test]
fn a_tokenizer_has_a_vocabulary_of_its_own() {
    let options = json!({ "builtin": "yard", "tokenizer": "x", "vocabulary": "ab" });
    let error = crate::open(&crate::kind::section("text", &options)).err().unwrap().to_string();
    assert!(error.contains("data.vocabulary") && error.contains("data.tokenizer"), "{error}");
}
