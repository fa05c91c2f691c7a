//! The shader and its twin on the CPU draw the same pixels, on the adapter that tests run on.

use eframe::egui::{self, Color32};
use egui_kittest::Harness;
use proptest::prelude::*;
use trainyard_studio::theme::Pattern;
use trainyard_studio::timeline::{Look, Quad, twin};

const SIZE: usize = 96;

fn patterns() -> [Pattern; 6] {
    [
        Pattern::Solid,
        Pattern::Rising,
        Pattern::Falling,
        Pattern::Crossed,
        Pattern::Dotted,
        Pattern::Level,
    ]
}

fn any_quad() -> impl Strategy<Value = Quad> {
    let edge = || -20.0f32..120.0;
    let colour =
        || any::<[u8; 4]>().prop_map(|[r, g, b, a]| Color32::from_rgba_unmultiplied(r, g, b, a));
    (edge(), edge(), edge(), edge(), colour(), colour(), 0usize..6, any::<bool>()).prop_map(
        |(x0, y0, x1, y1, fill, ink, pattern, border)| {
            let edges = [x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1)];
            let quad = Quad::patterned(edges, fill, ink, patterns()[pattern]);
            if border { quad.bordered() } else { quad }
        },
    )
}

fn look(scale: f32) -> Look {
    let size = SIZE as f32;
    Look { screen: [size, size], origin: [3.25, 1.5], scale, padding: [0.0; 3] }
}

/// What the shader draws.
fn on_gpu(quads: Vec<Quad>, look: Look) -> image::RgbaImage {
    let setup = egui_kittest::wgpu::default_wgpu_setup();
    let options = eframe::egui_wgpu::RendererOptions::PREDICTABLE;
    let state = egui_kittest::wgpu::create_render_state(setup, options);
    trainyard_studio::timeline::install(&state);
    let renderer = egui_kittest::wgpu::WgpuTestRenderer::from_render_state(state);
    let mut harness = Harness::builder()
        .with_size([SIZE as f32, SIZE as f32])
        .renderer(renderer)
        .build_ui(move |ui| {
            let rect = ui.ctx().content_rect();
            ui.ctx()
                .layer_painter(egui::LayerId::background())
                .add(trainyard_studio::timeline::shape(rect, 1, quads.clone(), look));
        });
    harness.run();
    harness.render().unwrap()
}

/// The largest difference of a channel of a pixel, and where.
fn difference(gpu: &image::RgbaImage, cpu: &egui::ColorImage) -> (u8, usize) {
    let pixels = gpu.pixels().zip(&cpu.pixels).enumerate();
    let far = |(at, (gpu, cpu)): (usize, (&image::Rgba<u8>, &Color32))| {
        let channels = gpu.0.iter().zip(cpu.to_array()).take(3);
        (channels.map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0), at)
    };
    pixels.map(far).max().unwrap_or((0, 0))
}

/// On black, so that transparency is the same however a picture stores it.
fn background() -> Quad {
    Quad::solid([0.0, 0.0, SIZE as f32, SIZE as f32], Color32::BLACK)
}

fn compare(mut quads: Vec<Quad>, scale: f32) {
    quads.insert(0, background());
    let cpu = twin::draw(&quads, &look(scale), [0, 0], [SIZE, SIZE]);
    let gpu = on_gpu(quads.clone(), look(scale));
    let (most, at) = difference(&gpu, &cpu);
    // A rounding a rectangle that lies over the pixel.
    assert!(most <= 3, "they differ by {most} at {}, {} of {quads:?}", at % SIZE, at / SIZE);
}

#[test]
fn every_pattern_is_drawn_alike() {
    for scale in [1.0, 1.5, 2.0] {
        let quads = patterns().into_iter().enumerate().map(|(index, pattern)| {
            let left = index as f32 * 16.0 + 0.3;
            let edges = [left, 5.5, left + 14.2, 88.75];
            Quad::patterned(edges, Color32::from_rgb(40, 90, 160), Color32::WHITE, pattern)
                .bordered()
        });
        compare(quads.collect(), scale);
    }
}

#[test]
fn edge_cases_are_drawn_alike() {
    let white = |edges| Quad::solid(edges, Color32::WHITE);
    compare(Vec::new(), 1.0);
    compare(vec![white([10.0, 10.0, 10.0, 50.0])], 1.0);
    compare(vec![white([10.25, 10.25, 10.5, 10.75])], 1.0);
    compare(vec![white([-1000.0, -1000.0, 5000.0, 5000.0])], 1.0);
    compare(vec![white([95.5, 95.5, 96.5, 96.5]), white([200.0, 0.0, 300.0, 96.0])], 1.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn anything_is_drawn_alike(quads in prop::collection::vec(any_quad(), 0..40), double in any::<bool>()) {
        compare(quads, if double { 2.0 } else { 1.0 });
    }
}
