//! The shell: what is around the panels. Menus, palette, help, settings, dialogs, the welcome.
//!
//! Each file draws one thing from what it is given, and says what a person wants; what is then done
//! is in `perform.rs`.

pub(crate) mod about;
pub(crate) mod closing;
pub(crate) mod header;
pub(crate) mod help;
pub(crate) mod layout;
pub(crate) mod menu;
pub(crate) mod modal;
pub(crate) mod my_devices;
pub(crate) mod no_run_file;
pub(crate) mod palette;
pub(crate) mod path_dialog;
pub(crate) mod settings;
pub(crate) mod status;
pub(crate) mod trouble;
pub(crate) mod welcome;
