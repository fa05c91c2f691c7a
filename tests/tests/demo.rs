//! The first thing a newcomer runs, shortened.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use trainyard_tests::{assert_says, losses, run_fails, run_ok, set, temp_dir, trainyard};

#[test]
fn the_demo_shows_everything_and_leaves_a_run() {
    let dir = temp_dir();
    let run = dir.path().join("demo");
    let mut command = trainyard();
    command.current_dir(dir.path()).args(["demo", "--steps", "20", "--directory"]).arg(&run);
    let text = run_ok(&mut command);
    let sections = [
        "The devices",
        "What the layers cost",
        "The plan",
        "The training",
        "One step, measured",
        "Predicted and measured",
        "What it writes now",
        "Where to look next",
    ];
    let mut from = 0;
    for section in sections {
        let found = text[from..].find(&format!("\n{section} ──"));
        from += found.unwrap_or_else(|| panic!("no section {section:?} in its place:\n{text}"));
    }
    assert_says(&text, &["fits on no single device", "predicted", "bubble", "ui.perfetto.dev"]);
    assert!(!text.contains('\u{1b}'), "colours in a pipe");

    // What it says next works.
    assert_eq!(losses(&run).len(), 20);
    let said =
        run_ok(trainyard().arg("generate").arg(&run).args(["--prompt", "TRAIN ", "--tokens", "9"]));
    assert!(said.starts_with("TRAIN "), "{said}");
    run_ok(trainyard().arg("trace").arg(&run).arg("-o").arg(dir.path().join("trace.json")));
    let mut longer = trainyard();
    longer.current_dir(dir.path()).arg("train").arg(run.join("run.toml"));
    run_ok(set(&mut longer, &["run.dir=runs/mine", "train.steps=2"]));
    assert!(dir.path().join("runs/mine/latest").is_file());

    // A second demo does not write over the first.
    assert_says(
        &run_fails(trainyard().args(["demo", "--directory"]).arg(&run), 2),
        &["already holds a run"],
    );
}
