//! Traces and journals that are opened without the plan they belong to.

use std::fs;
use std::io::Write;

use egui_kittest::kittest::Queryable;
use flate2::Compression;
use flate2::write::GzEncoder;
use trainyard_plan::{Trace, chrome};
use trainyard_studio::Studio;
use trainyard_studio::command::{Command, Export};
use trainyard_studio::document::Document;
use trainyard_studio::run::Session;

use crate::support::{Window, error, folder, open, perform, settle, until, window};

fn is_shown(window: &Window, label: &str) -> bool {
    window.query_all_by_label_contains(label).next().is_some()
}

/// A trace of the example, on devices of other names.
fn foreign() -> Trace {
    let mut trace = Trace::clone(&Document::example().unwrap().present().trace);
    for device in &mut trace.devices {
        device.name.push_str(" of another machine");
    }
    trace
}

#[test]
fn a_trace_of_the_documents_devices_lies_beside_the_plan_until_it_is_closed() {
    let folder = folder();
    let mut window = window();
    open(&mut window, &folder.path().join("trace.json"));
    assert_eq!(error(&window), "");
    let facts = window.state().facts();
    assert!(facts.measured && facts.trace && !facts.trace_only);
    assert!(is_shown(&window, "/trace.json") && is_shown(&window, "column of dgpu"));
    window.get_by_label("Close trace").click();
    window.run_ok();
    let facts = window.state().facts();
    assert!(!facts.measured && !facts.trace);
    assert!(!is_shown(&window, "/trace.json"));
}

#[test]
fn a_trace_of_other_devices_is_shown_without_the_open_plan() {
    let folder = folder();
    let file = folder.path().join("other.json");
    fs::write(&file, chrome::to_string(&foreign())).unwrap();
    let mut window = window();
    open(&mut window, &file);
    assert_eq!(error(&window), "");
    assert!(window.state().facts().trace_only);
    assert!(
        is_shown(&window, "a trace without a plan") && is_shown(&window, "other.json has no plan")
    );
    assert!(!is_shown(&window, "column of dgpu") && !is_shown(&window, "fits"));
    // The timeline has the window to itself.
    let rows = window.get_by_label_contains("Timeline; ").rect();
    assert!(rows.height() > 600.0, "{rows}");
    // Nothing that would change or show what is out of sight may be done.
    let before = window.state().document().arrangement().clone();
    for command in
        [Command::AutoPlan, Command::Run, Command::SavePlan, Command::Export(Export::BoardPng)]
    {
        let facts = window.state().facts();
        assert!(command.unavailable(&facts).is_some_and(|why| why.contains("has no plan")));
    }
    assert!(Command::Export(Export::Perfetto).unavailable(&window.state().facts()).is_none());
    perform(&mut window, Command::CloseTrace);
    assert!(is_shown(&window, "column of dgpu") && is_shown(&window, "✔ fits"));
    assert_eq!(*window.state().document().arrangement(), before);
}

#[test]
fn a_trace_of_another_program_has_the_window_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"[{"ph": "X", "name": "work", "pid": 7, "tid": "main", "ts": 1e15, "dur": 5},
        {"ph": "X", "name": "work", "pid": 7, "tid": "main", "ts": 1e15, "dur"#;
    let mut archive = GzEncoder::new(Vec::new(), Compression::default());
    archive.write_all(text.as_bytes()).unwrap();
    let archive = archive.finish().unwrap();
    for (name, bytes) in [
        ("cut.json", text.as_bytes()),
        ("cut.json.gz", &archive),
        ("cut archive", &archive[..archive.len() - 9]),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        let mut window = window();
        open(&mut window, &file);
        assert_eq!(error(&window), "", "{name}");
        assert!(is_shown(&window, "a trace of another program"), "{name}");
        assert!(is_shown(&window, "another program: 1 spans on 1 threads"), "{name}");
        assert!(is_shown(&window, "breaks off") && !is_shown(&window, "column of dgpu"), "{name}");
        // There is nothing in it that these could write.
        for export in [Export::Events, Export::Memory, Export::Json, Export::Perfetto] {
            let facts = window.state().facts();
            assert!(Command::Export(export).unavailable(&facts).is_some(), "{export:?}");
        }
        let picture = Command::Export(Export::TimelinePng);
        assert_eq!(picture.unavailable(&window.state().facts()), None);
        perform(&mut window, Command::CloseTrace);
        assert!(is_shown(&window, "column of dgpu"), "{name}");
    }
}

#[test]
fn what_is_no_file_of_ours_is_named_for_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("profile.json");
    let perfetto = [0x0A, 3, 8, 1, 1, 0x0A, 2, 8, 1];
    let cases: [(&[u8], &str); 5] = [
        (b"\x89PNG\r\n\x1a\n", "is a PNG picture, not"),
        (b"<!doctype html><p>Not found", "is an HTML page, not"),
        (
            b"{\"architectures\": [], \"model_type\": \"gpt2\"}",
            "what it needs is worked out by a program that is not there",
        ),
        (&perfetto, "traceconv json"),
        (b"PK\x03\x04", "is a ZIP archive, not"),
    ];
    for (bytes, words) in cases {
        fs::write(&file, bytes).unwrap();
        let mut window = window();
        open(&mut window, &file);
        assert!(error(&window).contains(words), "{}", error(&window));
    }
}

#[test]
fn opening_a_plan_takes_the_place_of_a_trace() {
    let folder = folder();
    let file = folder.path().join("other.json");
    fs::write(&file, chrome::to_string(&foreign())).unwrap();
    let mut window = window();
    open(&mut window, &file);
    open(&mut window, &folder.path().join("plan.json"));
    let facts = window.state().facts();
    assert!(!facts.trace_only && !facts.trace);
    assert!(is_shown(&window, "column of dgpu"));
}

#[test]
fn a_run_that_goes_on_does_not_lie_beside_a_plan_of_other_devices_and_its_end_is_told() {
    let run = tempfile::tempdir().unwrap();
    let header = r#"{"type":"header","format":"trainyard-journal","version":1,"program":"0.1.0","started_unix_ms":1,"first_step":0,"steps":4,"model":"gpt","parameters":10,"devices":[{"id":"left","name":"it","budget_bytes":1000}]}"#;
    let action = r#"{"type":"action","step":1,"device":0,"lane":"compute","action":"0OPT0","start_ns":1,"end_ns":900}"#;
    let journal = run.path().join("journal.jsonl");
    fs::write(&journal, format!("{header}\n{action}\n")).unwrap();
    fs::write(run.path().join(".lock"), "process 4294967\n").unwrap();
    let lock = fs::File::open(run.path().join(".lock")).unwrap();
    lock.lock().unwrap();
    let mut window = window();
    open(&mut window, run.path());
    until(&mut window, "the run", |it| it.facts().running && it.facts().measured);
    let folder = folder();
    open(&mut window, &folder.path().join("profile.json"));
    window.run_ok();
    let facts = window.state().facts();
    assert!(facts.running && !facts.trace_only && !facts.measured);
    assert!(is_shown(&window, "of another plan") && is_shown(&window, "column of dgpu"));
    let end = r#"{"type":"state","at_ns":900,"state":"finished","step":4}"#;
    fs::write(&journal, format!("{header}\n{action}\n{end}\n")).unwrap();
    drop(lock);
    until(&mut window, "its end", |it| !it.facts().running);
    assert!(is_shown(&window, "The training in ") && is_shown(&window, " is finished"));
}

#[test]
fn of_a_long_run_the_newest_steps_are_shown_which_is_said_and_all_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let header = r#"{"type":"header","format":"trainyard-journal","version":1,"program":"0.1.0","started_unix_ms":1,"first_step":0,"steps":300,"model":"gpt","parameters":10,"devices":[{"id":"cpu","name":"it","budget_bytes":1000}]}"#;
    let mut journal = format!("{header}\n");
    for step in 1..=300_u64 {
        let (start, end) = (step * 1000, step * 1000 + 900);
        for (action, start, end) in [("0F0", start, start + 500), ("0OPT0", start + 500, end)] {
            let line = format!(
                r#"{{"type":"action","step":{step},"device":0,"lane":"compute","action":"{action}","start_ns":{start},"end_ns":{end}}}"#
            );
            journal.extend([line.as_str(), "\n"]);
        }
        let line = format!(
            r#"{{"type":"step","at_ns":{end},"step":{step},"loss":1,"learning_rate":1,"grad_norm":1,"step_ns":900,"tokens_per_s":1}}"#
        );
        journal.extend([line.as_str(), "\n"]);
    }
    journal.push_str(r#"{"type":"state","at_ns":301000,"state":"finished","step":300}"#);
    journal.push('\n');
    fs::write(folder.path().join("journal.jsonl"), journal).unwrap();
    let mut window = window();
    open(&mut window, folder.path());
    let is_read = |it: &Studio| it.state().run.session().is_some_and(|it| it.state().step() == 300);
    until(&mut window, "the whole journal", is_read);
    assert!(is_shown(&window, "The newest ") && is_shown(&window, " of 300 steps."));
    assert!(window.query_by_label("Steps: 300, step 300 is shown").is_none());
    window.get_by_label("Show all steps").click();
    window.step();
    settle(&mut window);
    assert_eq!(error(&window), "");
    window.get_by_label("Steps: 300, step 300 is shown");
    assert!(!is_shown(&window, "The newest "));
    // The run itself is watched on, and its newest steps are back when the trace is closed.
    perform(&mut window, Command::CloseTrace);
    assert!(is_shown(&window, "The newest "));
}

#[test]
fn a_run_without_a_plan_does_not_lie_over_the_example() {
    let folder = tempfile::tempdir().unwrap();
    let header = r#"{"type":"header","format":"trainyard-journal","version":1,"program":"0.1.0","started_unix_ms":1,"first_step":0,"steps":4,"model":"gpt","parameters":10,"devices":[{"id":"cpu","name":"it","budget_bytes":1000}]}"#;
    fs::write(folder.path().join("journal.jsonl"), format!("{header}\n")).unwrap();
    let mut window = window();
    open(&mut window, folder.path());
    let has_devices = |it: &Session| !it.state().trace().devices.is_empty();
    until(&mut window, "the journal", |it| it.state().run.session().is_some_and(has_devices));
    assert!(is_shown(&window, "a run without a plan"));
    assert!(!is_shown(&window, "column of dgpu"));
    perform(&mut window, Command::OpenExample);
    assert!(is_shown(&window, "column of dgpu"));
}
