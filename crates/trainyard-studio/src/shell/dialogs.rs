//! What lies over the window: dialogs, and the hint where a file would be dropped.

use eframe::egui::{Align2, Context, FontId, Id, LayerId, Order};

use super::closing_over_run::closing_over_run_ui;
use super::closing_unsaved::closing_unsaved_ui;
use super::error_dialog::error_dialog_ui;
use super::my_devices::MyDevices;
use super::no_run_file::no_run_file_ui;
use super::palette::Palette;
use super::path_dialog::PathDialog;
use super::program::program_ui;
use super::replace_profile::replace_profile_ui;
use super::settings::settings_ui;
use super::{about, help};
use crate::message::{Dialog, Message, ViewMessage};
use crate::panel::Frame;
use crate::paths::home;
use crate::theme::Theme;

/// State of dialogs from one frame to the next: text and choices in progress.
#[derive(Default)]
pub(crate) struct Dialogs {
    /// The dialog that this belongs to.
    serial: u64,
    palette: Palette,
    path: Option<PathDialog>,
    devices: Option<MyDevices>,
}

impl Dialogs {
    /// Shows an error, or else the dialog that is open. `adapter` is what draws the window.
    pub(crate) fn show(
        &mut self,
        context: &Context,
        frame: &Frame,
        adapter: Option<&str>,
        out: &mut Vec<Message>,
    ) {
        let state = frame.state;
        if self.serial != state.view.dialog_serial() {
            *self = Self { serial: state.view.dialog_serial(), ..Self::default() };
        }
        if let Some(error) = state.view.error() {
            return error_dialog_ui(context, error, out);
        }
        let Some(dialog) = state.view.dialog() else { return };
        let closed = match dialog {
            Dialog::Help => help::help_ui(context),
            Dialog::About => about::about_ui(context, adapter, state.jobs.devices()),
            Dialog::Settings => return settings_ui(context, state, out),
            Dialog::Palette => return self.palette.show(context, frame, out),
            Dialog::Path { purpose, path } => {
                let asked = self.path.get_or_insert_with(|| PathDialog::new(*purpose, path));
                return asked.show(context, state.preferences.recent(), out);
            }
            Dialog::MyDevices => {
                let devices = self.devices.get_or_insert_with(|| MyDevices::new(&home()));
                return devices.show(context, &state.jobs, out);
            }
            Dialog::NoRunFile => return no_run_file_ui(context, out),
            Dialog::Program(question) => {
                let default = state.run.program().ok();
                let default = default.map(|program| program.path().display().to_string());
                return program_ui(context, question, default.as_deref(), out);
            }
            Dialog::ReplaceProfile { run_file, anew } => {
                return replace_profile_ui(context, run_file, *anew, out);
            }
            Dialog::ClosingOverRun => return closing_over_run_ui(context, out),
            Dialog::ClosingUnsaved => return closing_unsaved_ui(context, out),
        };
        if closed {
            out.push(ViewMessage::CloseDialog.into());
        }
    }
}

/// Says that what hovers over the window may be dropped there.
pub(crate) fn drop_hint_ui(context: &Context) {
    if context.input(|input| input.raw.hovered_files.is_empty()) {
        return;
    }
    let theme = Theme::of(context);
    let painter = context.layer_painter(LayerId::new(Order::Foreground, Id::unique("drop")));
    let rect = context.content_rect();
    painter.rect_filled(rect, 0.0, theme.background.gamma_multiply(0.8));
    painter.text(
        rect.center(),
        Align2::CENTER_CENTER,
        "Drop it to open it",
        FontId::proportional(24.0),
        theme.text,
    );
}
