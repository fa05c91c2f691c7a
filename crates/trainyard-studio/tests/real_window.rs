//! The real window, on an X server of its own: what a person does from the first start to a
//! training that is done.
#![cfg(all(feature = "inspection", target_os = "linux"))]
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, unreachable_pub, reason = "the client can do more than this test needs")]

mod inspection;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eframe::egui::accesskit::{Node, Role};
use eframe::egui::{Key, Modifiers, Pos2};
use inspection::{Window, name_of, place};
use trainyard_plan::Plan;
use trainyard_plan::journal::{Record, State};
use trainyard_studio::run::{Program, Writer};

/// Ctrl, as egui has it where there is no Mac.
const CTRL: Modifiers = Modifiers { ctrl: true, command: true, ..Modifiers::NONE };

#[test]
fn the_example_is_drawn_and_a_layer_dragged_to_another_device_and_back() {
    let Some(mut window) = Window::open(&[]) else { return };
    let block1 = layer(&mut window, "block1", "dgpu");
    let block0 = layer(&mut window, "block0", "igpu");
    window.settle();
    let step = step_time(&mut window);
    picture(&mut window, "studio-example.png");

    window.drag(middle(&block1), middle(&block0));
    layer(&mut window, "block1", "igpu");
    window.settle();
    assert_ne!(step_time(&mut window), step, "another plan takes as long");
    picture(&mut window, "studio-dragged.png");

    window.key(CTRL, Key::Z);
    layer(&mut window, "block1", "dgpu");
    window.settle();
    assert_eq!(step_time(&mut window), step);
}

#[test]
fn a_run_file_is_planned_the_plan_changed_by_hand_and_trained_to_its_end() {
    if !there_is_a_program() {
        return;
    }
    let yard = Yard::new(40);
    let Some(mut window) = Window::open(&[&yard.run_file()]) else { return };

    // Whatever the planner thinks best, the output layer shall be computed on the other device.
    let is_last = |name: &str| name.contains("layer 4 of 4, on ");
    wait_for_name(&mut window, "the mlp's last layer", is_last);
    // What was only just opened still moves to its place.
    window.settle();
    let output = wait_for_name(&mut window, "the mlp's last layer", is_last);
    let named = name_of(&output).unwrap_or_default().to_owned();
    let other = if named.contains("on left") { "right" } else { "left" };
    let column =
        wait_for_name(&mut window, other, |name| name.starts_with(&format!("column of {other},")));
    window.drag(middle(&output), middle(&column));
    let moved = format!("layer 4 of 4, on {other},");
    wait_for_name(&mut window, &moved, |name| name.contains(&moved));

    run(&mut window);
    window.find("Finished");
    wait_for_name(&mut window, "its last step", |name| name == "Progress: step 40 of 40");
    wait_for_name(&mut window, "what came of it", |name| name.starts_with("All 40 steps are done"));
    window.settle();
    picture(&mut window, "studio-finished.png");

    let directory = yard.run_directory();
    let plan = Plan::from_json(&read(&directory, "plan.json")).expect("a plan");
    let last = plan.stages.last().expect("stages");
    assert_eq!(last.device, other, "{plan:?}");
    let trace: serde_json::Value =
        serde_json::from_str(&read(&directory, "trace.json")).expect("JSON");
    assert!(trace["traceEvents"].as_array().is_some_and(|events| !events.is_empty()));
    let records: Vec<Record> = read(&directory, "journal.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a record"))
        .collect();
    let steps = records.iter().filter(|record| matches!(record, Record::Step { .. }));
    assert_eq!(steps.count(), 40);
    let finished =
        |record: &&Record| matches!(record, Record::State { state: State::Finished, .. });
    assert!(records.iter().rev().find(finished).is_some());
}

#[test]
fn a_training_that_is_killed_is_told_in_words_and_the_window_stays() {
    if !there_is_a_program() {
        return;
    }
    let yard = Yard::new(10_000_000);
    let Some(mut window) = Window::open(&[&yard.run_file()]) else { return };
    wait_for_name(&mut window, "the mlp", |name| name.contains("layer 4 of 4, on "));
    run(&mut window);
    wait_for_name(&mut window, "steps", |name| {
        name.starts_with("Progress: step ") && !name.starts_with("Progress: step 0 ")
    });
    assert!(yard.kill(), "no training writes {}", yard.run_directory().display());
    window.find("Failed");
    wait_for_name(&mut window, "why", |name| name.contains("was killed (signal 9)"));
    window.find("Resume");
    window.settle();
    picture(&mut window, "studio-killed.png");
    assert!(window.is_open());
    // It is not only open: it still does what it is told.
    window.key(CTRL, Key::K);
    window.find("Find a command or a recent file");
}

/// A folder with a run file; what trains in it ends with the test.
struct Yard(tempfile::TempDir);

impl Yard {
    fn new(steps: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = RUN_FILE.replace("STEPS", &steps.to_string());
        fs::write(folder.path().join("tiny.toml"), text).expect("a run file");
        Self(folder)
    }

    fn run_file(&self) -> String {
        self.0.path().join("tiny.toml").display().to_string()
    }

    /// Where the studio puts the first run of that file.
    fn run_directory(&self) -> PathBuf {
        self.0.path().join("runs").join("tiny")
    }

    /// Kills what trains, as the system does when memory is short; whether anything did.
    fn kill(&self) -> bool {
        let Writer::Running(Some(id)) = Writer::of(&self.run_directory()) else { return false };
        let kill = ["-c", "kill -9 $0", &id.to_string()];
        Command::new("/bin/sh").args(kill).status().is_ok_and(|status| status.success())
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.kill();
    }
}

const RUN_FILE: &str = r#"
[model]
kind = "mlp"
inputs = 2
hidden = 32
outputs = 2
layers = 4

[data]
builtin = "spiral"

[train]
steps = STEPS
batch = 64
micro_batches = 4

[[device]]
id = "left"
adapter = "cpu"
threads = 1
memory = "16 MiB"

[[device]]
id = "right"
adapter = "cpu"
threads = 1
memory = "16 MiB"
"#;

/// Whether the studio under test will find `trainyard`: beside itself, or by `TRAINYARD_PROGRAM`.
fn there_is_a_program() -> bool {
    let beside = Path::new(env!("CARGO_BIN_EXE_trainyard-studio")).parent();
    let variable = std::env::var_os("TRAINYARD_PROGRAM");
    let found = Program::find_in(beside, variable.as_deref(), None);
    if let Err(missing) = &found {
        inspection::require::skip(format!(
            "{missing}; `cargo build` of the whole workspace puts it there"
        ));
    }
    found.is_ok()
}

/// Presses the button Run, not the menu of that name, which is left of it.
fn run(window: &mut Window) {
    window.settle();
    let buttons = window
        .nodes()
        .into_iter()
        .filter(|node| node.role() == Role::Button && name_of(node) == Some("Run"));
    let rightmost = buttons.max_by(|a, b| middle(a).x.total_cmp(&middle(b).x));
    window.click_on(&rightmost.expect("a button Run"));
}

/// Waits until a layer is on a device.
fn layer(window: &mut Window, name: &str, device: &str) -> Node {
    wait_for_name(window, &format!("{name} on {device}"), |text| {
        text.starts_with(&format!("{name}, layer ")) && text.contains(&format!(" on {device},"))
    })
}

fn wait_for_name(window: &mut Window, what: &str, is_it: impl Fn(&str) -> bool) -> Node {
    window.wait_for(what, |node| name_of(node).is_some_and(&is_it))
}

/// The predicted step time that the header says: what is written right of “step”.
fn step_time(window: &mut Window) -> String {
    let nodes = window.nodes();
    let word = nodes.iter().find(|node| name_of(node) == Some("step")).expect("a step time");
    let named = nodes.iter().filter(|node| name_of(node).is_some() && node.bounds().is_some());
    let beside = named.filter(|node| {
        (middle(node).y - middle(word).y).abs() < 3.0 && place(node).left() > place(word).left()
    });
    let nearest = beside.min_by(|a, b| place(a).left().total_cmp(&place(b).left()));
    nearest.and_then(name_of).expect("a step time").to_owned()
}

/// Keeps what the window shows, and says where.
fn picture(window: &mut Window, name: &str) {
    let (path, size) = window.screenshot(name);
    eprintln!("a picture of the window is kept in {}", path.display());
    let image = image::open(&path).expect("a PNG").to_rgb8();
    assert_eq!(image.dimensions(), (size[0], size[1]));
    let first = image.get_pixel(0, 0);
    assert!(image.pixels().any(|pixel| pixel != first), "an empty window: {}", path.display());
}

fn middle(node: &Node) -> Pos2 {
    place(node).center()
}

fn read(directory: &Path, name: &str) -> String {
    let path = directory.join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
