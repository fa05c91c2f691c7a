//! Name, tooltip and keys of a command.

use eframe::egui::KeyboardShortcut;

/// Name, tooltip and keys of a command.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name in menus. Dots at the end say that it asks before it does anything.
    pub name: &'static str,
    /// Its tooltip, a sentence.
    pub tip: &'static str,
    /// Its keys.
    pub shortcut: Option<KeyboardShortcut>,
}
