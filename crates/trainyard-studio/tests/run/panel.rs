//! What the panel says, read as a screen reader would read it, and pictures of it.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use eframe::egui;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use trainyard_studio::command::Command;
use trainyard_studio::message::Message;
use trainyard_studio::run::Session;
use trainyard_studio::run_panel::RunPanel;
use trainyard_studio::theme;

use crate::support::{Bell, state_line, write_run};

struct Shown {
    panel: RunPanel,
    session: Option<Session>,
    start: Result<(), String>,
    /// The last command that was asked for.
    wish: Option<Command>,
}

fn show(session: Option<Session>, start: Result<(), String>) -> Harness<'static, Shown> {
    show_in(egui::Theme::Dark, session, start)
}

fn show_in(
    mode: egui::Theme,
    session: Option<Session>,
    start: Result<(), String>,
) -> Harness<'static, Shown> {
    let shown = Shown { panel: RunPanel::default(), session, start, wish: None };
    let mut installed = false;
    let mut harness =
        Harness::builder().with_size([1000.0, 860.0]).with_theme(mode).build_ui_state(
            move |ui, shown: &mut Shown| {
                if !std::mem::replace(&mut installed, true) {
                    theme::install(ui.ctx());
                }
                egui::CentralPanel::default().show(ui, |ui| {
                    let (session, mut out) = (shown.session.as_ref(), Vec::new());
                    let start = shown.start.as_ref().copied().map_err(String::as_str);
                    shown.panel.show(ui, session, start, &mut out);
                    for message in out {
                        if let Message::Command(command) = message {
                            shown.wish = Some(command);
                        }
                    }
                });
            },
            shown,
        );
    harness.run();
    harness
}

/// The run in a directory, read to its end.
fn read(directory: &Path) -> Session {
    let bell = Bell::new();
    let mut session = Session::attach(directory, bell.wake.clone()).unwrap();
    bell.read_all(&mut session);
    session
}

/// A run that goes on as long as the lock is held.
fn write_running(run: &Path) -> File {
    write_run(run, 320, "");
    std::fs::write(run.join(".lock"), "process 4294967\n").unwrap();
    let lock = File::open(run.join(".lock")).unwrap();
    lock.lock().unwrap();
    lock
}

fn write_failed(run: &Path) {
    write_run(run, 120, &state_line("failed", 120, "dgpu: the device was lost; use another"));
    std::fs::write(run.join("output.log"), "step 119\nError: device lost\n").unwrap();
}

/// A stopped run with its plan and profile.
fn write_planned(run: &Path) {
    write_run(run, 60, &state_line("stopped", 60, ""));
    let profile = std::fs::read_to_string("../../assets/example-profile.json").unwrap();
    let profile = trainyard_plan::Profile::from_json(&profile).unwrap();
    let (first, second) = (&profile.devices[0].id, &profile.devices[1].id);
    let journal = run.join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let text =
        text.replace("\"dgpu\"", &format!("{first:?}")).replace("\"igpu\"", &format!("{second:?}"));
    std::fs::write(&journal, text).unwrap();
    let layers = profile.model.layers.len();
    let plan = serde_json::json!({
        "format": "trainyard-plan", "version": 1, "model": profile.model.name,
        "stages": [
            { "device": first, "layers": [0, layers / 2] },
            { "device": second, "layers": [layers / 2, layers] }
        ],
        "schedule": { "name": "1f1b", "ranks": [
            ["0F0", "0F1", "0B0", "0F2", "0B1", "0F3", "0B2", "0B3"],
            ["1F0", "1B0", "1F1", "1B1", "1F2", "1B2", "1F3", "1B3"]
        ] },
        "micro_batches": 4
    });
    std::fs::write(run.join("plan.json"), plan.to_string()).unwrap();
    std::fs::write(run.join("profile.json"), serde_json::to_string(&profile).unwrap()).unwrap();
}

#[test]
fn while_nothing_runs_it_says_what_can_be_done() {
    let mut harness = show(None, Ok(()));
    harness.get_by_label("Nothing runs.");
    harness.get_by_label("Start training").click();
    harness.run();
    assert_eq!(harness.state().wish, Some(Command::Run));

    let mut harness = show(None, Err("The program `trainyard` is missing.".to_owned()));
    harness.get_by_label("The program `trainyard` is missing.");
    harness.get_by_label("Start training").click();
    harness.run();
    assert_eq!(harness.state().wish, None);
    harness.get_by_label("Open a run…").click();
    harness.run();
    assert_eq!(harness.state().wish, Some(Command::Open));
}

#[test]
fn a_running_one_shows_its_figures_and_can_be_stopped() {
    let run = tempfile::tempdir().unwrap();
    let _lock = write_running(run.path());
    // The program keeps the newest of what the journal names.
    std::fs::remove_dir(run.path().join("checkpoints/step-000050")).unwrap();
    std::fs::remove_dir(run.path().join("checkpoints/step-000200")).unwrap();
    let mut harness = show(Some(read(run.path())), Ok(()));
    harness.get_by_label("Running");
    harness.get_by_label("step 320 of 500");
    harness.get_by_label_contains("gpt, 1.23 M weights, in ");
    harness.get_by_label_contains("Loss chart, now");
    harness.get_by_label_contains("Memory of dgpu: 1.37 GiB of 4.00 GiB");
    harness.get_by_label("After step 300, 250, 150, 100, the newest first.");
    harness.get_by_label("Learning rate").click();
    harness.run();
    harness.get_by_label_contains("Learning rate chart, now");
    harness.get_by_label("Stop").click();
    harness.run();
    assert_eq!(harness.state().wish, Some(Command::Stop));
}

#[test]
fn a_failed_one_says_why_with_its_last_lines() {
    let run = tempfile::tempdir().unwrap();
    write_failed(run.path());
    let mut harness = show(Some(read(run.path())), Ok(()));
    harness.get_by_label("Failed");
    harness.get_by_label("dgpu: the device was lost; use another.");
    harness.get_by_label("Its last 2 lines");
    harness.get_by_label_contains("Error: device lost");
    harness.get_by_label("Resume").click();
    harness.run();
    assert_eq!(harness.state().wish, Some(Command::Resume));
}

/// A program that ends before it writes anything, as one does that refuses its run file.
#[cfg(unix)]
#[test]
fn one_that_never_began_cannot_be_resumed() {
    use trainyard_studio::run::{Phase, Program};

    let run = tempfile::tempdir().unwrap();
    let program = Program::find_in(None, Some("/bin/false".as_ref()), None).unwrap();
    let bell = Bell::new();
    let file = run.path().join("run.toml");
    let wake = bell.wake.clone();
    let started = Session::start(&program, &file, None, run.path(), Vec::new(), wake);
    let mut session = started.unwrap();
    bell.until(&mut session, "its end", |session| session.status().phase == Phase::Failed);
    assert!(!session.can_resume());
    let mut harness = show(Some(session), Ok(()));
    harness.get_by_label("Failed");
    assert!(harness.query_by_label("Resume").is_none());
    assert!(harness.query_by_label_contains("step 0 of 0").is_none());
    harness.get_by_label("Start anew").click();
    harness.run();
    assert_eq!(harness.state().wish, Some(Command::Run));
}

#[test]
fn long_last_lines_are_wrapped() {
    let run = tempfile::tempdir().unwrap();
    write_failed(run.path());
    std::fs::write(run.path().join("output.log"), "a long reason ".repeat(30)).unwrap();
    let harness = show(Some(read(run.path())), Ok(()));
    let lines = harness.get_by_label_contains("a long reason").rect();
    assert!(lines.right() <= 1000.0, "{lines}");
}

#[test]
fn a_finished_one_says_so() {
    let run = tempfile::tempdir().unwrap();
    write_run(run.path(), 500, &state_line("finished", 500, ""));
    let harness = show(Some(read(run.path())), Ok(()));
    harness.get_by_label("Finished");
    harness.get_by_label_contains("All 500 steps are done, validation loss 1.");
    assert!(harness.query_by_label("Stop").is_none());
}

#[test]
fn a_journal_with_garbled_lines_and_a_bad_loss_says_so() {
    let run = tempfile::tempdir().unwrap();
    let bad = r#"{"type":"step","at_ns":1,"step":4,"loss":null,"learning_rate":1,"grad_norm":null,"step_ns":1,"tokens_per_s":1}"#;
    write_run(run.path(), 3, &format!("{bad}\nxyz\n"));
    let harness = show(Some(read(run.path())), Ok(()));
    harness.get_by_label_contains("The loss is not a number since step 4");
    harness.get_by_label_contains("could not be read");
}

#[test]
fn prediction_stands_beside_measurement_and_asks_to_calibrate() {
    let run = tempfile::tempdir().unwrap();
    write_planned(run.path());
    let session = read(run.path());
    assert_eq!(session.remarks(), Vec::<String>::new());
    assert!(session.comparison().is_some());
    let mut harness = show(Some(session), Ok(()));
    harness.get_by_label("bubble");
    assert_eq!(harness.query_all_by_label("peak memory").count(), 2);
    // It is seen without scrolling, above the curves.
    let calibrate = harness.get_by_label("Calibrate").rect();
    let loss = harness.get_by_label_contains("Loss chart").rect();
    assert!(calibrate.bottom() < loss.top() && calibrate.bottom() < 430.0, "{calibrate}");
    for (width, height) in [(360.0, 860.0), (1000.0, 360.0), (360.0, 360.0)] {
        harness.set_size([width, height].into());
        harness.run();
    }
    // Where there is less room the devices are folded away.
    assert_eq!(harness.query_all_by_label("peak memory").count(), 0);
    harness.get_by_label("By device");
    harness.get_by_label("Calibrate").click();
    harness.run();
    assert_eq!(harness.state().wish, Some(Command::Calibrate));
}

#[test]
fn in_a_narrow_panel_nothing_is_cut_off() {
    let run = tempfile::tempdir().unwrap();
    write_planned(run.path());
    let mut harness = show(Some(read(run.path())), Ok(()));
    harness.set_size([260.0, 1600.0].into());
    harness.run();
    let place = |label: &str| harness.get_by_label(label).rect();
    let (title, calibrate) = (place("Predicted beside measured"), place("Calibrate"));
    assert!(!title.intersects(calibrate), "{title} {calibrate}");
    let (predicted, measured) = (place("predicted"), place("measured"));
    assert!(predicted.right() + 4.0 < measured.left(), "{predicted} {measured}");
    // A label's place is that of its letters: of what is cut off there is less than its words need.
    let subject = harness.get_by_label_contains("gpt, 1.23 M weights, in ").rect();
    assert!(subject.left() >= 0.0 && subject.right() <= 260.0, "{subject}");
    // All figures can be had, from a list in one line.
    let button = harness.get_by_role_and_label(egui::Role::ComboBox, "second chart");
    button.click();
    harness.run();
    harness.get_by_label("Gradient norm").click();
    harness.run();
    harness.get_by_label_contains("Gradient norm chart, now");
}

#[test]
fn a_corrected_prediction_stands_below_the_planned_one() {
    let run = tempfile::tempdir().unwrap();
    write_planned(run.path());
    let mut journal = File::options().append(true).open(run.path().join("journal.jsonl")).unwrap();
    let corrected = r#"{"type":"corrected","at_ns":1,"step":20,"step_us":1234,"factor":1.5,"reason":"the machine is busy"}"#;
    writeln!(journal, "{corrected}").unwrap();
    let session = read(run.path());
    assert_eq!(session.state().correction().unwrap().after_step, 20);
    let harness = show(Some(session), Ok(()));
    harness.get_by_label("step, planned");
    harness.get_by_label("step, corrected");
    harness.get_by_label("1.23 ms");
    harness.get_by_label("Corrected after step 20: the machine is busy");
    assert!(harness.query_by_label("step").is_none());
}

#[test]
fn every_metric_has_a_chart_by_its_name() {
    let run = tempfile::tempdir().unwrap();
    let step = r#"{"type":"step","at_ns":1,"step":4,"loss":1,"learning_rate":1,"grad_norm":1,"step_ns":1,"tokens_per_s":1,"metrics":{"accuracy":0.25,"perplexity":12.5}}"#;
    let validation = r#"{"type":"validation","at_ns":2,"step":4,"loss":1,"tokens":9,"whole":true,"metrics":{"accuracy":0.5}}"#;
    write_run(run.path(), 3, &format!("{step}\n{validation}\n"));
    let mut harness = show(Some(read(run.path())), Ok(()));
    for width in [1000.0, 400.0] {
        harness.set_size([width, 2000.0].into());
        harness.run();
        harness.get_by_label("accuracy");
        harness.get_by_label("accuracy chart, now 0.250, validation 0.500");
        harness.get_by_label("perplexity chart, now 12.500");
    }
}

#[test]
fn long_names_leave_room_for_the_figures() {
    let run = tempfile::tempdir().unwrap();
    write_run(run.path(), 30, "");
    let journal = run.path().join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let long = |name: &str| format!("\"{}\"", format!("{name} ünïcode ").repeat(14));
    let text = text.replace("\"dgpu\"", &long("dgpu")).replace("\"gpt\"", &long("gpt"));
    std::fs::write(&journal, text).unwrap();
    let mut harness = show(Some(read(run.path())), Ok(()));
    for width in [1024.0, 480.0] {
        harness.set_size([width, 640.0].into());
        harness.run();
        for label in ["1.07 GiB of 4.00 GiB", "Resume"] {
            let place = harness.get_by_label(label).rect();
            assert!(place.left() >= 0.0 && place.right() <= width, "{label} is at {place}");
        }
    }
}

#[test]
fn pictures() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| {
        let run = folder.path().join(name);
        std::fs::create_dir(&run).unwrap();
        run
    };
    let (running, failed, planned) = (run("running"), run("failed"), run("planned"));
    let _lock = write_running(&running);
    write_failed(&failed);
    write_planned(&planned);
    let mut results = egui_kittest::SnapshotResults::new();
    for (mode, name) in [(egui::Theme::Dark, "dark"), (egui::Theme::Light, "light")] {
        let mut empty = show_in(mode, None, Ok(()));
        results.add(empty.try_snapshot(format!("run_empty_{name}")));
        for run in [&running, &failed, &planned] {
            let mut window = show_in(mode, Some(read(run)), Ok(()));
            let run = run.file_name().unwrap().to_string_lossy();
            results.add(window.try_snapshot(format!("run_{run}_{name}")));
        }
    }
}
