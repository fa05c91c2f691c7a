//! Description of a panel for menus, layout and help sheet.

use eframe::egui::Key;

/// A panel's description. It is all that others need to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PanelInfo {
    /// Its name in the layout that is kept.
    pub id: &'static str,
    /// Its name on its tab.
    pub title: &'static str,
    /// The name of the command that shows or hides it.
    pub command: &'static str,
    /// Tooltip of that command, a sentence.
    pub tip: &'static str,
    /// The key of that command, pressed with Ctrl.
    pub key: Key,
    /// Default side.
    pub side: Side,
}

/// Default side of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// One below the other in the wide column at the left.
    Left,
    /// One in front of the other in the column at the right.
    Right,
}
