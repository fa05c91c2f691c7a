//! The keys of the commands: which of them are pressed.

use eframe::egui::{Context, Key, KeyboardShortcut, Modifiers};

use crate::command::Command;
use crate::menus::commands;

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;

/// Whether the keys of a command mean something else in a text field.
fn is_for_text(command: Command) -> bool {
    let plain = |shortcut: KeyboardShortcut| {
        !shortcut.modifiers.command && !shortcut.logical_key.name().starts_with('F')
    };
    matches!(command, Command::Undo | Command::Redo | Command::AutoPlan | Command::FollowNewest)
        || command.spec().shortcut.is_some_and(plain)
}

/// The commands whose keys are pressed. Keys with more modifiers go first, because those with
/// fewer would match them too.
#[must_use]
pub(crate) fn pressed(context: &Context) -> Vec<Command> {
    // A button that has the focus takes its own keys; only a text takes all others too.
    let focused = context.egui_wants_keyboard_input();
    let typing = context.text_edit_focused();
    let mut commands: Vec<(KeyboardShortcut, Command)> = commands()
        .filter(|command| !typing || !is_for_text(*command))
        .filter(|command| !focused || *command != Command::FollowNewest)
        .filter_map(|command| Some((command.spec().shortcut?, command)))
        .collect();
    if !typing {
        commands.push((KeyboardShortcut::new(CTRL, Key::Y), Command::Redo));
    }
    commands.push((KeyboardShortcut::new(CTRL, Key::Equals), Command::ZoomIn));
    commands.push((KeyboardShortcut::new(NONE, Key::F1), Command::Help));
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
