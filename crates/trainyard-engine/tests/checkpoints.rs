//! Checkpoints that cannot be written or read: an error that names the place, and training goes on.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod toy;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use trainyard_engine::checkpoint::{SaveAs, check_whole, older_ones, read_manifest, recover};
use trainyard_engine::optimizer::{
    Adafactor, GroupEntry, GroupFactors, Sgd, StateSpec, Update, Updated,
};
use trainyard_engine::{
    AdamW, EngineError, GroupedOptimizer, MeanSquaredError, Optimizer, Options, Pipeline,
    WeightSpec,
};
use trainyard_plan::Recompute;

use toy::{Toy, fingerprint, losses, pipeline, plan};

fn two_stages(model: Toy) -> Pipeline {
    let layers = model.names.len();
    pipeline(model, &plan(layers, 2, "1f1b", 2, Recompute::None))
}

fn two_stages_with(optimizer: GroupedOptimizer) -> Pipeline {
    let (model, plan) = (Toy::sound(2), plan(2, 2, "1f1b", 2, Recompute::None));
    let devices = toy::cpus(2, 1 << 20);
    let profile = toy::profile(&model, &devices, plan.micro_batches);
    let options = Options { optimizer, ..toy::options() };
    let objective = Arc::new(MeanSquaredError);
    Pipeline::distribute(Arc::new(model), objective, &profile, &plan, devices, options).unwrap()
}

fn save(pipeline: &mut Pipeline, folder: &Path) -> Result<(), EngineError> {
    pipeline.save(
        folder,
        SaveAs { step: 2, state: serde_json::json!({ "tokens": 12 }), ..SaveAs::default() },
    )
}

/// What the folder of a run holds.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every later step is as if the failed save or load had not been.
fn goes_on_after(disturb: impl Fn(&mut Pipeline, &Path), model: &Toy) {
    let folder = tempfile::tempdir().unwrap();
    let mut disturbed = two_stages(model.clone());
    let mut undisturbed = two_stages(model.clone());
    losses(&mut disturbed, 1..=2);
    losses(&mut undisturbed, 1..=2);
    disturb(&mut disturbed, folder.path());
    assert_eq!(losses(&mut disturbed, 3..=5), losses(&mut undisturbed, 3..=5));
}

#[test]
fn a_checkpoint_appears_whole_and_replaces_an_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("checkpoints").join("step-2");
    let mut pipeline = two_stages(Toy::sound(3));
    losses(&mut pipeline, 1..=2);
    save(&mut pipeline, &place).unwrap();
    let first = read_manifest(&place).unwrap();
    assert_eq!((first.step, first.model.as_str()), (2, "toy"));
    assert_eq!(first.state, serde_json::json!({ "tokens": 12 }));
    let layers: Vec<(usize, &str)> =
        first.layers.iter().map(|layer| (layer.index, layer.name.as_str())).collect();
    assert_eq!(layers, [(0, "linear0"), (1, "linear1"), (2, "linear2")]);
    losses(&mut pipeline, 3..=3);
    save(&mut pipeline, &place).unwrap();
    assert_ne!(read_manifest(&place).unwrap().layers, first.layers);
    assert_eq!(names(place.parent().unwrap()), ["step-2"], "nothing else is left");
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_and_training_goes_on() {
    let in_the_way = |pipeline: &mut Pipeline, folder: &Path| {
        let file = folder.join("checkpoints");
        fs::write(&file, "a file where the folder should be").unwrap();
        match save(pipeline, &file.join("step-2")) {
            Err(EngineError::Io { path, .. }) => assert!(path.starts_with(&file)),
            other => panic!("{other:?}"),
        }
    };
    goes_on_after(in_the_way, &Toy::sound(2));
}

#[test]
fn a_layer_that_cannot_be_written_is_an_error_and_training_goes_on() {
    // No file system takes so long a name, so this worker's write fails as on a full disk.
    let mut model = Toy::sound(2);
    model.names[1] = "x".repeat(5_000);
    let unwritable = |pipeline: &mut Pipeline, folder: &Path| {
        let place = folder.join("step-2");
        match save(pipeline, &place) {
            Err(EngineError::Io { path, .. }) => assert!(path.starts_with(folder)),
            other => panic!("{other:?}"),
        }
        assert!(names(folder).is_empty(), "half a checkpoint is left: {:?}", names(folder));
    };
    goes_on_after(unwritable, &model);
}

/// Damages a good checkpoint, and expects the words when it is loaded.
fn refused(model: &Toy, damage: impl Fn(&Path), says: &str) {
    let load = |pipeline: &mut Pipeline, folder: &Path| {
        let place = folder.join("step-2");
        let mut other = two_stages(Toy::sound(3));
        losses(&mut other, 11..=14);
        save(&mut other, &place).unwrap();
        damage(&place);
        let before = fingerprint(pipeline, &folder.join("before"));
        match pipeline.load(&place) {
            Err(error @ EngineError::Checkpoint { .. }) => {
                let text = error.to_string();
                assert!(text.contains(says), "{text}");
                assert!(text.contains(place.to_str().unwrap()), "{text}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(before, fingerprint(pipeline, &folder.join("after")), "weights have changed");
    };
    goes_on_after(load, model);
}

/// Every file of a checkpoint, one damaged in each way that `damage` counts through.
fn noticed(damage: impl Fn(&[u8], usize) -> Option<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("step-2");
    let mut pipeline = two_stages(Toy::sound(2));
    losses(&mut pipeline, 1..=2);
    save(&mut pipeline, &place).unwrap();
    check_whole(&place).unwrap();
    let mut tried = 0;
    for name in names(&place) {
        let file = place.join(&name);
        let whole = fs::read(&file).unwrap();
        for way in 0.. {
            let Some(damaged) = damage(&whole, way) else { break };
            fs::write(&file, damaged).unwrap();
            assert!(check_whole(&place).is_err(), "{name}: way {way}");
            tried += 1;
        }
        fs::write(&file, whole).unwrap();
        check_whole(&place).unwrap();
    }
    assert!(tried > 1000, "{tried}");
}

#[test]
fn every_flipped_bit_is_noticed() {
    noticed(|whole, bit| {
        let mut bytes = whole.to_owned();
        *bytes.get_mut(bit / 8)? ^= 1 << (bit % 8);
        Some(bytes)
    });
}

#[test]
fn every_cut_is_noticed() {
    noticed(|whole, length| (length < whole.len()).then(|| whole[..length].to_owned()));
}

#[test]
fn weights_that_are_not_finite_are_neither_saved_nor_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("step-2");
    let mut pipeline = two_stages(Toy::sound(2));
    pipeline.step(1, f64::INFINITY, toy::micro_batches(1, 2)).unwrap();
    match save(&mut pipeline, &place) {
        Err(EngineError::NotFiniteWeights { step: 1, tensor, .. }) => {
            assert!(tensor.starts_with("weight/"));
        }
        other => panic!("{other:?}"),
    }
    assert!(names(folder.path()).is_empty(), "something is left");
}

/// Whoever looks: `AdamW` in its own pass, the engine behind an optimizer that does not.
#[test]
fn weights_that_are_not_finite_are_noticed_by_the_next_step_which_changes_nothing() {
    let optimizers: [GroupedOptimizer; 3] =
        [AdamW::default().into(), Sgd::default().into(), Adafactor::default().into()];
    for optimizer in optimizers {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("step-1");
        let name = optimizer.optimizer.name();
        let mut pipeline = two_stages_with(optimizer);
        pipeline.step(1, 0.01, toy::micro_batches(1, 2)).unwrap();
        save(&mut pipeline, &place).unwrap();
        let expected = losses(&mut pipeline, 2..=3);
        // An update that is past use; that of the step after it is not made any more.
        pipeline.step(4, f64::INFINITY, toy::micro_batches(4, 2)).unwrap();
        for _ in 0..2 {
            match pipeline.step(5, 0.01, toy::micro_batches(5, 2)) {
                Err(error @ EngineError::NotFiniteWeights { .. }) => {
                    let text = error.to_string();
                    assert!(text.starts_with("after step 4 'weight/"), "{name}: {text}");
                    assert!(text.contains("of layer 'linear0'"), "{name}: {text}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(save(&mut pipeline, &folder.path().join("dead")).is_err(), "{name}");
        assert_eq!(names(folder.path()), ["step-1"], "{name}");
        // The pipeline is sound; its weights come back with a checkpoint.
        pipeline.load(&place).unwrap();
        assert_eq!(losses(&mut pipeline, 2..=3), expected, "{name}");
    }
}

/// Makes all weights as large as numbers almost go.
#[derive(Debug)]
struct Huge;

impl Optimizer for Huge {
    fn name(&self) -> &'static str {
        "huge"
    }
    fn check(&self) -> Result<(), EngineError> {
        Ok(())
    }
    fn weight_decay(&self) -> f64 {
        0.0
    }
    fn state(&self, _: &WeightSpec, _: &GroupFactors) -> Vec<StateSpec> {
        Vec::new()
    }
    fn update_weight(&self, entry: GroupEntry<'_>, _: &Update) -> Result<Updated, EngineError> {
        Ok(entry.values.zeros_like().add_scalar(1e38).into())
    }
}

#[test]
fn finite_weights_whose_sum_is_not_are_saved() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("step-1");
    let mut pipeline = two_stages_with(Huge.into());
    pipeline.step(1, 0.01, toy::micro_batches(1, 2)).unwrap();
    save(&mut pipeline, &place).unwrap();
    check_whole(&place).unwrap();
}

#[test]
fn a_checkpoint_that_a_crash_left_half_replaced_is_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("step-2");
    let older = folder.path().join("step-2.old");
    let mut pipeline = two_stages(Toy::sound(2));
    losses(&mut pipeline, 1..=2);
    save(&mut pipeline, &place).unwrap();
    // Its successor had not come yet …
    fs::rename(&place, &older).unwrap();
    assert_eq!(older_ones(folder.path()).unwrap(), std::slice::from_ref(&older));
    recover(folder.path()).unwrap();
    assert_eq!(names(folder.path()), ["step-2"]);
    // … and had.
    fs::create_dir(&older).unwrap();
    recover(folder.path()).unwrap();
    assert_eq!(names(folder.path()), ["step-2"]);
    check_whole(&place).unwrap();
}

fn file_of(place: &Path, layer: usize) -> std::path::PathBuf {
    place.join(&read_manifest(place).unwrap().layers[layer].file)
}

#[test]
fn a_truncated_layer_is_refused() {
    for layer in [0, 2] {
        let cut = |place: &Path| {
            let file = file_of(place, layer);
            let bytes = fs::read(&file).unwrap();
            fs::write(&file, &bytes[..bytes.len() - 5]).unwrap();
        };
        refused(&Toy::sound(3), cut, "damaged or cut short");
    }
}

#[test]
fn a_flipped_bit_is_refused() {
    let flip = |place: &Path| {
        let file = file_of(place, 1);
        let mut bytes = fs::read(&file).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&file, bytes).unwrap();
    };
    refused(&Toy::sound(3), flip, "damaged");
}

#[test]
fn a_missing_layer_is_refused() {
    refused(&Toy::sound(3), |place| fs::remove_file(file_of(place, 2)).unwrap(), "cannot be read");
}

#[test]
fn half_a_checkpoint_is_refused() {
    let manifest = |place: &Path| place.join("manifest.json");
    refused(&Toy::sound(3), |place| fs::remove_file(manifest(place)).unwrap(), "not a whole");
    let cut = |place: &Path| {
        let text = fs::read_to_string(manifest(place)).unwrap();
        fs::write(manifest(place), &text[..text.len() / 2]).unwrap();
    };
    refused(&Toy::sound(3), cut, "damaged");
    let unprotected = |place: &Path| fs::remove_file(place.join("manifest.blake3")).unwrap();
    refused(&Toy::sound(3), unprotected, "not a whole");
    let newer = |place: &Path| change_manifest(place, "\"version\": 2", "\"version\": 3");
    refused(&Toy::sound(3), newer, "version 3");
    let swapped = |place: &Path| change_manifest(place, "\"index\": 1", "\"index\": 2");
    refused(&Toy::sound(3), swapped, "says that it is number 2");
}

/// Changes a manifest, and its hash with it.
fn change_manifest(place: &Path, from: &str, to: &str) {
    let path = place.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap().replacen(from, to, 1);
    fs::write(&path, &text).unwrap();
    let hash = blake3::hash(text.as_bytes()).to_hex();
    fs::write(place.join("manifest.blake3"), format!("{hash}  manifest.json\n")).unwrap();
}

#[test]
fn a_checkpoint_of_the_first_version_can_still_be_loaded() {
    let first = |pipeline: &mut Pipeline, folder: &Path| {
        let place = folder.join("step-2");
        save(pipeline, &place).unwrap();
        change_manifest(&place, "\"version\": 2", "\"version\": 1");
        fs::remove_file(place.join("manifest.blake3")).unwrap();
        pipeline.load(&place).unwrap();
    };
    goes_on_after(first, &Toy::sound(2));
}

#[test]
fn a_file_outside_the_folder_is_not_read() {
    let elsewhere = |place: &Path| {
        let name = read_manifest(place).unwrap().layers[0].file.clone();
        fs::copy(place.join(&name), place.parent().unwrap().join(&name)).unwrap();
        fs::remove_file(place.join(&name)).unwrap();
        change_manifest(place, &name, &format!("../{name}"));
    };
    refused(&Toy::sound(3), elsewhere, "cannot be read");
}

#[test]
fn a_checkpoint_of_another_model_is_refused() {
    refused(&Toy::sound(4), |_| (), "another model");
    // The same names, other sizes; this pipeline cannot train on the test's data, so only load it.
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("step-0");
    save(&mut two_stages(Toy::sound(2)), &place).unwrap();
    let error = two_stages(Toy { width: 5, ..Toy::sound(2) }).load(&place).unwrap_err();
    assert!(matches!(error, EngineError::Checkpoint { .. }), "{error:?}");
    assert!(
        error.to_string().contains("[6, 6]") && error.to_string().contains("[5, 5]"),
        "{error}"
    );
}
