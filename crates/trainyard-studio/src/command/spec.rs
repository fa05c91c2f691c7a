//! What a person reads of a command.

use eframe::egui::KeyboardShortcut;

/// What a person reads of a command.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name in menus. Dots at the end say that it asks before it does anything.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub tip: &'static str,
    /// Its keys.
    pub shortcut: Option<KeyboardShortcut>,
}
