//! `shaders/timeline.wgsl` on the CPU: the same pixels, in plain Rust. It draws where
//! there is no GPU to draw with, and tests compare the two.

use eframe::egui::{Color32, ColorImage};

use super::quad::{Look, Quad};

/// Half the thickness of lines, and the radius of dots, in points.
const HALF_LINE: f32 = 0.55;
const DOT: f32 = 1.1;

/// Draws rectangles, in their order, onto the part of a picture that begins at pixel `corner`.
#[must_use]
pub fn draw(quads: &[Quad], look: &Look, corner: [usize; 2], size: [usize; 2]) -> ColorImage {
    let mut image = ColorImage::filled(size, Color32::TRANSPARENT);
    for quad in quads {
        let [left, top, right, bottom] = quad.edges;
        let columns = span(left, right, corner[0], size[0]);
        for y in span(top, bottom, corner[1], size[1]) {
            let row = (y - corner[1]) * size[0];
            for x in columns.clone() {
                if let Some(pixel) = image.pixels.get_mut(row + x - corner[0]) {
                    *pixel = over(shade(quad, look, x as f32, y as f32), *pixel);
                }
            }
        }
    }
    image
}

/// The pixels between two edges that lie in the picture.
fn span(low: f32, high: f32, first: usize, count: usize) -> std::ops::Range<usize> {
    let clamp = |edge: f32| (edge.max(0.0) as usize).clamp(first, first + count);
    clamp(low.floor())..clamp(high.ceil())
}

/// The colour that a rectangle gives a pixel, premultiplied, 0 to 1.
fn shade(quad: &Quad, look: &Look, x: f32, y: f32) -> [f32; 4] {
    let [left, top, right, bottom] = quad.edges;
    let inside = [(x + 1.0).min(right) - x.max(left), (y + 1.0).min(bottom) - y.max(top)];
    let cover = inside[0].clamp(0.0, 1.0) * inside[1].clamp(0.0, 1.0);
    let (x, y) = (x + 0.5, y + 0.5);
    let mut ink = pattern(quad.style, x - look.origin[0], y - look.origin[1], look.scale);
    if quad.style & Quad::BORDER != 0 {
        let within = (x - left).min(right - x).min((y - top).min(bottom - y));
        ink = ink.max((look.scale + 0.5 - within).clamp(0.0, 1.0));
    }
    std::array::from_fn(|channel| {
        let (fill, line) = (f32::from(quad.fill[channel]), f32::from(quad.ink[channel]));
        (fill + (line - fill) * ink) / 255.0 * cover
    })
}

/// How much of a pixel the pattern's lines take.
fn pattern(style: u32, x: f32, y: f32, scale: f32) -> f32 {
    let period = Look::PERIOD * scale;
    let line = |distance: f32| (HALF_LINE * scale + 0.5 - distance).clamp(0.0, 1.0);
    let off = |along: f32| (fract(along / period) - 0.5) * period;
    let slanted = |along: f32| line(off(along).abs() * std::f32::consts::FRAC_1_SQRT_2);
    match style & 0xFF {
        1 => slanted(x + y),
        2 => slanted(x - y),
        3 => slanted(x + y).max(slanted(x - y)),
        4 => (DOT * scale + 0.5 - off(x).hypot(off(y))).clamp(0.0, 1.0),
        5 => line(off(y).abs()),
        _ => 0.0,
    }
}

/// As WGSL has it: of −0.25 it is 0.75.
fn fract(x: f32) -> f32 {
    x - x.floor()
}

/// A colour over another, as a target of eight bits a channel has it.
fn over(colour: [f32; 4], below: Color32) -> Color32 {
    let below = below.to_array();
    let [r, g, b, a] = std::array::from_fn(|channel| {
        let part = f32::from(below[channel]) * (1.0 - colour[3]);
        (colour[channel] * 255.0 + part).round() as u8
    });
    Color32::from_rgba_premultiplied(r, g, b, a)
}
