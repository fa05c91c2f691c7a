//! The remedies that messages give: each is done as the message says, and works.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Command;

use trainyard_tests::{
    Place, assert_says, copy_dir, read, run_fails, run_ok, set, train, train_command, trainyard,
    write,
};

/// A finished run with checkpoints after the steps 2 and 4.
fn finished(place: &Place, name: &str) -> PathBuf {
    train(&place.file, name, &["train.checkpoint_every=2"])
}

fn resume(run: &Path, arguments: &[&str], sets: &[&str]) -> Command {
    let mut command = trainyard();
    command.arg("resume").arg(run).args(arguments);
    set(&mut command, sets);
    command
}

/// What stands between two parts of a message.
fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("{start:?} is not in {text}")).1;
    rest.split_once(end).map_or(rest, |(found, _)| found).trim()
}

/// Runs a command line that a message gives, as a person would paste it.
fn paste(line: &str) {
    let program = trainyard();
    let folder = Path::new(program.get_program()).parent().map(Path::to_path_buf);
    let path = format!("{}:{}", folder.unwrap_or_default().display(), env!("PATH"));
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).env("PATH", path);
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run_ok(&mut shell);
}

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
fn a_plan_of_its_own_is_given_up_as_told() {
    let place = Place::new();
    let plan = place.path("plan.json");
    run_ok(trainyard().arg("plan").arg(&place.file).arg("-o").arg(&plan));
    let run = place.path("run");
    run_ok(train_command(&place.file, &run).arg("--plan").arg(&plan));
    let sets = ["train.steps=6", "pipeline.recompute=full"];
    assert_says(&run_fails(&mut resume(&run, &[], &sets), 2), &["say --replan to plan anew"]);
    run_ok(&mut resume(&run, &["--replan"], &sets));
    // A file that was edited is replaced as told.
    write(&plan, "edited");
    let mut again = trainyard();
    again.arg("plan").arg(&place.file).arg("-o").arg(&plan);
    assert_says(&run_fails(&mut again, 2), &["say --force to replace it"]);
    run_ok(again.arg("--force"));
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
fn budgets_and_batches_are_mended_as_told() {
    let place = Place::new();
    let plan = |sets: &[&str], more: &[&str]| {
        let mut command = trainyard();
        command.arg("plan").arg(&place.file).args(more);
        set(&mut command, sets);
        command
    };
    let stderr = run_fails(&mut plan(&["device.left.memory=64"], &[]), 2);
    let size = between(&stderr, "such as \"", "\"");
    run_ok(&mut plan(&[&format!("device.left.memory={size}")], &[]));
    let stderr = run_fails(&mut plan(&["train.micro_batches=3"], &[]), 2);
    let count = between(&stderr, "equal micro-batches; ", " can").split(", ").next();
    run_ok(&mut plan(&[&format!("train.micro_batches={}", count.unwrap_or_default())], &[]));
    // Together more than there is.
    let most =
        between(&run_fails(&mut plan(&["device.left.memory=900 TiB"], &[]), 2), "at most ", ",")
            .to_owned();
    let both = [format!("device.left.memory={most}"), format!("device.right.memory={most}")];
    let both = both.each_ref().map(String::as_str);
    let stderr = run_fails(&mut plan(&both, &[]), 2);
    assert_says(&stderr, &["together at most", "--overcommit allows more"]);
    run_ok(&mut plan(&both, &["--overcommit"]));
    // The least change that fits does.
    let tight = ["device.left.memory=3072 KiB", "device.right.memory=1024 KiB"];
    let stderr = run_fails(&mut plan(&tight, &[]), 3);
    let device = between(&stderr, "more, '", "'");
    let more = between(&stderr, "with ", " more, '");
    let (had, other) = if device == "left" { (3072.0, tight[1]) } else { (1024.0, tight[0]) };
    let mut words = more.rsplit_once("with ").map_or(more, |(_, last)| last).split(' ');
    let number: f64 = words.next().and_then(|it| it.parse().ok()).unwrap_or(f64::NAN);
    let unit = if words.next() == Some("MiB") { 1024.0 } else { 1.0 };
    let memory = format!("device.{device}.memory={} KiB", (had + number * unit).ceil() + 1.0);
    run_ok(&mut plan(&[&memory, other], &[]));
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
