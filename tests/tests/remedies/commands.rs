//! What commands say of directories, files and one another.

use std::path::Path;
use std::process::{Command, Stdio};

use trainyard_tests::running::Running;
use trainyard_tests::{
    Place, assert_says, copy_dir, journal_of, require, run_fails, run_ok, set, train,
    train_command, trainyard, write,
};

use crate::{between, finished, paste, plan, resume, said};

const ENDLESS: &str = "train.steps=1000000";

#[test]
fn a_run_that_is_written_to_is_waited_for_or_left_alone() {
    let place = Place::new();
    let run = place.path("run");
    let mut command = train_command(&place.file, &run);
    let mut running = Running::start(set(&mut command, &[ENDLESS]), &place.path("messages"));
    running.wait_for(&run.join("journal.jsonl"), r#""type":"step","#);
    let stderr = run_fails(&mut resume(&run, &[], &[]), 1);
    let process = between(&stderr, "(process ", ")");
    assert_eq!(process, running.id().to_string());
    assert_says(&stderr, &["wait for it, stop it, or begin a run in another directory"]);
    let line = between(&stderr, "another directory: `", "`")
        .replace("train ...", &{ format!("train '{}'", place.file.display()) });
    paste(&line.replace("run.dir=...", &format!("run.dir={}", place.path("other").display())));
    // Stopped, it goes on.
    running.signal("INT");
    assert_eq!(running.end(), Some(130));
    let made = journal_of(&run, "step").len();
    run_ok(&mut resume(&run, &[], &[&format!("train.steps={}", made + 2)]));
}

#[test]
fn a_demo_gets_another_directory_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let demo = |directory: &Path| {
        let mut command = trainyard();
        command.args(["demo", "--steps", "1", "--directory"]).arg(directory);
        command
    };
    assert_says(&run_fails(&mut demo(&run), 2), &["name another directory", "demo: `--directory`"]);
    run_ok(&mut demo(&place.path("other")));
}

#[test]
fn flags_of_going_on_are_for_runs_that_go_on_as_told() {
    let place = Place::new();
    for (flags, name) in [
        (&["--checkpoint", "4"][..], "--checkpoint"),
        (&["--replan"], "--replan"),
        (&["--other-data"], "--other-data"),
        (&["--grow-vocabulary"], "--grow-vocabulary"),
    ] {
        let run = place.path("run");
        let mut fresh = train_command(&place.file, &run);
        assert_says(
            &run_fails(fresh.args(flags), 2),
            &[&format!("{name} says how a run goes on: add --resume, or leave it out")],
        );
        assert!(!run.exists(), "{name}: nothing is begun");
    }
    let run = finished(&place, "run");
    let mut again = train_command(&place.file, &run);
    set(&mut again, &["train.steps=5"]);
    run_ok(again.args(["--resume", "--checkpoint", "4"]));
}

#[test]
fn what_cannot_be_kept_is_kept_elsewhere_as_told() {
    let place = Place::new();
    let file = place.path("no-folder");
    write(&file, "");
    let measure = |cache: &Path| {
        let mut command = trainyard();
        command.arg("measure").arg(&place.file).env("TRAINYARD_CACHE", cache);
        command
    };
    let stderr = said(&mut measure(&file));
    assert_says(&stderr, &["could not be kept in", "set TRAINYARD_CACHE to a folder that can be"]);
    let folder = place.path("cache");
    assert!(!said(&mut measure(&folder)).contains("could not be kept"));
    let mut planned = plan(&place.file, &[]);
    let page = run_ok(planned.env("TRAINYARD_CACHE", &folder));
    assert!(!page.contains("times are estimates"), "{page}");
}

#[test]
fn a_model_is_named_by_its_folder_as_told() {
    let place = Place::new();
    let config = place.path("config.json");
    write(
        &config,
        r#"{"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 2,
        "n_positions": 16, "vocab_size": 20}"#,
    );
    let inspect = |path: &Path| {
        let mut command = trainyard();
        command.arg("inspect").arg(path);
        command
    };
    let stderr = run_fails(&mut inspect(&place.file), 2);
    assert_says(&stderr, &["name a folder with a config.json", "or a .gguf file"]);
    run_ok(&mut inspect(config.parent().unwrap_or(Path::new("."))));
    // So says a file that is taken for a run file.
    let stderr = run_fails(&mut plan(&config, &[]), 2);
    assert_says(&stderr, &["`trainyard inspect` shows what it is"]);
    run_ok(&mut inspect(&config));
    // However long it is.
    let model = place.path("model.gguf");
    write(&model, "GGUF\u{3}\0\0\0".to_owned() + &"\0".repeat(9 << 20));
    let stderr = run_fails(&mut plan(&model, &[]), 2);
    assert_says(
        &stderr,
        &["it is a GGUF model, not a run file; a run file names it: [model] path"],
    );
}

#[test]
fn a_run_goes_on_elsewhere_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let stderr = run_fails(&mut resume(&run, &[], &["run.dir=elsewhere"]), 2);
    assert_says(&stderr, &["copy its directory to go on elsewhere"]);
    let copy = place.path("copy");
    copy_dir(&run, &copy);
    run_ok(&mut resume(&copy, &[], &["train.steps=6"]));
    // It is not begun without its checkpoints.
    let stderr = run_fails(&mut resume(&run, &["--restart"], &["train.steps=6"]), 2);
    assert_says(&stderr, &["leave --restart out, or train into another directory"]);
    run_ok(&mut resume(&run, &[], &["train.steps=6"]));
    // A note says what is lost by going back, and how to keep it.
    let kept = place.path("kept");
    copy_dir(&run, &kept);
    let note = said(&mut resume(&run, &["--checkpoint", "4"], &["train.steps=5"]));
    assert_says(&note, &["copy the run directory to keep them"]);
    run_ok(trainyard().arg("evaluate").arg(&kept).args(["--checkpoint", "6"]));
}

#[test]
fn what_is_in_the_way_is_moved_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let latest = run.join("latest");
    let aside = run.join("aside");
    std::fs::rename(&latest, &aside).unwrap_or_else(|error| panic!("{error}"));
    std::os::unix::fs::symlink(&aside, &latest).unwrap_or_else(|error| panic!("{error}"));
    let stderr = run_fails(&mut resume(&run, &[], &["train.steps=6"]), 2);
    assert_says(&stderr, &["latest is a symbolic link", "move it away"]);
    std::fs::rename(&latest, place.path("away")).unwrap_or_else(|error| panic!("{error}"));
    run_ok(&mut resume(&run, &[], &["train.steps=6"]));
    // A file where a directory is to be, and a directory where a file is to be.
    let stderr = run_fails(&mut train_command(&place.file, &place.file.join("run")), 2);
    assert_says(&stderr, &["a file is in the way: name another place"]);
    run_ok(&mut train_command(&place.file, &place.path("another")));
    let out = place.path("out");
    std::fs::create_dir(&out).unwrap_or_else(|error| panic!("{error}"));
    let stderr = run_fails(plan(&place.file, &[]).arg("-o").arg(&out), 2);
    assert_says(&stderr, &["name a file"]);
    run_ok(plan(&place.file, &[]).arg("-o").arg(out.join("plan.json")));
    let stderr = run_fails(plan(&place.file, &[]).arg("-o").arg(place.path("no/plan.json")), 2);
    assert_says(&stderr, &["check the name"]);
}

#[test]
fn a_run_directory_is_named_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let stderr = run_fails(trainyard().arg("resume").arg(&place.file), 2);
    assert_says(&stderr, &["train it, which makes a run directory, and name that"]);
    for name in ["plan.json", "profile.json", "journal.jsonl", "trace.json"] {
        let stderr = run_fails(trainyard().arg("compare").arg(run.join(name)), 2);
        assert_says(&stderr, &["name the directory that it lies in"]);
    }
    run_ok(trainyard().arg("compare").arg(&run));
    let other = place.path("other");
    std::fs::create_dir(&other).unwrap_or_else(|error| panic!("{error}"));
    let stderr = run_fails(trainyard().arg("compare").arg(&other), 2);
    let line = between(&stderr, "name a directory that `", "`").to_owned();
    let set = format!(" '{}' --set run.dir='{}'", place.file.display(), other.display());
    paste(&(line + &set));
    run_ok(trainyard().arg("compare").arg(&other));
}

#[test]
fn a_trace_has_a_file_and_a_run_steps_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    // A terminal is no place for a trace.
    let program = trainyard().get_program().display().to_string();
    let line = format!("{program} trace {}", run.display());
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).env("NO_COLOR", "1").stdin(Stdio::null());
    match terminal.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(output.status.code(), Some(2), "{said}");
            let flag = between(&said, "name its file with ", "trace.json");
            paste(&format!("{line} {flag} {}", place.path("trace.json").display()));
        }
        Err(_) => require::skip("there is no script, which makes a terminal"),
    }
    // A run without a step has nothing to show.
    let journal = run.join("journal.jsonl");
    let text = trainyard_tests::read(&journal);
    write(&journal, text.lines().next().unwrap_or_default().to_owned() + "\n");
    let mut trace = trainyard();
    trace.arg("trace").arg(&run).arg("-o").arg(place.path("other.json"));
    let stderr = run_fails(&mut trace, 2);
    assert_says(&stderr, &["train at least one step"]);
    let stderr = run_fails(trainyard().arg("compare").arg(&run), 2);
    assert_says(&stderr, &["train at least one"]);
    run_ok(&mut resume(&run, &[], &["train.steps=6"]));
    run_ok(&mut trace);
    run_ok(trainyard().arg("compare").arg(&run));
}

#[test]
fn a_language_model_is_needed_to_write() {
    let place = Place::new();
    let file = place.path("rows.toml");
    let data = "[data]\nbuiltin = \"waves\"\n[train]\nsteps = 2\n";
    write(&file, format!("[model]\nkind = \"mlp\"\n{data}"));
    let run = train(&file, "rows", &[]);
    let stderr = run_fails(trainyard().arg("generate").arg(&run), 2);
    assert_says(&stderr, &["generate needs a run of a language model"]);
    let stderr =
        run_fails(&mut resume(&run, &["--grow-vocabulary", "--other-data"], &["train.steps=3"]), 2);
    assert_says(&stderr, &["leave --grow-vocabulary out"]);
    run_ok(&mut resume(&run, &["--other-data"], &["train.steps=3"]));
    // Rows of text are no rows of numbers.
    write(&file, "[model]\nkind = \"mlp\"\n[data]\nbuiltin = \"yard\"\n");
    let stderr = run_fails(&mut plan(&file, &[]), 2);
    assert_says(&stderr, &["learns from rows of numbers"]);
    run_ok(&mut plan(&file, &["data.builtin=waves"]));
    let text = finished(&place, "text");
    run_ok(trainyard().arg("generate").arg(&text).args(["--tokens", "2"]));
}

/// With a cache of its own: others have theirs.
#[test]
fn costs_are_measured_anew_as_told_and_hold_for_other_names() {
    let place = Place::new();
    let cache = place.path("cache");
    // On a busy machine it says by itself how to measure anew.
    let mut measure = trainyard();
    measure.arg("measure").arg(&place.file).arg("--refresh").env("TRAINYARD_CACHE", &cache);
    run_ok(&mut measure);
    // What was measured is of the devices, whatever they are called.
    let mut renamed = plan(&place.file, &["device.left.id=third", "pipeline.lock=[]"]);
    run_ok(renamed.env("TRAINYARD_CACHE", &cache));
}
