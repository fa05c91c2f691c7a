//! What egui painted, as SVG.
//!
//! [`draw`] runs a piece of the user interface headless and writes its shapes: text stays text, and
//! edges stay sharp at any size. What SVG cannot carry (images, and what a graphics
//! card draws by itself) is counted in [`Svg::left_out`]; the studio's panels draw plain shapes
//! where there is no graphics card. Shadows are left out without being counted. A stroke whose
//! colour changes along it gets the colour of its middle, a triangle the mean of its corners'.
//!
//! One concept a file: `document` keeps the text and the clips, `figure` writes shapes, `mesh`
//! triangles and `text` text.

mod document;
mod figure;
mod mesh;
mod text;

use std::time::Duration;

use eframe::egui::{
    Context, Pos2, RawInput, Rect, Theme as Mode, Ui, Vec2, ViewportId, ViewportInfo,
};

use document::Document;

/// Text is laid out on a grid of this many pixels a point, and so not moved to whole points.
const PIXELS_PER_POINT: f32 = 4.0;

/// Layouts settle within a few frames: scroll areas and tables measure in the first.
const FRAMES: usize = 8;

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Svg {
    /// The whole file.
    pub text: String,
    /// How many shapes it does not have because SVG cannot carry them.
    pub left_out: usize,
}

/// Draws a user interface of that size (points) as it looks in `like`: its theme, style and fonts.
/// Nothing is hovered or focused, and animations are at their ends. `show` is called several times.
pub fn draw(like: &Context, size: Vec2, mut show: impl FnMut(&mut Ui)) -> Svg {
    let context = twin(like);
    let page = Rect::from_min_size(Pos2::ZERO, size);
    let mut shapes = Vec::new();
    for frame in 0..FRAMES {
        let mut output = context.run_ui(input(page, frame), &mut show);
        // Nothing is uploaded anywhere; text is written as text.
        output.textures_delta.clear();
        shapes = std::mem::take(&mut output.shapes);
        let viewport = output.viewport_output.get(&ViewportId::ROOT);
        let again = viewport.is_some_and(|viewport| viewport.repaint_delay == Duration::ZERO);
        if frame > 0 && !again {
            break;
        }
    }
    let mut document = Document::new(size, &context);
    for clipped in &shapes {
        figure::write(&mut document, clipped);
    }
    document.finish()
}

/// A context that looks the same and knows nothing else.
fn twin(like: &Context) -> Context {
    let context = Context::default();
    for mode in [Mode::Dark, Mode::Light] {
        context.set_style_of(mode, like.style_of(mode));
    }
    context.all_styles_mut(|style| style.animation_time = 0.0);
    context.set_theme(like.theme());
    // There are no fonts before a context's first frame.
    if like.cumulative_pass_nr() > 0 {
        context.set_fonts(like.fonts(|fonts| fonts.definitions().clone()));
    }
    context
}

fn input(page: Rect, frame: usize) -> RawInput {
    let mut input = RawInput {
        screen_rect: Some(page),
        // A second a frame: whatever moves has arrived.
        time: Some(frame as f64),
        ..RawInput::default()
    };
    let root = ViewportInfo {
        native_pixels_per_point: Some(PIXELS_PER_POINT),
        inner_rect: Some(page),
        ..ViewportInfo::default()
    };
    input.viewports.insert(ViewportId::ROOT, root);
    input
}
