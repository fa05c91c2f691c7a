//! What egui painted, as SVG.
//!
//! [`draw`] runs a piece of the user interface headless and writes its shapes: text stays text, and
//! edges stay sharp at any size. What SVG cannot carry (images, and what a graphics
//! card draws by itself) is counted in [`Svg::left_out`]; the studio's panels draw plain shapes
//! where there is no graphics card. Shadows are left out without being counted. A stroke whose
//! colour changes along it gets the colour of its middle, a triangle the mean of its corners'.
//!
//! One concept a file: `document` keeps the text and the clips, `figure` writes shapes, `mesh`
//! triangles, `outline` paths and `text` text.

mod document;
mod figure;
mod mesh;
mod outline;
mod text;

use eframe::egui::{Context, Ui, Vec2};

use super::drawing::Drawing;
use document::Document;
pub use document::Svg;

/// Text is laid out on a grid of this many pixels a point, and so not moved to whole points.
const PIXELS_PER_POINT: f32 = 4.0;

/// Draws a user interface of that size (points) as [`Drawing::new`] does, and writes it down.
pub fn draw(like: &Context, size: Vec2, show: impl FnMut(&mut Ui)) -> Svg {
    let drawing = Drawing::new(like, size, PIXELS_PER_POINT, show);
    let mut document = Document::new(size, &drawing.context);
    for clipped in &drawing.shapes {
        figure::write(&mut document, clipped);
    }
    document.finish()
}
