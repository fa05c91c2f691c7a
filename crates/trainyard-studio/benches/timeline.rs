//! What a frame of the timeline costs on the CPU with a million events: laying out its rows and making
//! its rectangles, at every zoom, and adding a step to a running trace. The aim is 4 ms a frame.
//!
//! `cargo bench -p trainyard-studio --bench timeline`

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use eframe::egui::{Rect, pos2, vec2};
use trainyard_plan::{
    Action, ActionKind, Lane, MemorySample, Trace, TraceDevice, TraceEvent, chrome,
};
use trainyard_studio::theme;
use trainyard_studio::timeline::{
    Anchors, ForeignScene, Picture, Scene, Scenes, Sheet, Source, View, layout, statistics,
};

const DEVICES: usize = 8;
const MICRO_BATCHES: usize = 32;
const EVENTS: usize = 1_000_000;
/// What a micro-batch of a device is: forward and backward, each with its receive and its send.
const A_MICRO_BATCH: usize = 6;

fn devices() -> Vec<TraceDevice> {
    let device = |index| TraceDevice {
        id: format!("gpu{index}"),
        name: "a device".to_owned(),
        budget_bytes: 8 << 30,
    };
    (0..DEVICES).map(device).collect()
}

/// Steps of a pipeline that fills and drains, with uneven times.
fn steps(numbers: std::ops::Range<u64>, trace: &mut Trace) {
    use ActionKind::{
        Backward, Forward, Optimizer, RecvBackward, RecvForward, SendBackward, SendForward,
    };
    for step in numbers {
        for device in 0..DEVICES {
            let mut at = step * 80_000_000 + device as u64 * 900_000;
            let mut add = |lane, kind, micro_batch, length: u64| {
                let action = Action::new(device, kind, micro_batch);
                let (start_ns, end_ns) = (at, at + length);
                let bytes = if lane == Lane::Compute { 0 } else { 1 << 20 };
                trace.events.push(TraceEvent {
                    step,
                    device,
                    lane,
                    action,
                    start_ns,
                    end_ns,
                    bytes,
                    peer: None,
                });
                at = end_ns + length / 7;
                trace.memory.push(MemorySample {
                    at_ns: end_ns,
                    device,
                    in_use_bytes: (1 << 30) + (end_ns % 977) * (1 << 20),
                    ..MemorySample::default()
                });
            };
            for micro_batch in 0..MICRO_BATCHES {
                let uneven = ((step * 31 + micro_batch as u64 * 17) % 40) * 10_000;
                add(Lane::TransferIn, RecvForward, micro_batch, 60_000);
                add(Lane::Compute, Forward, micro_batch, 500_000 + uneven);
                add(Lane::TransferOut, SendForward, micro_batch, 60_000);
                add(Lane::TransferIn, RecvBackward, micro_batch, 60_000);
                add(Lane::Compute, Backward, micro_batch, 900_000 + uneven);
                add(Lane::TransferOut, SendBackward, micro_batch, 60_000);
            }
            add(Lane::Compute, Optimizer, 0, 2_000_000);
        }
    }
}

fn million() -> (Scene, u64) {
    let count = EVENTS.div_ceil(DEVICES * (MICRO_BATCHES * A_MICRO_BATCH + 1)) as u64;
    let mut trace = Trace { devices: devices(), ..Trace::default() };
    steps(1..count + 1, &mut trace);
    (Scene::new(&trace, Source::Measured), count)
}

/// What a frame of a 4K window's whole width asks for.
fn frame(scene: &Scene, view: View) -> Picture {
    let scenes = Scenes { measured: Some(scene), ..Scenes::default() };
    let anchors = Anchors { measured: scene.extent_ns().0, ..Anchors::default() };
    picture(scenes, anchors, view)
}

fn picture(scenes: Scenes, anchors: Anchors, view: View) -> Picture {
    let plot = Rect::from_min_size(pos2(172.0, 60.0), vec2(1600.0, 900.0));
    let (groups, _) = layout(&scenes, plot.height());
    let sheet = Sheet {
        scenes,
        anchors,
        groups: &groups,
        view,
        plot,
        clip: plot,
        scale: 2.0,
        theme: &theme::DARK,
    };
    sheet.picture()
}

/// A trace of another program: nested spans on some threads, as text.
fn foreign_text() -> String {
    let mut text = String::from("[");
    for index in 0..EVENTS {
        let (thread, depth) = (index % 16, index / 16 % 4);
        let at = 1_900_000_000_000_000 + index as u64 / 64 * 100 + depth as u64;
        let _ = write!(
            text,
            r#"{{"ph":"X","name":"call {}","cat":"c","pid":1,"tid":{thread},"ts":{at},"dur":{},"args":{{"n":{index}}}}},"#,
            index % 97,
            90 - 10 * depth,
        );
    }
    text
}

/// A million spans of another program: reading them, and a frame at every zoom.
fn foreign(criterion: &mut Criterion) {
    let text = foreign_text();
    criterion.bench_function("reading a million events of another program", |bencher| {
        bencher.iter_batched(
            || text.clone(),
            |text| chrome::from_json(text).map(|file| ForeignScene::new(file.foreign)),
            criterion::BatchSize::PerIteration,
        );
    });
    let Ok(file) = chrome::from_json(text) else { return };
    let scene = ForeignScene::new(file.foreign);
    let (start, end) = scene.extent_ns();
    let whole = (end - start) as f64;
    let scenes = Scenes { foreign: Some(&scene), ..Scenes::default() };
    let anchors = Anchors { foreign: start, ..Anchors::default() };
    for (name, share) in [("everything", 1.0), ("a hundredth", 0.01), ("a thousandth", 0.001)] {
        let view = View { start: whole * 0.4, end: whole * (0.4 + share) };
        criterion.bench_function(
            &format!("a frame of another program's million, {name}"),
            |bencher| {
                bencher.iter(|| black_box(picture(black_box(scenes), anchors, view)));
            },
        );
    }
}

fn timeline(criterion: &mut Criterion) {
    let (scene, count) = million();
    let (start, end) = scene.extent_ns();
    let whole = (end - start) as f64;
    println!("{} events in {count} steps", scene.events().len());
    for (name, share) in
        [("everything", 1.0), ("a tenth", 0.1), ("a hundredth", 0.01), ("a step", 80e6 / whole)]
    {
        let middle = whole * 0.4;
        let view = View { start: middle - share * whole * 0.4, end: middle + share * whole * 0.6 };
        println!("{name}: {} rectangles", frame(&scene, view).quads.len());
        criterion.bench_function(&format!("a frame of a million events, {name}"), |bencher| {
            bencher.iter(|| black_box(frame(black_box(&scene), view)));
        });
    }
    let [before, more] = [count + 1, count + 2].map(|step| {
        let mut trace = Trace { devices: devices(), ..Trace::default() };
        steps(step..step + 1, &mut trace);
        trace
    });
    criterion.bench_function("a step added to a million events", |bencher| {
        bencher.iter_batched_ref(
            || {
                // A copy has no room to grow; one that has grown before has.
                let mut scene = scene.clone();
                scene.extend(&before.events, &before.memory);
                scene
            },
            |scene| scene.extend(&more.events, &more.memory),
            criterion::BatchSize::PerIteration,
        );
    });
    criterion.bench_function("statistics of a million events", |bencher| {
        bencher.iter(|| black_box(statistics(&scene, start, end)));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = timeline, foreign
}
criterion_main!(benches);
