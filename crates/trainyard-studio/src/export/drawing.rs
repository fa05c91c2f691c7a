//! A piece of the user interface that is drawn by itself, without a window: what pictures are
//! made of.

use std::time::Duration;

use eframe::egui::epaint::ClippedShape;
use eframe::egui::epaint::textures::TexturesDelta;
use eframe::egui::{
    Context, Pos2, RawInput, Rect, Theme as Mode, Ui, Vec2, ViewportId, ViewportInfo,
};

/// Layouts settle within a few frames: scroll areas and tables measure in the first.
const FRAMES: usize = 8;

/// What was drawn.
pub struct Drawing {
    /// Whose fonts text was laid out with.
    pub(super) context: Context,
    /// In points.
    pub(super) size: Vec2,
    /// Text is laid out on a grid of this many pixels a point.
    pub(super) pixels_per_point: f32,
    pub(super) shapes: Vec<ClippedShape>,
    /// Fonts and images that the shapes use.
    pub(super) textures: TexturesDelta,
}

impl Drawing {
    /// Draws a user interface of that size (points) as it looks in `like`: its theme, style and
    /// fonts. Nothing is hovered or focused, and animations are at their ends. `show` is called
    /// several times.
    pub fn new(
        like: &Context,
        size: Vec2,
        pixels_per_point: f32,
        mut show: impl FnMut(&mut Ui),
    ) -> Self {
        let context = copy_of(like);
        let mut drawing = Self {
            context,
            size,
            pixels_per_point,
            shapes: Vec::new(),
            textures: TexturesDelta::default(),
        };
        for frame in 0..FRAMES {
            let mut output = drawing.context.run_ui(drawing.input(frame), &mut show);
            drawing.shapes = std::mem::take(&mut output.shapes);
            drawing.textures.append(std::mem::take(&mut output.textures_delta));
            let viewport = output.viewport_output.get(&ViewportId::ROOT);
            let again = viewport.is_some_and(|viewport| viewport.repaint_delay == Duration::ZERO);
            if frame > 0 && !again {
                break;
            }
        }
        drawing
    }

    fn input(&self, frame: usize) -> RawInput {
        let page = Rect::from_min_size(Pos2::ZERO, self.size);
        let mut input = RawInput {
            screen_rect: Some(page),
            // A second a frame: whatever moves has arrived.
            time: Some(frame as f64),
            ..RawInput::default()
        };
        let root = ViewportInfo {
            native_pixels_per_point: Some(self.pixels_per_point),
            inner_rect: Some(page),
            ..ViewportInfo::default()
        };
        input.viewports.insert(ViewportId::ROOT, root);
        input
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        // egui asserts that textures were uploaded; a drawing may not need them.
        self.textures.clear();
    }
}

/// A context that looks the same and knows nothing else.
fn copy_of(like: &Context) -> Context {
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
