//! The settings.

use eframe::egui::{self, Context, ThemePreference};

use super::modal::{modal, section};
use crate::message::{Message, PreferencesMessage, ViewMessage};
use crate::persistence::Settings;
use crate::state::State;
use crate::theme::Theme;

/// Shows the settings.
pub(crate) fn settings_ui(context: &Context, state: &State, out: &mut Vec<Message>) {
    let before = state.preferences.settings();
    let mut settings = before.clone();
    let closed = modal(context, "Settings", 480.0, |ui| {
        section(ui, "Theme");
        ui.horizontal(|ui| {
            for (theme, name) in [
                (ThemePreference::System, "As the system is"),
                (ThemePreference::Light, "Light"),
                (ThemePreference::Dark, "Dark"),
            ] {
                ui.selectable_value(&mut settings.theme, theme, name);
            }
        });
        section(ui, "Size and motion");
        ui.horizontal(|ui| {
            let label = ui.label("Zoom");
            let percent = |zoom: f64, _| format!("{:.0} %", zoom * 100.0);
            let parse = |text: &str| {
                let number = text.trim().trim_end_matches('%').trim().parse::<f64>();
                number.ok().map(|percent| percent / 100.0)
            };
            let zoom = egui::Slider::new(&mut settings.zoom, Settings::ZOOM)
                .step_by(0.1)
                .custom_formatter(percent)
                .custom_parser(parse)
                // While it is dragged everything would change its size under the pointer.
                .update_while_editing(false);
            ui.add(zoom).labelled_by(label.id);
        });
        ui.checkbox(&mut settings.reduce_motion, "Reduce motion: nothing slides or fades");
        section(ui, "The program trainyard");
        let label = ui.label("It trains and measures. Where it is, if not in a usual place:");
        let path = egui::TextEdit::singleline(&mut settings.program)
            .hint_text("TRAINYARD_PROGRAM, beside the studio, PATH")
            .desired_width(f32::INFINITY);
        ui.add(path).labelled_by(label.id);
        let theme = Theme::of(ui.ctx());
        match state.run.program() {
            Ok(program) => ui.weak(format!("Found: {}", program.path().display())),
            Err(missing) => ui.colored_label(theme.warn, format!("Not found: {missing}")),
        };
        section(ui, "Recent files");
        let forget = egui::Button::new("Forget recent files");
        if ui.add_enabled(!state.preferences.recent().is_empty(), forget).clicked() {
            out.push(PreferencesMessage::ClearRecent.into());
        }
    });
    if settings != *before {
        out.push(PreferencesMessage::Set(settings).into());
    }
    if closed {
        out.push(ViewMessage::CloseDialog.into());
    }
}
