//! Below the rows: what the colours and patterns mean, of those that occur.

use eframe::egui::{FontId, RichText, Sense, Ui};
use trainyard_plan::{ActionKind, Lane};

use super::layout::Side;
use super::quad::Quad;
use super::state::Frame;
use crate::theme::{Idle, Theme, size};

/// Its height, points.
pub(super) const HEIGHT: f32 = 20.0;
/// A patch of colour, points.
const PATCH: [f32; 2] = [14.0, 11.0];

/// An entry: its name, two shorter ones for where there is less room, its colour and pattern.
struct Entry {
    names: [&'static str; 3],
    quad: Quad,
}

impl Entry {
    /// Its name; the larger the number, the shorter.
    fn name(&self, way: usize) -> &'static str {
        self.names.get(way).copied().unwrap_or_default()
    }
}

/// Draws the legend: in full, with shorter names where that is too wide, and of the shortest as many
/// as there is room for.
pub(super) fn show(ui: &mut Ui, frame: &Frame) {
    let theme = Theme::of(ui.ctx());
    ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = size::GAP;
        ui.add_space(size::GAP);
        if frame.scenes.foreign.is_some() {
            let words = "Spans of other programs: one name, one colour.";
            ui.label(RichText::new(words).size(size::SMALL).color(theme.weak));
        }
        if frame.scenes.sides().count() == 0 {
            return;
        }
        let entries = entries(frame, theme);
        let room = ui.available_width();
        let all = |way: usize| entries.iter().map(|entry| width(ui, entry.name(way))).sum::<f32>();
        let way = (0..2).find(|way| all(*way) <= room).unwrap_or(2);
        let (mut left, all) = (room, entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            let text = entry.name(way);
            // What is left out is said; half a name would say nothing.
            let needed = width(ui, text) + if index + 1 < all { width(ui, "…") } else { 0.0 };
            if needed > left {
                ui.label(RichText::new("…").size(size::SMALL).color(theme.weak))
                    .on_hover_text("There is no room for the others");
                return;
            }
            left -= width(ui, text);
            let (rect, patch) = ui.allocate_exact_size(PATCH.into(), Sense::hover());
            entry.quad.paint(ui.painter(), rect);
            let label = ui.label(RichText::new(text).size(size::SMALL).color(theme.weak));
            if text != entry.name(0) {
                (patch | label).on_hover_text(entry.name(0));
            }
            ui.add_space(size::GAP);
        }
    });
}

/// The width of an entry with the space behind it, points.
fn width(ui: &Ui, text: &str) -> f32 {
    let font = FontId::proportional(size::SMALL);
    let theme = Theme::of(ui.ctx());
    let text = ui.painter().layout_no_wrap(text.to_owned(), font, theme.weak).size().x;
    PATCH[0] + text + 3.0 * size::GAP
}

fn entries(frame: &Frame, theme: &Theme) -> Vec<Entry> {
    let kinds = [
        (ActionKind::Forward, "F forward", "F"),
        (ActionKind::Backward, "B backward", "B"),
        (ActionKind::InputGrad, "I input gradient", "I"),
        (ActionKind::WeightGrad, "W weight gradient", "W"),
        (ActionKind::Optimizer, "OPT optimizer", "OPT"),
    ];
    let kinds = kinds
        .into_iter()
        .filter(|(kind, ..)| *kind == ActionKind::Optimizer || occurs(frame, *kind))
        .map(|(kind, name, short)| {
            let quad = Quad::solid([0.0; 4], theme.action(kind));
            Entry { names: [name, name, short], quad }
        });
    let quad = Quad::solid([0.0; 4], theme.transfer);
    let transfer = Entry { names: ["transfer"; 3], quad };
    let idle = Idle::ALL.into_iter().map(|cause| {
        let quad = Quad::patterned([0.0; 4], theme.raised, theme.idle, cause.pattern());
        let short = cause.short_name();
        Entry { names: [cause.name(), short, short], quad: quad.bordered() }
    });
    kinds.chain([transfer]).chain(idle).collect()
}

/// Whether an action of a kind is in a step that is shown.
fn occurs(frame: &Frame, kind: ActionKind) -> bool {
    frame.scenes.sides().any(|(side, scene)| {
        let step = match side {
            Side::Measured => frame.step.and_then(|number| scene.step(number)),
            _ => scene.steps().first(),
        };
        // The first few hundred of a step have every kind.
        let few = step.into_iter().flat_map(|step| step.events(scene.events()).take(512));
        let last = step.and_then(|step| step.events(scene.events()).last());
        few.chain(last).any(|event| event.action.kind == kind && event.lane == Lane::Compute)
    })
}
