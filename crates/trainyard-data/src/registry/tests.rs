//! What holds for every source of the registry, on the data set that each makes for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Batch, Cursor, DataState, Prefetch, Unit};

/// A source of the registry, opened, with the folder that its data are in.
struct Sample {
    kind: &'static Source,
    options: Value,
    source: Arc<dyn DataSource>,
    _folder: tempfile::TempDir,
}

fn samples() -> Vec<Sample> {
    let open = |kind: &'static Source| {
        let folder = tempfile::tempdir().unwrap();
        let options = (kind.sample)(folder.path());
        let source = (kind.open)(options.clone()).unwrap().into();
        Sample { kind, options, source, _folder: folder }
    };
    SOURCES.iter().map(open).collect()
}

fn keys(batch: &Batch) -> Vec<String> {
    batch.split(1).iter().map(|row| format!("{:?}", row.tensors)).collect()
}

fn batch(source: &dyn DataSource, seed: u64, position: u64, rows: usize) -> Batch {
    source.batch(Cursor { seed, position }, rows).unwrap()
}

#[test]
fn batches_are_as_described() {
    for Sample { kind, source, .. } in samples() {
        let info = source.info();
        assert_eq!(info.fingerprint.len(), 64, "{}", kind.name);
        assert!(!info.name.is_empty() && !kind.doc.is_empty());
        let validation = source.validation(3, Some(1)).next().unwrap().unwrap();
        for batch in [batch(&*source, 1, 0, 5), validation] {
            assert_eq!(batch.tensors.len(), info.tensors.len());
            for ((name, tensor), about) in batch.tensors.iter().zip(&info.tensors) {
                assert_eq!(*name, about.name, "{}", kind.name);
                assert_eq!(tensor.dtype(), about.dtype);
                assert_eq!(tensor.shape()[0], batch.rows);
                assert_eq!(tensor.shape()[1..], about.row_shape[..]);
            }
        }
        let tokens = info.tensors[0].row_shape.first().copied().unwrap_or(1) as u64;
        let items = if info.unit == Unit::Tokens { tokens } else { 1 };
        assert_eq!(info.items_per_row, items);
        assert!(batch(&*source, 1, 0, 0).tensors.iter().all(|(_, it)| it.shape()[0] == 0));
    }
}

#[test]
fn batches_follow_from_cursor_and_rows() {
    for Sample { kind, options, source, .. } in samples() {
        let again = (kind.open)(options).unwrap();
        assert_eq!(source.info(), again.info());
        let samples = source.info().samples.unwrap_or(40);
        for position in [0, 3, samples - 2, samples, 5 * samples - 1] {
            let whole = batch(&*source, 7, position, 9);
            assert_eq!(whole.rows, 9);
            assert_eq!(whole, batch(&*again, 7, position, 9), "{}", kind.name);
            // In two pieces, over the end of an epoch too.
            let [first, second] = [(0, 4), (4, 5)]
                .map(|(skip, rows)| keys(&batch(&*source, 7, position + skip, rows)));
            assert_eq!(keys(&whole), [first, second].concat(), "{}", kind.name);
        }
        assert_ne!(batch(&*source, 7, 0, 9), batch(&*source, 8, 0, 9), "{}", kind.name);
        assert_ne!(batch(&*source, 7, 0, 9), batch(&*source, 7, samples, 9), "{}", kind.name);
        let state = DataState::new(source.info(), Cursor { seed: 7, position: 3 });
        let state: DataState =
            serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        assert_eq!(state.resume(again.info()).unwrap().position, 3);
        let mut other = again.info().clone();
        other.fingerprint.replace_range(..1, "x");
        let error = state.resume(&other).unwrap_err().to_string();
        assert!(error.contains("not the data this training started with"), "{error}");
    }
}

#[test]
fn no_validation_sample_is_trained_with() {
    for Sample { kind, source, .. } in samples() {
        let info = source.info();
        let validation: Vec<Batch> = source.validation(4, None).map(Result::unwrap).collect();
        let validated: Vec<String> = validation.iter().flat_map(keys).collect();
        let distinct: BTreeSet<_> = validated.iter().collect();
        assert_eq!(distinct.len(), validated.len(), "{}", kind.name);
        assert!(info.validation_samples.is_none_or(|n| n == validated.len() as u64));
        assert!(validation.iter().rev().skip(1).all(|batch| batch.rows == 4));
        assert_eq!(source.validation(4, Some(1)).count(), 1);
        assert_eq!(source.validation(4, Some(0)).count(), 0);
        for seed in 0..5 {
            let trained = keys(&batch(&*source, seed, 0, 3 * info.samples.unwrap_or(100) as usize));
            assert!(trained.iter().all(|key| !distinct.contains(key)), "{}", kind.name);
        }
    }
}

#[test]
fn one_part_may_have_it_all() {
    for Sample { kind, mut options, source, .. } in samples() {
        let info = source.info();
        let Some((training, validation)) = info.samples.zip(info.validation_samples) else {
            continue;
        };
        options["validation_fraction"] = json!(0.0);
        let all = (kind.open)(options.clone()).unwrap();
        assert!(all.info().samples >= Some(training + validation), "{}", kind.name);
        assert_eq!(all.validation(2, None).count(), 0);
        assert_ne!(all.info().fingerprint, info.fingerprint);
        options["validation_fraction"] = json!(1.0);
        let all = (kind.open)(options).unwrap();
        assert!(all.info().validation_samples >= Some(training + validation));
        let error = all.batch(Cursor::new(0), 1).unwrap_err().to_string();
        assert!(error.contains("has no training samples"), "{error}");
    }
}

#[test]
fn a_thread_changes_nothing() {
    for Sample { kind, source, .. } in samples() {
        let mut batches = Prefetch::new(Arc::clone(&source)).unwrap();
        for (position, rows) in [(0, 3), (3, 3), (6, 3), (0, 3), (3, 5), (8, 5)] {
            let cursor = Cursor { seed: 2, position };
            let made = batches.batch(cursor, rows).unwrap();
            assert_eq!(made, source.batch(cursor, rows).unwrap(), "{}", kind.name);
        }
    }
}

#[test]
fn no_cursor_panics() {
    for Sample { source, .. } in samples() {
        for position in [u64::MAX, u64::MAX - 3, u64::MAX / 2] {
            for seed in [0, u64::MAX] {
                // Out of range or a batch, as the source likes.
                let _either = source.batch(Cursor { seed, position }, 4);
            }
        }
        assert!(source.batch(Cursor { seed: 0, position: u64::MAX }, 1).is_err());
    }
}

#[test]
fn unknown_options_are_refused() {
    for Sample { kind, mut options, .. } in samples() {
        options["validaton_fraction"] = json!(0.5);
        let error = (kind.open)(options).err().unwrap().to_string();
        assert!(error.contains(kind.name) && error.contains("validaton_fraction"), "{error}");
        assert!((kind.open)(json!({ kind.name: 5.5 })).is_err());
        assert!((kind.open)(json!([])).is_err());
    }
}

#[test]
fn sources_are_found_by_their_options() {
    let name = |options: Value| source_for(&options).map(|source| source.name);
    for source in SOURCES {
        assert_eq!(name(json!({ "kind": source.name })).unwrap(), source.name);
        assert_eq!(name(json!({ source.name: "x" })).unwrap(), source.name);
        for builtin in source.builtins {
            assert_eq!(name(json!({ "builtin": builtin })).unwrap(), source.name);
            assert!(open(json!({ "builtin": builtin })).is_ok());
        }
        let same = SOURCES.iter().filter(|other| other.name == source.name).count();
        assert_eq!(same, 1);
    }
    assert!(open(json!({ "kind": "rows", "builtin": "waves", "inputs": 3 })).is_ok());
    let error = |options| name(options).unwrap_err().to_string();
    let known = "the data sources are: text, table, idx, images, tensors, rows";
    assert_eq!(
        error(json!({ "kind": "texts" })),
        format!("there is no data source 'texts'; {known}")
    );
    assert!(error(json!({ "builtin": "yrad" })).contains("(there are: yard, spiral, waves)"));
    assert!(error(json!({})).contains("no data are named"));
    assert!(open(json!(5)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_sample_once_an_epoch(rows in 1..40_usize, seed: u64) {
        for Sample { kind, source, .. } in samples() {
            let Some(samples) = source.info().samples else { continue };
            let (mut cursor, mut handed) = (Cursor::new(seed), Vec::new());
            while cursor.position < 3 * samples {
                handed.extend(keys(&source.batch(cursor, rows).unwrap()));
                cursor = cursor.advanced(rows);
            }
            for epoch in handed.chunks(samples as usize) {
                let distinct: BTreeSet<&String> = epoch.iter().collect();
                prop_assert_eq!(distinct.len(), epoch.len(), "{}", kind.name);
            }
        }
    }
}
