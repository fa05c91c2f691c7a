//! The keys of the commands: as this system writes them, and which of them are pressed.

use eframe::egui::{Context, Key, KeyboardShortcut, Modifiers};

use super::Command;
use super::spec::{CTRL, NONE};

impl Command {
    /// Its keys, as this system writes them.
    #[must_use]
    pub fn keys(self, context: &Context) -> Option<String> {
        let shortcut = self.spec().shortcut?;
        // Its long name would be read as several keys.
        if shortcut == KeyboardShortcut::new(NONE, Key::Questionmark) {
            return Some("?".to_owned());
        }
        Some(context.format_shortcut(&shortcut))
    }

    /// Whether its keys mean something else in a text field.
    fn is_for_text(self) -> bool {
        let plain = |shortcut: KeyboardShortcut| {
            !shortcut.modifiers.command && !shortcut.logical_key.name().starts_with('F')
        };
        matches!(self, Self::Undo | Self::Redo | Self::AutoPlan | Self::FollowNewest)
            || self.spec().shortcut.is_some_and(plain)
    }

    /// The commands whose keys are pressed. Keys with more modifiers go first, because those with
    /// fewer would match them too.
    #[must_use]
    pub fn pressed(context: &Context) -> Vec<Self> {
        // A button that has the focus takes its own keys; only a text takes all others too.
        let focused = context.egui_wants_keyboard_input();
        let typing = context.text_edit_focused();
        let mut commands: Vec<(KeyboardShortcut, Self)> = Self::all()
            .filter(|command| !typing || !command.is_for_text())
            .filter(|command| !focused || *command != Self::FollowNewest)
            .filter_map(|command| Some((command.spec().shortcut?, command)))
            .collect();
        if !typing {
            commands.push((KeyboardShortcut::new(CTRL, Key::Y), Self::Redo));
        }
        commands.push((KeyboardShortcut::new(CTRL, Key::Equals), Self::ZoomIn));
        commands.push((KeyboardShortcut::new(NONE, Key::F1), Self::Help));
        let modifiers = |keys: &KeyboardShortcut| {
            let Modifiers { alt, shift, command, .. } = keys.modifiers;
            usize::from(alt) + usize::from(shift) + usize::from(command)
        };
        commands.sort_by_key(|(keys, _)| std::cmp::Reverse(modifiers(keys)));
        context.input_mut(|input| {
            commands.retain(|(keys, _)| input.consume_shortcut(keys));
        });
        commands.into_iter().map(|(_, command)| command).collect()
    }
}
