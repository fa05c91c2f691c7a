//! A checkpoint of one partition goes on under every other, with the losses of a run that never
//! stopped.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use trainyard_engine::checkpoint::SaveAs;
use trainyard_plan::{Recompute, Schedule};

use common::partitions::{fingerprint, plan, splits, splits_for, whole};
use common::{LAYERS, gpt, mlp, registered};

#[test]
fn every_partition_goes_on_where_every_other_stopped() {
    for subject in [gpt(true, true, 0.1), gpt(false, false, 0.0), mlp()] {
        let folder = tempfile::tempdir().unwrap();
        let start = |ends: &[usize], schedule: &str, recompute| {
            subject.on_cpus(&plan(ends, schedule, 2, recompute))
        };
        let mut uninterrupted = start(&[LAYERS], "gpipe", Recompute::None);
        subject.train(&mut uninterrupted, 1..=3);
        let expected = subject.train(&mut uninterrupted, 4..=6);
        let end = fingerprint(&mut uninterrupted, &folder.path().join("end"));

        for (number, writer) in splits(LAYERS).into_iter().enumerate() {
            let place = folder.path().join(format!("step-3-{number}"));
            let mut pipeline = start(&writer, "1f1b", Recompute::None);
            subject.train(&mut pipeline, 1..=3);
            pipeline
                .save(
                    &place,
                    SaveAs {
                        step: 3,
                        state: serde_json::json!({ "tokens": 96 }),
                        ..SaveAs::default()
                    },
                )
                .unwrap();
            // Every reader for one writer, and some for the others.
            let readers = splits(LAYERS).into_iter().enumerate();
            for (_, reader) in readers.filter(|(r, _)| number == 5 || (r + number) % 4 == 0) {
                let runs =
                    |schedule: &&str| splits_for(schedule, LAYERS).any(|ends| ends == reader);
                for schedule in Schedule::names().filter(runs) {
                    let recompute = [Recompute::None, Recompute::Full][number % 2];
                    let mut resumed = start(&reader, schedule, recompute);
                    // It has been used before: nothing of that may stay.
                    subject.train(&mut resumed, 1..=1);
                    let manifest = resumed.load(&place).unwrap();
                    assert_eq!((manifest.step, &manifest.state["tokens"]), (3, &96.into()));
                    let text = format!("{writer:?} to {reader:?} {schedule}");
                    assert_eq!(subject.train(&mut resumed, 4..=6), expected, "{text}");
                    let found = fingerprint(&mut resumed, &folder.path().join("found"));
                    assert_eq!(found, end, "{text}");
                }
            }
        }
    }
}

#[test]
fn every_registered_model_goes_on_under_another_partition() {
    for registered in registered() {
        let (name, subject) = (registered.name.clone(), registered.subject());
        let layers = subject.layers();
        let folder = tempfile::tempdir().unwrap();
        let (place, end) = (folder.path().join("step-2"), folder.path().join("end"));
        let mut one = subject.on_cpus(&whole(layers, 2));
        subject.train(&mut one, 1..=2);
        one.save(&place, SaveAs { step: 2, ..SaveAs::default() }).unwrap();
        let expected = (subject.train(&mut one, 3..=4), fingerprint(&mut one, &end));
        for schedule in Schedule::names() {
            let Some(ends) = splits_for(schedule, layers).max_by_key(Vec::len) else { continue };
            let mut other = subject.on_cpus(&plan(&ends, schedule, 2, Recompute::None));
            other.load(&place).unwrap();
            let found = (subject.train(&mut other, 3..=4), fingerprint(&mut other, &end));
            assert_eq!(found, expected, "{name}, {schedule} {ends:?}");
        }
    }
}

#[test]
fn a_checkpoint_of_step_0_starts_anew() {
    let subject = gpt(true, false, 0.0);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("step-0");
    let start = || subject.on_cpus(&plan(&[2, LAYERS], "1f1b", 2, Recompute::None));
    let mut fresh = start();
    fresh.save(&place, SaveAs { step: 0, ..SaveAs::default() }).unwrap();
    let mut used = start();
    subject.train(&mut used, 1..=3);
    used.load(&place).unwrap();
    assert_eq!(subject.train(&mut used, 1..=3), subject.train(&mut fresh, 1..=3));
}
