//! A run that goes on, or does not as it is.

use trainyard_tests::running::Running;
use trainyard_tests::{
    Place, assert_says, copy_dir, read, run_fails, run_ok, set, train, train_command, trainyard,
    write,
};

use crate::{between, finished, paste, resume};

#[test]
fn a_run_that_is_there_is_continued_or_left_alone() {
    let place = Place::new();
    let run = place.path("a run");
    run_ok(&mut train_command(&place.file, &run));
    let stderr = run_fails(&mut train_command(&place.file, &run), 2);
    // The path has a space, and is quoted.
    paste(between(&stderr, "continue it with `", "`"));
    assert_says(&stderr, &["--set run.dir=..."]);
    run_ok(&mut train_command(&place.file, &place.path("another")));
}

#[test]
fn a_run_without_checkpoint_is_begun_anew_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    for gone in ["checkpoints", "latest"] {
        let path = run.join(gone);
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        removed.unwrap_or_else(|error| panic!("{error}"));
    }
    let stderr = run_fails(&mut resume(&run, &[], &[]), 2);
    paste(between(&stderr, "begin it anew with `", "`"));
    assert_eq!(read(&run.join("latest")), "checkpoints/step-000004\n");
}

#[test]
fn a_damaged_checkpoint_names_the_one_to_take() {
    let place = Place::new();
    let run = finished(&place, "run");
    write(&run.join("checkpoints/step-000004/manifest.json"), "{}");
    let stderr = run_fails(&mut resume(&run, &[], &["train.steps=6"]), 2);
    let step = between(&stderr, "say --checkpoint ", "\n");
    assert_eq!(step, "2");
    run_ok(&mut resume(&run, &["--checkpoint", step], &["train.steps=6"]));
}

#[test]
fn what_a_run_has_done_is_gone_beyond_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let output = resume(&run, &[], &[]).output().unwrap_or_else(|error| panic!("{error}"));
    assert_says(&String::from_utf8_lossy(&output.stderr), &["--set train.steps=... gives it more"]);
    run_ok(&mut resume(&run, &[], &["train.steps=6"]));
    let stderr = run_fails(&mut resume(&run, &[], &["train.steps=3"]), 2);
    assert_says(&stderr, &["6 or more", "--checkpoint names an earlier one"]);
    run_ok(&mut resume(&run, &["--checkpoint", "2"], &["train.steps=3"]));
}

#[test]
fn other_data_are_gone_on_with_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let text = read(&place.path("input.txt"));
    write(&place.path("input.txt"), text.clone() + "the train leaves\n");
    let stderr = run_fails(&mut resume(&run, &[], &["train.steps=6"]), 2);
    assert_says(&stderr, &["go on with them as they are by --other-data"]);
    run_ok(&mut resume(&run, &["--other-data"], &["train.steps=6"]));
    let other = place.path("other.txt");
    write(&other, text + "ä\n");
    let data = format!("data.text={}", other.display());
    let stderr = run_fails(&mut resume(&run, &[], &["train.steps=8", &data]), 2);
    assert_says(&stderr, &["'ä'", "--grow-vocabulary"]);
    run_ok(&mut resume(&run, &["--grow-vocabulary"], &["train.steps=8", &data]));
    // By hand, at the end of those that the model knows.
    let mut letters: Vec<char> = read(&place.path("input.txt")).chars().collect();
    letters.sort_unstable();
    letters.dedup();
    let known: String = letters.into_iter().collect();
    let by_hand = finished(&place, "by-hand");
    let vocabulary = format!("data.vocabulary={:?}", known + "ä");
    run_ok(&mut resume(&by_hand, &[], &["train.steps=8", &data, &vocabulary]));
    run_ok(trainyard().arg("generate").arg(&run).args(["--prompt", "ä", "--tokens", "3"]));
}

#[test]
fn a_run_that_stopped_early_goes_on_as_told() {
    let place = Place::new();
    let sets = [
        "train.steps=60",
        "train.learning_rate=0.3",
        "train.warmup=20",
        "train.validate_every=2",
        "train.early_stop=2",
    ];
    let run = train(&place.file, "run", &sets);
    let output = resume(&run, &[], &[]).output().unwrap_or_else(|error| panic!("{error}"));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let way = between(&stderr, "stays as it is; --set ", " goes on");
    run_ok(&mut resume(&run, &[], &[way]));
    assert_eq!(read(&run.join("latest")), "checkpoints/step-000060\n");
}

#[test]
fn what_follows_from_validations_is_left_out_as_told() {
    let place = Place::new();
    for key in ["early_stop", "keep_best"] {
        let run = place.path(key);
        let ask = |count: u64| {
            let mut command = train_command(&place.file, &run);
            set(&mut command, &["data.validation_fraction=0", &format!("train.{key}={count}")]);
            command
        };
        let stderr = run_fails(&mut ask(2), 2);
        assert_says(&stderr, &[key, "must be 0 where no data are kept for validation"]);
        assert!(!run.exists());
        run_ok(&mut ask(0));
    }
}

#[test]
fn a_trace_is_asked_for_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let trace = |arguments: &[&str]| {
        let mut command = trainyard();
        command.arg("trace").arg(&run).arg("-o").arg(place.path("trace.json")).args(arguments);
        command
    };
    let stderr = run_fails(&mut trace(&["--from", "9"]), 2);
    let steps = between(&stderr, "ask for some of ", " with");
    let (from, to) = steps.split_once(" to ").unwrap_or_else(|| panic!("{steps}"));
    run_ok(&mut trace(&["--from", from, "--to", to]));
    // A run that was copied has its checkpoints, too.
    let copy = place.path("copy");
    copy_dir(&run, &copy);
    run_ok(&mut resume(&copy, &[], &["train.steps=6"]));
}

#[test]
fn data_that_change_meanwhile_are_restored_as_told() {
    let place = Place::new();
    let (run, messages, text) =
        (place.path("run"), place.path("messages"), place.path("input.txt"));
    let whole = read(&text);
    let mut command = train_command(&place.file, &run);
    let mut running = Running::start(set(&mut command, &["train.steps=1000000"]), &messages);
    running.wait_for(&run.join("journal.jsonl"), r#""type":"step","#);
    write(&text, &whole[..100]);
    assert_eq!(running.end(), Some(1));
    let said = read(&messages);
    assert_says(&said, &["changed while it was in use; restore it, or start the training anew"]);
    write(&text, &whole);
    let saved = read(&run.join("latest")).trim().replace("checkpoints/step-", "");
    let steps = saved.parse::<u64>().unwrap_or(0) + 1;
    paste(&format!("{} --set train.steps={steps}", between(&said, "go on with: ", "\n")));
    run_ok(&mut train_command(&place.file, &place.path("anew")));
}

#[cfg(unix)]
#[test]
fn a_training_that_gets_no_thread_is_started_again_as_told() {
    let place = Place::new();
    let run = place.path("run");
    let mut starved = train_command(&place.file, &run);
    // No thread has a stack that large.
    starved.env("RUST_MIN_STACK", (1_u64 << 46).to_string());
    let stderr = run_fails(&mut starved, 1);
    assert_says(&stderr, &["no thread is to be had", "ulimit -a", "start again"]);
    run_ok(&mut train_command(&place.file, &run));
}
