//! The keys of the commands, as this system writes them.

use eframe::egui::{Context, Key, KeyboardShortcut, Modifiers};

use super::Command;

impl Command {
    /// Its keys, as this system writes them.
    #[must_use]
    pub fn keys(self, context: &Context) -> Option<String> {
        let shortcut = self.spec().shortcut?;
        // Its long name would be read as several keys.
        if shortcut == KeyboardShortcut::new(Modifiers::NONE, Key::Questionmark) {
            return Some("?".to_owned());
        }
        Some(context.format_shortcut(&shortcut))
    }
}
