//! What holds for every source of the registry, on the data set that each makes for it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use trainyard_config::RunConfig;

use super::*;
use crate::kind::section;
use crate::{Batch, Cursor, DataState, Prefetch, Unit};

/// A source of the registry, opened, with the folder that its data are in.
struct Sample {
    kind: &'static Source,
    section: DataSection,
    source: Arc<dyn DataSource>,
    _folder: tempfile::TempDir,
}

fn samples() -> Vec<Sample> {
    let open = |kind: &'static Source| {
        let folder = tempfile::tempdir().unwrap();
        let section = section(kind.group.kind, &(kind.sample)(folder.path()));
        let source = (kind.open)(&section).unwrap().into();
        Sample { kind, section, source, _folder: folder }
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
        assert_eq!(info.fingerprint.len(), 64, "{}", kind.group.kind);
        assert!(!info.name.is_empty() && !(kind.group.doc)().is_empty());
        let validation = source.validation(3, Some(1)).next().unwrap().unwrap();
        for batch in [batch(&*source, 1, 0, 5), validation] {
            assert_eq!(batch.tensors.len(), info.tensors.len());
            for ((name, tensor), about) in batch.tensors.iter().zip(&info.tensors) {
                assert_eq!(*name, about.name, "{}", kind.group.kind);
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
    for Sample { kind, section, source, .. } in samples() {
        let again = (kind.open)(&section).unwrap();
        assert_eq!(source.info(), again.info());
        let samples = source.info().samples.unwrap_or(40);
        for position in [0, 3, samples - 2, samples, 5 * samples - 1] {
            let whole = batch(&*source, 7, position, 9);
            assert_eq!(whole.rows, 9);
            assert_eq!(whole, batch(&*again, 7, position, 9), "{}", kind.group.kind);
            // In two pieces, over the end of an epoch too.
            let [first, second] = [(0, 4), (4, 5)]
                .map(|(skip, rows)| keys(&batch(&*source, 7, position + skip, rows)));
            assert_eq!(keys(&whole), [first, second].concat(), "{}", kind.group.kind);
        }
        assert_ne!(batch(&*source, 7, 0, 9), batch(&*source, 8, 0, 9), "{}", kind.group.kind);
        assert_ne!(batch(&*source, 7, 0, 9), batch(&*source, 7, samples, 9), "{}", kind.group.kind);
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
        assert_eq!(distinct.len(), validated.len(), "{}", kind.group.kind);
        assert!(info.validation_samples.is_none_or(|n| n == validated.len() as u64));
        assert!(validation.iter().rev().skip(1).all(|batch| batch.rows == 4));
        assert_eq!(source.validation(4, Some(1)).count(), 1);
        assert_eq!(source.validation(4, Some(0)).count(), 0);
        for seed in 0..5 {
            let trained = keys(&batch(&*source, seed, 0, 3 * info.samples.unwrap_or(100) as usize));
            assert!(trained.iter().all(|key| !distinct.contains(key)), "{}", kind.group.kind);
        }
    }
}

#[test]
fn one_part_may_have_it_all() {
    for Sample { kind, mut section, source, .. } in samples() {
        let info = source.info();
        let Some((training, validation)) = info.samples.zip(info.validation_samples) else {
            continue;
        };
        section.validation_fraction = 0.0;
        let all = (kind.open)(&section).unwrap();
        assert!(all.info().samples >= Some(training + validation), "{}", kind.group.kind);
        assert_eq!(all.validation(2, None).count(), 0);
        assert_ne!(all.info().fingerprint, info.fingerprint);
        section.validation_fraction = 1.0;
        let all = (kind.open)(&section).unwrap();
        assert!(all.info().validation_samples >= Some(training + validation));
        let error = all.batch(Cursor::new(0), 1).unwrap_err().to_string();
        assert!(
            error.ends_with("has no training samples; use a validation_fraction below 1"),
            "{error}"
        );
        section.validation_fraction = 0.5;
        let halves = (kind.open)(&section).unwrap();
        assert!(halves.batch(Cursor::new(0), 1).is_ok());
    }
}

#[test]
fn a_thread_changes_nothing() {
    for Sample { kind, source, .. } in samples() {
        let mut batches = Prefetch::new(Arc::clone(&source)).unwrap();
        for (position, rows) in [(0, 3), (3, 3), (6, 3), (0, 3), (3, 5), (8, 5)] {
            let cursor = Cursor { seed: 2, position };
            let made = batches.batch(cursor, rows).unwrap();
            assert_eq!(made, source.batch(cursor, rows).unwrap(), "{}", kind.group.kind);
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

/// `[data]` as a run file gives it.
fn read(data: &str) -> Result<DataSection, String> {
    let text = format!("[model]\nkind = \"x\"\n[data]\n{data}");
    let groups: Vec<KeyGroup> = key_groups().collect();
    let read = RunConfig::from_text(&text, Path::new("/run.toml"), &[], &groups);
    read.map(|(config, _)| config.data).map_err(|error| error.to_string())
}

#[test]
fn run_files_name_sources_and_their_options() {
    for Sample { kind, section, source, .. } in samples() {
        let name = kind.group.kind;
        assert_eq!(SOURCES.iter().filter(|other| other.group.kind == name).count(), 1);
        let options = section.options.to_string();
        let fraction = section.validation_fraction;
        let says = read(&format!("kind = \"{name}\"\nvalidation_fraction = {fraction}\n{options}"));
        assert_eq!(open(&says.unwrap()).unwrap().info(), source.info(), "{name}");
        // Without the kind, too.
        assert_eq!(read(&options).unwrap().kind.as_deref(), Some(name));
        for builtin in kind.group.builtins {
            let says = read(&format!("builtin = \"{builtin}\"")).unwrap();
            assert_eq!(says.kind.as_deref(), Some(name));
            open(&says).unwrap();
        }
        let misspelt = read(&format!("kind = \"{name}\"\nvalidaton_fraction = 0.5")).unwrap_err();
        assert!(misspelt.ends_with("did you mean 'validation_fraction'?"), "{misspelt}");
        if let Some(key) = kind.group.named_by {
            let wrong = read(&format!("{key} = 5.5")).unwrap_err();
            assert!(
                wrong.contains(&format!("/run.toml:4:{}: data.{key} is", key.len() + 4)),
                "{wrong}"
            );
        }
    }
}

#[test]
fn data_that_are_not_named_are_refused() {
    let names: Vec<&str> = key_groups().map(|group| group.kind).collect();
    let known = format!("the data sources are: {}", names.join(", "));
    let of = |kind: &str| open(&section(kind, &json!({}))).err().unwrap().to_string();
    assert_eq!(of("texts"), format!("there is no data source 'texts'; {known}"));
    let none = DataSection { kind: None, ..section("text", &json!({})) };
    let none = open(&none).err().unwrap().to_string();
    assert!(none.starts_with("no data are named: say which in [data]"), "{none}");
    let typed = open(&section("rows", &json!({ "inputs": "many" }))).err().unwrap().to_string();
    assert!(typed.contains("the options of the data cannot be read"), "{typed}");
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
                prop_assert_eq!(distinct.len(), epoch.len(), "{}", kind.group.kind);
            }
        }
    }
}
