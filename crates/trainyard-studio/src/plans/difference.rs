//! Differences between the present plan and a reference.

use eframe::egui::{ComboBox, Grid, Label, RichText, Ui};
use trainyard_plan::memory::human_bytes;
use trainyard_plan::simulate::Simulation;

use super::diff;
use super::this_plan::or_as_before;
use crate::change::Change;
use crate::document::{Document, labels};
use crate::human_time::human_us;
use crate::message::{DocumentMessage, Message};
use crate::state::Planning;
use crate::theme::Theme;

/// The names of devices take no more, in points.
const NAME: f32 = 90.0;

/// Differences between the present plan and a reference.
pub(super) fn difference_ui(
    ui: &mut Ui,
    document: &Document,
    planning: &Planning,
    out: &mut Vec<Message>,
) {
    let theme = Theme::of(ui.ctx());
    let best = planning.best();
    let mut compare = |reference| out.push(DocumentMessage::Compare(reference).into());
    ui.horizontal_wrapped(|ui| {
        ui.strong("Compared with");
        let now =
            document.reference.as_ref().map_or("nothing", |reference| reference.name.as_str());
        let now = now.to_owned();
        ComboBox::from_id_salt("compared with")
            .selected_text(&now)
            .show_ui(ui, |ui| {
                if ui.selectable_label(now == "nothing", "nothing").clicked() {
                    compare(None);
                }
                if let Some(saved) = document.saved_reference()
                    && ui.selectable_label(now == saved.name, &saved.name).clicked()
                {
                    compare(Some(saved));
                }
                if let Some(best) = best
                    && ui.selectable_label(now == best.name, &best.name).clicked()
                {
                    compare(Some(best));
                }
            })
            .response
            .accessible_name("compared with");
    });
    let Some(reference) = &document.reference else { return };
    let (before, after) = (&reference.assessment, document.present());
    let delta = after.delta(before);
    let simulations = (&before.simulation, &after.simulation);
    Grid::new("difference").num_columns(4).spacing([8.0, 3.0]).show(ui, |ui| {
        let mut row = |what: &str, from: String, to: String, change: Option<Change>| {
            ui.scope(|ui| {
                ui.set_max_width(NAME);
                ui.add(Label::new(RichText::new(what).color(theme.weak)).truncate());
            });
            ui.label(from);
            ui.label(format!("→ {to}"));
            or_as_before(ui, change);
            ui.end_row();
        };
        let (from, to) = simulations;
        let step = Change::of_share(delta.step);
        row("step", human_us(from.step_us), human_us(to.step_us), step);
        let bubble = |simulation: &Simulation| labels::percent(simulation.bubble_fraction);
        row("bubble", bubble(from), bubble(to), Change::of_points(delta.bubble));
        for (device, bytes) in after.profile.devices.iter().zip(&delta.devices) {
            let (from, to) = (bytes.before_bytes, bytes.after_bytes);
            let change = Change::of_bytes(from, to);
            row(&device.id, human_bytes(from), human_bytes(to), change);
        }
    });
    let moved = diff::moved(&before.plan, &after.plan);
    if moved.is_empty() {
        ui.weak("no layer lies elsewhere");
    }
    for moved in moved {
        let layers = labels::layers(&after.profile, moved.layers);
        let text = format!("{layers}: {} → {}", moved.from, moved.to);
        ui.add(Label::new(text).truncate());
    }
}
