//! What is said where a model that was trained is used, and the way out.

use std::fs;
use std::process::Command;

use trainyard_tests::{
    Place, assert_says, require, run_fails, run_ok, train, train_command, trainyard, write,
};

use crate::{between, finished, resume};

fn generate(run: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = trainyard();
    command.arg("generate").arg(run).args(["--tokens", "2"]).args(arguments);
    command
}

#[test]
fn the_end_of_a_long_prompt_is_given_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let (long, end) = (place.path("long.txt"), place.path("end.txt"));
    let text = "the train ".repeat(1_700_000);
    write(&long, &text);
    write(&end, &text[text.len() - 1000..]);
    let file = |path: &std::path::Path| path.display().to_string();
    let stderr = run_fails(&mut generate(&run, &["--prompt-file", &file(&long)]), 2);
    assert_says(&stderr, &["larger than 16 MiB", "give the end of it"]);
    run_ok(&mut generate(&run, &["--prompt-file", &file(&end)]));
    let piped = |path: &std::path::Path| {
        let mut command = generate(&run, &["--prompt-file", "-"]);
        command.stdin(fs::File::open(path).unwrap_or_else(|error| panic!("{error}")));
        command
    };
    assert_says(&run_fails(&mut piped(&long), 2), &["standard input", "give the end of it"]);
    run_ok(&mut piped(&end));
}

#[test]
fn a_trace_at_a_terminal_gets_a_file_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let program = trainyard().get_program().to_string_lossy().into_owned();
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &format!("'{program}' trace '{}'", run.display()), "/dev/null"]);
    let Ok(output) = terminal.output() else {
        return require::skip("the terminal that `script` makes");
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_says(&said, &["a trace is for Perfetto; name its file with -o trace.json"]);
    let file = place.path("trace.json");
    run_ok(trainyard().arg("trace").arg(&run).arg("-o").arg(&file));
    assert!(file.is_file());
}

#[test]
fn a_checkpoint_of_another_version_leaves_a_new_run_as_told() {
    let place = Place::new();
    let run = finished(&place, "run");
    let checkpoint = run.join("checkpoints/step-000004");
    let manifest = trainyard_tests::read(&checkpoint.join("manifest.json"));
    write(
        &checkpoint.join("manifest.json"),
        manifest.replacen("\"version\": 2", "\"version\": 0", 1),
    );
    // Before version 2 there was none.
    fs::remove_file(checkpoint.join("manifest.blake3")).unwrap_or_else(|error| panic!("{error}"));
    let stderr = run_fails(&mut resume(&run, &[], &["train.steps=6"]), 2);
    assert_says(&stderr, &["version 0", "use the program that wrote it, or start a new run"]);
    run_ok(&mut train_command(&place.file, &place.path("new")));
}

#[test]
fn a_model_that_does_not_fit_is_used_with_as_much_memory_as_told() {
    let place = Place::new();
    let run = train(&place.file, "run", &["model.width=128", "train.batch=32"]);
    let memory = |left: f64, right: f64| {
        let sets = [("left", left), ("right", right)];
        let sets = sets.map(|(id, mib)| format!("device.{id}.memory={mib} MiB"));
        let mut command = generate(&run, &[]);
        trainyard_tests::set(&mut command, &sets.each_ref().map(String::as_str));
        command
    };
    let (left, right) = (5.0, 1.0);
    let stderr = run_fails(&mut memory(left, right), 3);
    let bytes: f64 = between(&stderr, " MiB (", " bytes) more").parse().unwrap_or(f64::NAN);
    let more = bytes / f64::from(1 << 20);
    let to_left = between(&stderr, "more, '", "' would make it fit") == "left";
    let (left, right) = if to_left { (left + more, right) } else { (left, right + more) };
    run_ok(&mut memory(left, right));
}
