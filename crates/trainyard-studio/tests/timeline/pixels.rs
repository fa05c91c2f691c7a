//! The shader and the CPU renderer draw the same pixels, on the adapter that tests run on.

use eframe::egui::{self, Color32};
use egui_kittest::Harness;
use proptest::prelude::*;
use trainyard_studio::theme::Pattern;
use trainyard_studio::timeline::{Look, Quad, cpu_renderer};

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

/// By how much the two may differ at every pixel: each rectangle that lies there adds a rounding,
/// and hides of those before as much as it hides of the colour.
fn roundings(quads: &[Quad], look: &Look) -> Vec<f32> {
    let mut most = vec![0.0; SIZE * SIZE];
    for quad in quads {
        let alone = cpu_renderer::draw(std::slice::from_ref(quad), look, [0, 0], [SIZE, SIZE]);
        for (most, pixel) in most.iter_mut().zip(&alone.pixels) {
            if *pixel != Color32::TRANSPARENT {
                *most = (*most * (1.0 - f32::from(pixel.a()) / 255.0) + 1.0).ceil();
            }
        }
    }
    most
}

/// The largest difference of a channel.
fn difference(gpu: image::Rgba<u8>, cpu: Color32) -> u8 {
    let channels = gpu.0.into_iter().zip(cpu.to_array()).take(3);
    channels.map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0)
}

/// On black, so that transparency is the same however a picture stores it.
fn background() -> Quad {
    Quad::solid([0.0, 0.0, SIZE as f32, SIZE as f32], Color32::BLACK)
}

fn compare(mut quads: Vec<Quad>, scale: f32) {
    quads.insert(0, background());
    let cpu = cpu_renderer::draw(&quads, &look(scale), [0, 0], [SIZE, SIZE]);
    let gpu = on_gpu(quads.clone(), look(scale));
    let may = roundings(&quads, &look(scale));
    for (at, ((gpu, cpu), may)) in gpu.pixels().zip(&cpu.pixels).zip(may).enumerate() {
        let differ = difference(*gpu, *cpu);
        let place = (at % SIZE, at / SIZE);
        assert!(f32::from(differ) <= may, "{differ} instead of {may} at {place:?} of {quads:?}");
    }
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
