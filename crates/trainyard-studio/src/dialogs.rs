//! What lies over the window: dialogs, and the hint where a file would be dropped.

use eframe::egui::{self, Context};

use crate::app::{Dialog, Studio};
use crate::command::Facts;
use crate::kept::Kept;
use crate::run::ask_before_closing;
use crate::shell::palette::{self, Found};
use crate::shell::{about, closing, help, my_devices, no_run_file, path_dialog, settings, trouble};
use crate::theme::Theme;

impl Studio {
    pub(crate) fn show_dialog(&mut self, context: &Context, facts: &Facts) {
        if let Some(trouble) = self.troubles.front() {
            if trouble::show(context, trouble)
                && let Some(trouble) = self.troubles.pop_front()
            {
                self.say(trouble.title);
            }
            return;
        }
        let Some(mut dialog) = self.dialog.take() else { return };
        let closed = match &mut dialog {
            Dialog::Help => help::show(context),
            Dialog::About => about::show(context, self.adapter.as_deref(), self.devices.as_ref()),
            Dialog::Settings => {
                let missing = self.program.as_ref().map_err(ToString::to_string);
                let program = missing.as_ref().map(|program| *program).map_err(String::as_str);
                let Kept { settings, recent, .. } = &mut self.kept;
                settings::show(context, settings, recent, program)
            }
            Dialog::Palette(palette) => {
                let outcome = palette.show(context, facts, self.kept.recent.paths());
                match outcome {
                    palette::Outcome::Open => false,
                    palette::Outcome::Closed => true,
                    palette::Outcome::Chosen(found) => return self.do_found(context, found),
                }
            }
            Dialog::Path(asked) => match asked.show(context, self.kept.recent.paths()) {
                path_dialog::Outcome::Open => false,
                path_dialog::Outcome::Closed => true,
                path_dialog::Outcome::Chosen(path) => {
                    return self.take_path(context, asked.purpose, &path);
                }
            },
            Dialog::MyDevices(mine) => match mine.show(context) {
                my_devices::Outcome::Open => false,
                my_devices::Outcome::Closed => true,
                my_devices::Outcome::Make { directory, text, measure } => {
                    return self.make_run_file(context, &directory, &text, measure);
                }
            },
            Dialog::NoRunFile => match no_run_file::show(context) {
                no_run_file::Outcome::Open => false,
                no_run_file::Outcome::Closed => true,
                no_run_file::Outcome::MakeOne => return self.train_on_the_cpu(context),
                no_run_file::Outcome::Command(command) => return self.perform(context, command),
            },
            Dialog::ClosingOverRun => match ask_before_closing(context) {
                None => false,
                Some(choice) => return self.close_over_run(context, choice),
            },
            Dialog::ClosingUnsaved => match closing::show(context) {
                None => false,
                Some(answer) => return self.close_unsaved(context, answer),
            },
        };
        if closed {
            // It may stand on something that is under way and belongs to it alone.
            if matches!(dialog, Dialog::MyDevices(_)) {
                self.forget_looking_for_devices();
            }
        } else {
            self.dialog = Some(dialog);
        }
    }

    fn do_found(&mut self, context: &Context, found: Found) {
        match found {
            Found::Command(command) => self.perform(context, command),
            Found::Recent(path) => self.open(context, &path),
        }
    }

    /// Says that what hovers over the window may be dropped there.
    pub(crate) fn show_drop_hint(context: &Context) {
        if context.input(|input| input.raw.hovered_files.is_empty()) {
            return;
        }
        let theme = Theme::of(context);
        let painter = context
            .layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop")));
        let rect = context.content_rect();
        painter.rect_filled(rect, 0.0, theme.background.gamma_multiply(0.8));
        painter.text(
            rect.center(),
            egui::Align2::CENTER_CENTER,
            "Drop it to open it",
            egui::FontId::proportional(24.0),
            theme.text,
        );
    }
}
