//! What the timeline is drawn of: rectangles with a colour and a pattern, for the shader and the CPU renderer.

use bytemuck::{Pod, Zeroable};
use eframe::egui::{Color32, Painter, Rect, Stroke, StrokeKind};

use crate::hatch;
use crate::theme::Pattern;

/// A rectangle, as the shader reads it.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Quad {
    /// Left, top, right, bottom, in pixels of the target.
    pub edges: [f32; 4],
    /// Colour, premultiplied.
    pub fill: [u8; 4],
    /// Colour of the pattern's lines and of the border, premultiplied.
    pub ink: [u8; 4],
    /// The number of the [`Pattern`], and [`Quad::BORDER`].
    pub style: u32,
}

impl Quad {
    /// A border one point wide, in the ink's colour.
    pub const BORDER: u32 = 1 << 8;

    /// A plain rectangle.
    #[must_use]
    pub fn solid(edges: [f32; 4], fill: Color32) -> Self {
        Self::patterned(edges, fill, fill, Pattern::Solid)
    }

    /// A rectangle with lines of `ink` over it.
    #[must_use]
    pub fn patterned(edges: [f32; 4], fill: Color32, ink: Color32, pattern: Pattern) -> Self {
        let (fill, ink) = (fill.to_array(), ink.to_array());
        Self { edges, fill, ink, style: pattern as u32 }
    }

    /// The same with a border.
    #[must_use]
    pub fn bordered(self) -> Self {
        Self { style: self.style | Self::BORDER, ..self }
    }

    /// Draws it over `rect` with egui's own shapes: in legends, bars, and drawings in files.
    pub(super) fn paint(&self, painter: &Painter, rect: Rect) {
        let colour = |[r, g, b, a]: [u8; 4]| Color32::from_rgba_premultiplied(r, g, b, a);
        let ink = colour(self.ink);
        painter.rect_filled(rect, 0.0, colour(self.fill));
        let number = self.style & !Self::BORDER;
        if let Some(pattern) = Pattern::ALL.into_iter().find(|known| *known as u32 == number) {
            hatch::pattern(painter, rect, pattern, ink);
        }
        if self.style & Self::BORDER != 0 {
            painter.rect_stroke(rect, 0.0, Stroke::new(1.0, ink), StrokeKind::Inside);
        }
    }
}

/// What all rectangles of a picture have in common, as the shader reads it.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Look {
    /// Width and height of the target, pixels.
    pub screen: [f32; 2],
    /// Where patterns begin, pixels.
    pub origin: [f32; 2],
    /// Pixels per point.
    pub scale: f32,
    /// Uniforms come in sixteens of bytes.
    pub padding: [f32; 3],
}

impl Look {
    /// Distance between a pattern's lines, points.
    pub const PERIOD: f32 = 7.0;
}
