//! The window the application lives in.

use std::fmt;

use eframe::egui;

use crate::Studio;

/// Names the window to the desktop, which looks for a `.desktop` file of this name.
const APP_ID: &str = "trainyard-studio";

/// Rendered from `assets/trainyard.svg`.
const ICON: &[u8] = include_bytes!("../../../assets/trainyard.png");

/// The window could not be opened, or its graphics device was lost.
#[derive(Debug)]
pub struct WindowError(eframe::Error);

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.0.to_string().replace('\n', " ");
        let reason = without_place(&message).trim_end_matches('.');
        write!(
            f,
            "cannot open a window: {reason}; `trainyard-studio` needs a display and a graphics \
             driver, `trainyard` needs neither"
        )
    }
}

impl std::error::Error for WindowError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// The end of a message that begins with where in a library's source it arose.
fn without_place(message: &str) -> &str {
    let after_line = message.rsplit_once(".rs:").and_then(|(_, rest)| rest.split_once(": "));
    after_line.map_or(message, |(_line, reason)| reason)
}

/// Opens the window and returns when it is closed. Light or dark follows the system.
///
/// # Errors
/// [`WindowError`] where there is no display or no graphics driver to draw with.
pub fn open() -> Result<(), WindowError> {
    let mut viewport = egui::ViewportBuilder::default()
        .with_title("Trainyard Studio")
        .with_app_id(APP_ID)
        .with_inner_size([1100.0, 720.0])
        .with_min_inner_size([640.0, 400.0]);
    // A window without our icon is still a window.
    if let Ok(icon) = eframe::icon_data::from_png_bytes(ICON) {
        viewport = viewport.with_icon(icon);
    }
    let options = eframe::NativeOptions {
        viewport,
        renderer: eframe::Renderer::Wgpu,
        ..eframe::NativeOptions::default()
    };
    eframe::run_native(APP_ID, options, Box::new(|_| Ok(Box::new(Studio)))).map_err(WindowError)
}
