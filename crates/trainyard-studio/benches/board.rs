//! What a movement of the pointer costs on the board: 64 layers, 8 devices, 64 micro-batches.

#![allow(clippy::expect_used, reason = "a bench may stop at what it does not expect")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use eframe::egui::{Context, RawInput, Rect, pos2};
use trainyard_plan::{DeviceProfile, LayerProfile, LinkCost, ModelProfile, Profile};
use trainyard_studio::board::Board;
use trainyard_studio::document::{Document, Edit, How};
use trainyard_studio::state::DocumentState;
use trainyard_studio::theme;

const LAYERS: usize = 64;
const DEVICES: usize = 8;
const MICRO_BATCHES: usize = 64;

fn document() -> Document {
    let layer = |index: usize| LayerProfile {
        name: format!("block{index}"),
        kind: "block".into(),
        param_bytes: 50 << 20,
        input_bytes: 4 << 20,
        output_bytes: 4 << 20,
        saved_bytes: 70 << 20,
        ..LayerProfile::default()
    };
    let model = ModelProfile {
        name: "gpt".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: (0..LAYERS).map(layer).collect(),
    };
    let device = |index: usize| {
        let times = vec![1000.0 + 50.0 * index as f64; LAYERS];
        DeviceProfile {
            id: format!("gpu{index}"),
            memory_bytes: 24 << 30,
            forward_us: times.clone(),
            input_grad_us: times.clone(),
            weight_grad_us: times,
            ..DeviceProfile::default()
        }
    };
    let devices = (0..DEVICES).map(device).collect();
    let default_link = Some(LinkCost { latency_us: 20.0, bytes_per_us: 10_000.0 });
    let profile = Profile { devices, default_link, ..Profile::new(model, MICRO_BATCHES) };
    Document::new(profile, None).expect("a sound profile")
}

fn preview(criterion: &mut Criterion) {
    let document = document();
    let edit = Edit::Move { layers: vec![(20, 22)], device: 3, how: How::Boundary };
    criterion.bench_function("preview of a move", |bencher| {
        bencher.iter(|| black_box(document.preview(&edit).is_ok()));
    });
}

fn frame(criterion: &mut Criterion) {
    let (state, mut board) = (DocumentState::new(document()), Board::default());
    let context = Context::default();
    theme::install(&context);
    let mut draw = || {
        let screen_rect = Some(Rect::from_min_max(pos2(0.0, 0.0), pos2(1920.0, 700.0)));
        let input = RawInput { screen_rect, ..RawInput::default() };
        let mut output = context.run_ui(input, |ui| {
            let mut out = Vec::new();
            board.show(ui, &state, Some(1e6), &mut out);
            black_box(out.len());
        });
        output.textures_delta.clear();
        context.tessellate(output.shapes, output.pixels_per_point).len()
    };
    criterion.bench_function("frame of the board, tessellated", |bencher| {
        bencher.iter(|| black_box(draw()));
    });
}

criterion_group!(benches, preview, frame);
criterion_main!(benches);
