//! The shell: what is around the panels. Menus, palette, help, settings, dialogs, the welcome.
//!
//! Each file draws one thing from the state and pushes messages.

mod about;
mod closing_over_run;
mod closing_unsaved;
pub(crate) mod dialogs;
mod error_dialog;
pub(crate) mod header;
mod help;
pub(crate) mod menu;
pub(crate) mod modal;
mod my_devices;
mod no_run_file;
mod palette;
mod path_dialog;
mod program;
mod recent;
mod replace_profile;
mod settings;
pub(crate) mod status;
pub(crate) mod welcome;
