//! Checkpoints that cannot be gone on from as asked, and the way out that is said.

use std::path::Path;

use serde_json::{Value, json};
use trainyard_tests::{
    Place, assert_says, copy_dir, read, run_fails, run_ok, train, trainyard, write,
};

use crate::{between, finished, paste, resume, said};

const MORE: &str = "train.steps=6";

fn remove(path: &Path) {
    let removed =
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn one_that_is_there_is_named_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let stderr = run_fails(&mut resume(&run, &["--checkpoint", "3"], &[MORE]), 2);
    let step = between(&stderr, "after the steps ", ",").to_owned();
    run_ok(&mut resume(&run, &["--checkpoint", &step], &[MORE]));
    let stderr = run_fails(&mut resume(&run, &["--checkpoint", "newest"], &[]), 2);
    let choices = between(&stderr, "give ", ", or the step").to_owned();
    for choice in choices.split(", ") {
        run_ok(trainyard().arg("evaluate").arg(&run).args(["--checkpoint", choice]));
    }
    // None was validated.
    let other = train(&place.file, "other", &["train.steps=4", "train.checkpoint_every=3"]);
    remove(&other.join("checkpoints/step-000004"));
    let stderr =
        run_fails(trainyard().arg("evaluate").arg(&other).args(["--checkpoint", "best"]), 2);
    let step = between(&stderr, "that after step ", "\n").to_owned();
    run_ok(trainyard().arg("evaluate").arg(&other).args(["--checkpoint", &step]));
}

#[test]
fn where_none_is_whole_a_new_run_is_started_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    write(&run.join("checkpoints/step-000002/manifest.json"), "{}");
    write(&run.join("checkpoints/step-000004/manifest.json"), "{}");
    let stderr = run_fails(&mut resume(&run, &[], &[MORE]), 2);
    assert_says(&stderr, &["there is no whole one before it: start a new run"]);
    let set = between(&stderr, "in another directory with --set ", "\n");
    let set = set.replace("...", &place.path("new").display().to_string());
    run_ok(trainyard().arg("train").arg(&place.file).args(["--set", &set]));
    // `latest` leads nowhere, and nothing else is whole.
    remove(&run.join("checkpoints/step-000004"));
    let stderr = run_fails(trainyard().arg("generate").arg(&run), 2);
    assert_says(&stderr, &["write the name of an existing checkpoint into it, such as"]);
    let new = place.path("new");
    let copied = run.join("checkpoints/step-000002");
    remove(&run);
    copy_dir(&new, &run);
    copy_dir(&new.join("checkpoints/step-000004"), &copied);
    // A checkpoint under another's name is refused, and the right one taken.
    write(&run.join("latest"), "checkpoints/step-000002\n");
    assert_says(&run_fails(trainyard().arg("generate").arg(&run), 2), &["it was copied here"]);
    write(&run.join("latest"), "checkpoints/step-000004\n");
    run_ok(trainyard().arg("generate").arg(&run).args(["--tokens", "3"]));
}

#[test]
fn another_model_or_optimizer_is_changed_back_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let stderr = run_fails(&mut resume(&run, &[], &[MORE, "model.width=64"]), 2);
    assert_says(&stderr, &["change [model] back to what it was trained with"]);
    run_ok(&mut resume(&run, &[], &[MORE, "model.width=32"]));
    // By its own keys, as the resolved run file has those of the other.
    let file = run.join("run.toml");
    let before = read(&file);
    let optimizer = between(&before, "[optimizer]", "\n[").to_owned();
    write(&file, before.replace(&optimizer, "kind = \"lion\"\n"));
    let stderr = run_fails(&mut resume(&run, &[], &["train.steps=8"]), 2);
    let set = between(&stderr, "say --set ", ",");
    run_ok(&mut resume(&run, &[], &["train.steps=8", set]));
    // Another state of the same optimizer.
    let sgd = train(&place.file, "sgd", &["optimizer.kind=sgd", "optimizer.momentum=0.5"]);
    let stderr = run_fails(&mut resume(&sgd, &[], &[MORE, "optimizer.momentum=0"]), 2);
    assert_says(&stderr, &["change [optimizer] back to what it was"]);
    run_ok(&mut resume(&sgd, &[], &[MORE, "optimizer.momentum=0.5"]));
}

#[test]
fn weights_past_use_are_left_for_earlier_ones_as_told() {
    let place = Place::new();
    let sets =
        ["train.steps=400", "train.learning_rate=500.0", "train.clip=0.0", "train.warmup=60"];
    let run = place.path("run");
    let mut train = trainyard_tests::train_command(&place.file, &run);
    trainyard_tests::set(&mut train, &sets);
    let keep = ["--set", "train.checkpoint_every=2", "--set", "train.keep_checkpoints=90"];
    let stderr = run_fails(train.args(keep), 1);
    let step = between(&stderr, "past use: --checkpoint ", " ").to_owned();
    assert_says(&stderr, &["Try a smaller learning rate (train.learning_rate)", "(train.clip)"]);
    paste(&format!(
        "{} --checkpoint 2 --set train.learning_rate=0.001 --set train.steps=4",
        between(&stderr, "go on with: ", "\n")
    ));
    // The one that is named is whole.
    run_ok(trainyard().arg("evaluate").arg(&run).args(["--checkpoint", &step]));
    // The other way: a new run with a smaller rate, or a limit on the gradients' norm.
    for (name, set) in [("small", "train.learning_rate=0.001"), ("clipped", "train.clip=1.0")] {
        let more = ["train.steps=20", "train.warmup=10", set];
        train_ok(&place, name, &more);
    }
}

fn train_ok(place: &Place, name: &str, sets: &[&str]) {
    train(&place.file, name, sets);
}

/// The manifest of a run's checkpoint, changed by hand. The first version had no hash that notices.
fn change_manifest(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("manifest.json");
    let mut manifest: Value =
        serde_json::from_str(&read(&path)).unwrap_or_else(|error| panic!("{error}"));
    manifest["version"] = json!(1);
    change(&mut manifest);
    write(&path, manifest.to_string());
    remove(&folder.join("manifest.blake3"));
}

#[test]
fn one_of_another_program_is_left_for_a_new_run_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let kept = place.path("kept");
    copy_dir(&run, &kept);
    change_manifest(&run.join("checkpoints/step-000004"), |manifest| manifest["state"] = json!({}));
    let stderr = run_fails(&mut resume(&run, &[], &[MORE]), 2);
    assert_says(&stderr, &["use the program that wrote it, or start a new run"]);
    let set = between(&stderr, "in another directory with --set ", "\n");
    let set = set.replace("...", &place.path("new").display().to_string());
    run_ok(trainyard().arg("train").arg(&place.file).args(["--set", &set]));
    // This one reads what it wrote.
    run_ok(&mut resume(&kept, &[], &[MORE]));
}

/// A training saves no such weights, so they are made by hand.
#[test]
fn weights_that_give_no_numbers_are_left_for_earlier_ones_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let folder = run.join("checkpoints/step-000004");
    change_manifest(&folder, |manifest| {
        // Large, and finite: the numbers that come of them are not.
        for layer in manifest["layers"].as_array_mut().into_iter().flatten() {
            let path = folder.join(layer["file"].as_str().unwrap_or_default());
            let mut bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{error}"));
            let header = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
            for number in bytes[8 + header as usize..].chunks_exact_mut(4) {
                number.copy_from_slice(&3e38_f32.to_le_bytes());
            }
            layer["blake3"] = json!(blake3::hash(&bytes).to_hex().as_str());
            write(&path, bytes);
        }
    });
    let generate = |checkpoint: &str| {
        let mut command = trainyard();
        command.arg("generate").arg(&run).args(["--tokens", "2", "--checkpoint", checkpoint]);
        command
    };
    assert_says(&run_fails(&mut generate("4"), 2), &["--checkpoint takes earlier ones"]);
    run_ok(&mut generate("2"));
    let evaluate = |checkpoint: &str| {
        let mut command = trainyard();
        command.arg("evaluate").arg(&run).args(["--checkpoint", checkpoint]);
        said(&mut command)
    };
    assert_says(&evaluate("4"), &["--checkpoint takes earlier ones"]);
    assert!(!evaluate("2").contains("past use"));
}

/// The loss is finite, and the square of its gradient, which Adam keeps, is not.
#[test]
fn after_an_update_that_is_not_finite_an_earlier_one_is_gone_on_from_as_told() {
    let place = Place::new();
    let (file, table) = (place.path("table.toml"), place.path("table.csv"));
    let rows = |of: &str| format!("a,b\n{}", format!("10000,{of}\n").repeat(40));
    write(&table, rows("1"));
    write(
        &file,
        "[model]\nkind = \"mlp\"\ninputs = 1\noutputs = 1\n[data]\ntable = \"table.csv\"\ntarget = \
         \"b\"\ntask = \"numbers\"\n[train]\nsteps = 4\nclip = 0.0\n[[device]]\nid = \"left\"\n\
         adapter = \"cpu\"\n",
    );
    let run = train(&file, "run", &[]);
    write(&table, rows("1e18"));
    let stderr = run_fails(&mut resume(&run, &["--other-data"], &[MORE]), 1);
    assert_says(&stderr, &["is not finite any more", "Go on from a checkpoint made before"]);
    write(&table, rows("1"));
    run_ok(&mut resume(&run, &["--other-data"], &[MORE, "train.learning_rate=0.0001"]));
}
