//! The window the application lives in.

use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use crossbeam_channel::{Receiver, bounded};
use eframe::egui::{self, ThemePreference};

use crate::app::Studio;
use crate::error_dialog::ErrorDialog;
use crate::export::{png, write_atomic};
use crate::persistence::Persisted;

/// Names the window to the desktop, which looks for a `.desktop` file of this name.
const APP_ID: &str = "trainyard-studio";

/// Under this key the storage has what is [`Persisted`].
pub(crate) const PERSISTED: &str = "studio";

/// When it is set, the time to the first frame is said.
const TIMING: &str = "TRAINYARD_STUDIO_TIMING";

/// Rendered from `assets/trainyard.svg`.
const ICON: &[u8] = include_bytes!("../../../assets/trainyard.png");

/// The window could not be opened, or its graphics device was lost.
#[derive(Debug)]
pub struct WindowError(String);

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WindowError {}

impl WindowError {
    fn of(error: &eframe::Error) -> Self {
        let message = error.to_string().replace('\n', " ");
        let reason = without_place(&message).trim_end_matches('.');
        Self(format!(
            "cannot open a window: {reason}; `trainyard-studio` needs a display and a graphics \
             driver, `trainyard` needs neither"
        ))
    }
}

/// The end of a message that begins with where in a library's source it arose.
fn without_place(message: &str) -> &str {
    let after_line = message.rsplit_once(".rs:").and_then(|(_, rest)| rest.split_once(": "));
    after_line.map_or(message, |(_line, reason)| reason)
}

/// How the window is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What to open in it.
    pub file: Option<PathBuf>,
    /// A picture to take of it, after which it is closed.
    pub screenshot: Option<Screenshot>,
    /// When the program started.
    pub started: Option<Instant>,
}

/// A picture of the window. It is taken without what was kept, so that it looks the same for
/// everybody.
#[derive(Clone, Debug)]
pub struct Screenshot {
    /// Where it is written to.
    pub file: PathBuf,
    /// The window's size, in points.
    pub size: [f32; 2],
    /// Pixels a point.
    pub scale: f32,
    /// Light or dark.
    pub theme: ThemePreference,
}

/// Opens the window and returns when it is closed.
///
/// # Errors
/// [`WindowError`] where there is no display, no graphics driver to draw with, or a picture that
/// was asked for cannot be taken.
pub fn open_window(options: Options) -> Result<(), WindowError> {
    let size = options
        .screenshot
        .as_ref()
        .map_or([1360.0, 860.0], |picture| picture.size.map(|side| side * picture.scale));
    let mut viewport = egui::ViewportBuilder::default()
        .with_title("Trainyard Studio")
        .with_app_id(APP_ID)
        .with_inner_size(size)
        .with_min_inner_size([640.0, 400.0]);
    // A window without our icon is still a window.
    if let Ok(icon) = eframe::icon_data::from_png_bytes(ICON) {
        viewport = viewport.with_icon(icon);
    }
    let native = eframe::NativeOptions {
        viewport,
        renderer: eframe::Renderer::Wgpu,
        persist_window: options.screenshot.is_none(),
        ..eframe::NativeOptions::default()
    };
    let (send, outcome) = bounded(1);
    let create: eframe::AppCreator<'_> = Box::new(move |creation| {
        let window = Window::new(creation, &options, send)?;
        Ok(Box::new(window))
    });
    eframe::run_native(APP_ID, native, create).map_err(|error| WindowError::of(&error))?;
    match outcome.try_recv() {
        Ok(Err(words)) => Err(WindowError(words)),
        _ => Ok(()),
    }
}

/// The studio in its window, with what only a window does: timing and pictures.
struct Window {
    studio: Studio,
    started: Option<Instant>,
    capture: Option<Capture>,
    /// Whether what is kept may be written.
    keeps: bool,
}

/// A picture that is to be taken.
struct Capture {
    screenshot: Screenshot,
    /// Frames drawn so far in which nothing was under way.
    settled: u32,
    image: Option<Receiver<std::sync::Arc<egui::ColorImage>>>,
    outcome: crossbeam_channel::Sender<Result<(), String>>,
}

/// Frames until everything has its size and its place.
const SETTLED: u32 = 6;

impl Window {
    fn new(
        creation: &eframe::CreationContext<'_>,
        options: &Options,
        outcome: crossbeam_channel::Sender<Result<(), String>>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let capture = options.screenshot.clone().map(|screenshot| Capture {
            screenshot,
            settled: 0,
            image: None,
            outcome,
        });
        let kept = creation.storage.and_then(|storage| storage.get_string(PERSISTED));
        let persisted = match (&capture, kept) {
            (None, kept) => {
                kept.map_or_else(Persisted::default, |kept| Persisted::from_text(&kept))
            }
            (Some(Capture { screenshot, .. }), _) => {
                let native = creation.egui_ctx.native_pixels_per_point().unwrap_or(1.0);
                let mut persisted = Persisted::default();
                persisted.settings.theme = screenshot.theme;
                persisted.settings.zoom = screenshot.scale / native;
                persisted
            }
        };
        let mut studio = Studio::new(persisted)?;
        if let Some(state) = &creation.wgpu_render_state {
            let info = state.adapter.get_info();
            studio.set_adapter(format!("{} ({:?}, {})", info.name, info.backend, info.driver));
            studio.draw_on_gpu(state);
        }
        if let Some(Capture { screenshot, .. }) = &capture {
            let size = egui::ViewportCommand::InnerSize(screenshot.size.into());
            creation.egui_ctx.send_viewport_cmd(size);
        }
        studio.apply_settings(&creation.egui_ctx);
        if let Some(file) = &options.file {
            studio.open(&creation.egui_ctx, file);
        }
        let started = options.started.filter(|_| std::env::var_os(TIMING).is_some());
        Ok(Self { studio, started, keeps: capture.is_none(), capture })
    }
}

impl Window {
    /// Says how long it took to the first frame, at the beginning of the second: by then the first
    /// one is on the screen.
    fn say_first_frame(&mut self, context: &egui::Context) {
        let Some(started) = self.started else { return };
        if context.cumulative_frame_nr() == 0 {
            context.request_repaint();
        } else {
            eprintln!("first frame after {} ms", started.elapsed().as_millis());
            self.started = None;
        }
    }
}

impl eframe::App for Window {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.say_first_frame(ui.ctx());
        self.studio.show(ui);
        if let Some(capture) = &mut self.capture
            && let Some(result) = capture.step(ui.ctx(), &self.studio)
        {
            // The receiver waits in `open_window`, until the window is closed.
            let _sent = capture.outcome.send(result).is_ok();
            self.capture = None;
            self.studio.close_without_asking(ui.ctx());
        }
    }

    /// In a picture nothing is hovered, wherever the pointer is.
    fn raw_input_hook(&mut self, _context: &egui::Context, input: &mut egui::RawInput) {
        if self.capture.is_some() {
            let of_pointer = |event: &egui::Event| {
                use egui::Event::{MouseMoved, MouseWheel, PointerButton, PointerMoved};
                matches!(
                    event,
                    PointerMoved(_) | MouseMoved(_) | PointerButton { .. } | MouseWheel { .. }
                )
            };
            input.events.retain(|event| !of_pointer(event));
        }
    }

    /// What shows between the panels.
    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        crate::theme::Theme::of_visuals(visuals).background.to_normalized_gamma_f32()
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        if self.keeps {
            storage.set_string(PERSISTED, self.studio.state().preferences.to_text());
        }
    }

    /// Scroll positions and the like are not kept: every start looks the same.
    fn persist_egui_memory(&self) -> bool {
        false
    }
}

impl Capture {
    /// What came of it, when it is over.
    fn step(&mut self, context: &egui::Context, studio: &Studio) -> Option<Result<(), String>> {
        if let Some(error) = studio.errors().next() {
            return Some(Err(words(error)));
        }
        context.request_repaint();
        if let Some(image) = &self.image {
            let image = image.try_recv().ok()?;
            let picture = png::of_window(&image);
            let written = picture.and_then(|bytes| write_atomic(&self.screenshot.file, &bytes));
            return Some(written.map_err(|error| error.to_string()));
        }
        self.settled = if studio.is_busy() { 0 } else { self.settled + 1 };
        if self.settled >= SETTLED {
            let (send, image) = bounded(1);
            context.request_screenshot(move |picture| {
                // The receiver is gone if the window was closed.
                let _sent = send.send(picture).is_ok();
            });
            self.image = Some(image);
        }
        None
    }
}

fn words(error: &ErrorDialog) -> String {
    format!("{}: {}. {}", error.title, error.text.trim_end_matches('.'), error.remedy)
}
