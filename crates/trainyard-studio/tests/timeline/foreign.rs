//! Traces of other programs in the timeline, as a person uses it.

use eframe::egui;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use serde_json::{Value, json};
use trainyard_plan::chrome::{self, TraceFile};
use trainyard_studio::timeline::{ForeignScene, RowKind, Scene, Scenes, Source, layout};

use crate::samples;
use crate::widget::{State, click, drag, harness, plot, with_foreign};

fn read(events: &[Value]) -> TraceFile {
    chrome::from_json(json!(events).to_string()).unwrap()
}

/// Calls on a thread, kernels on a stream that they lead to, and a counter.
fn profile() -> Vec<Value> {
    let mut events = vec![
        json!({"ph": "M", "name": "process_name", "pid": 42, "args": {"name": "python"}}),
        json!({"ph": "M", "name": "thread_name", "pid": 0, "tid": "stream 7", "args": {"name": "stream 7"}}),
        json!({"ph": "M", "name": "process_name", "pid": 0, "args": {"name": "a card"}}),
        json!({"ph": "M", "name": "process_sort_index", "pid": 0, "args": {"sort_index": 9}}),
        json!({"ph": "X", "name": "step", "cat": "user", "pid": 42, "tid": "42", "ts": 0, "dur": 1000}),
    ];
    for index in 0..10 {
        let at = 100 * index;
        let name = ["aten::mm", "aten::gelu"][index % 2];
        events.extend([
            json!({"ph": "X", "name": name, "cat": "cpu_op", "pid": 42, "tid": 42, "ts": at + 5, "dur": 80,
                "args": {"Input Dims": [[index, 64]]}}),
            json!({"ph": "s", "id": index, "cat": "ac2g", "pid": 42, "tid": 42, "ts": at + 20}),
            json!({"ph": "f", "bp": "e", "id": index, "cat": "ac2g", "pid": 0, "tid": "stream 7", "ts": at + 40}),
            json!({"ph": "X", "name": "gemm_128x64", "cat": "kernel", "pid": 0, "tid": "stream 7", "ts": at + 40, "dur": 50}),
            json!({"ph": "C", "name": "allocated", "pid": 0, "ts": at + 40, "args": {"bytes": 1_000_000 * (index % 3)}}),
        ]);
    }
    events
}

fn shown() -> Harness<'static, State> {
    let state = with_foreign(None, ForeignScene::new(read(&profile()).foreign));
    let mut harness = harness(state, [1400.0, 420.0], egui::Theme::Dark);
    harness.run();
    harness
}

/// In the lane of the first thread's calls, in the middle of the one of a number.
fn on_call(harness: &Harness<State>, number: f32) -> egui::Pos2 {
    let plot = plot(harness);
    let (start, end) = harness.state().output.visible;
    let share = (f64::from(number) * 100_000.0 + 45_000.0 - start) / (end - start);
    egui::pos2(plot.left() + share as f32 * plot.width(), plot.top() + 100.0)
}

fn selected(harness: &Harness<State>) -> String {
    let state = harness.state();
    let foreign = state.foreign.as_ref().unwrap();
    let span = state.output.selected_span.and_then(|index| foreign.span(index));
    span.map_or_else(String::new, |span| foreign.name(span).to_owned())
}

#[test]
fn threads_lie_below_their_processes_and_what_is_nested_in_lanes() {
    let scene = ForeignScene::new(read(&profile()).foreign);
    let scenes = Scenes { foreign: Some(&scene), ..Scenes::default() };
    let (groups, height) = layout(&scenes, 0.0);
    let rows: Vec<_> = groups
        .iter()
        .map(|group| (group.id.as_str(), group.rows.iter().map(|row| row.kind).collect::<Vec<_>>()))
        .collect();
    let spans = |thread, lane| RowKind::Spans { thread, lane };
    let expected = [
        ("thread 42", vec![RowKind::Process(0), spans(0, 0), spans(0, 1)]),
        ("stream 7", vec![RowKind::Process(1), spans(1, 0)]),
        ("allocated", vec![RowKind::Counter(0)]),
    ];
    assert_eq!(rows, expected);
    let ends = groups.iter().flat_map(|group| &group.rows).map(|row| row.top + row.height);
    assert!(ends.is_sorted_by(|a, b| a < b) && height > 0.0);
}

#[test]
fn a_click_shows_name_and_arguments_and_flows_are_walked() {
    let mut harness = shown();
    let at = on_call(&harness, 3.0);
    click(&mut harness, at);
    assert_eq!(selected(&harness), "aten::gelu");
    for label in ["cpu_op", "python", "thread 42", "Input Dims", "[[3,64]]"] {
        assert!(harness.query_all_by_label_contains(label).next().is_some(), "{label}");
    }
    harness.key_press(egui::Key::CloseBracket);
    harness.run();
    assert_eq!(selected(&harness), "gemm_128x64");
    harness.key_press(egui::Key::Period);
    harness.run();
    harness.key_press(egui::Key::OpenBracket);
    harness.run();
    assert_eq!(selected(&harness), "aten::mm", "the call of the next kernel");
    harness.key_press(egui::Key::Escape);
    harness.run();
    assert_eq!(selected(&harness), "");
}

#[test]
fn names_are_found_and_a_range_says_what_took_its_time() {
    let mut harness = shown();
    harness.get_by_label("Search the timeline").focus();
    harness.run();
    harness.get_by_label("Search the timeline").type_text("gemm stream");
    harness.run();
    harness.get_by_label("10 found");
    let (from, to) = (on_call(&harness, 0.0), on_call(&harness, 9.0));
    drag(&mut harness, from, to);
    harness.get_by_label_contains("Range of ");
    assert!(harness.query_all_by_label("gemm_128x64").next().is_some());
}

#[test]
fn what_is_in_one_file_with_ours_lies_below_it_on_the_same_clock() {
    let measured = samples::measured(2);
    let text = chrome::to_string(&measured);
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let start = measured.events.iter().map(|event| event.start_ns).min().unwrap();
    let foreign =
        json!({"ph": "X", "name": "mine", "pid": 9, "tid": 9, "ts": start / 1000, "dur": 50});
    file["traceEvents"].as_array_mut().unwrap().push(foreign);
    let TraceFile { trace, foreign, .. } = chrome::from_json(file.to_string()).unwrap();
    let scene = Scene::new(&trace, Source::Measured);
    let foreign = ForeignScene::new(foreign);
    let scenes = Scenes { measured: Some(&scene), foreign: Some(&foreign), ..Scenes::default() };
    let (groups, _) = layout(&scenes, 0.0);
    let ids: Vec<&str> = groups.iter().map(|group| group.id.as_str()).collect();
    let devices = trace.devices.iter().map(|device| device.id.as_str());
    assert_eq!(ids, devices.chain(["thread 9"]).collect::<Vec<_>>());
    let state = with_foreign(Some(scene), foreign);
    let mut harness = harness(state, [1400.0, 500.0], egui::Theme::Dark);
    harness.run();
    harness.get_by_label_contains("another program: 1 spans on 1 threads");
}

#[test]
fn snapshots() {
    let mut harness = shown();
    let at = on_call(&harness, 3.0);
    click(&mut harness, at);
    harness.remove_cursor();
    harness.run();
    harness.snapshot("timeline-foreign");
}
