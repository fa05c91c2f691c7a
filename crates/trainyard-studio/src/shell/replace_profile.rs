//! Dialog before measuring replaces a profile.

use std::path::Path;

use eframe::egui::Context;

use super::modal::modal;
use super::program::path;
use crate::event::Event;
use crate::message::{Message, ViewMessage};
use crate::open::PROFILE;
use crate::theme::size;

/// Asks. Without an answer nothing is measured.
pub(crate) fn replace_profile_ui(
    context: &Context,
    run_file: &Path,
    anew: bool,
    out: &mut Vec<Message>,
) {
    let (mut agreed, mut refused) = (false, false);
    let closed = modal(context, "Replace the profile?", 480.0, |ui| {
        ui.label("What is measured is written to this file, which is there already:");
        path(ui, &run_file.with_file_name(PROFILE).display().to_string());
        ui.label("Whatever was changed in it by hand is lost.");
        ui.add_space(size::MARGIN);
        ui.horizontal(|ui| {
            agreed = ui.button("Measure and replace it").clicked();
            refused = ui.button("Cancel").clicked();
        });
    });
    if agreed {
        let run_file = run_file.to_owned();
        out.push(Event::ReplaceProfile { run_file, anew }.into());
    } else if closed || refused {
        let words = "Nothing was measured".to_owned();
        out.extend([ViewMessage::CloseDialog.into(), ViewMessage::Status(words).into()]);
    }
}
