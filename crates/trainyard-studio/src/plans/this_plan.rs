//! The present plan's schedule and micro-batches, as controls.

use eframe::egui::{ComboBox, DragValue, RichText, Ui};

use crate::change::Change;
use crate::document::{Delta, Document, Edit};
use crate::message::{DocumentMessage, Message};
use crate::theme::{Theme, size};

/// Most that a person would drag to; more can be typed on the command line.
const MOST_MICRO_BATCHES: usize = 4096;
const MOST_SLICES: usize = 256;

/// Draws the controls; what a person does with them, in words.
pub(super) fn this_plan_ui(
    ui: &mut Ui,
    document: &Document,
    out: &mut Vec<Message>,
) -> Option<String> {
    let theme = Theme::of(ui.ctx());
    let mut edit = None;
    ui.horizontal_wrapped(|ui| {
        ui.label("schedule");
        let now = document.arrangement().schedule.clone();
        let used = &document.present().plan.schedule.name;
        let hint =
            "which schedule is wished; after an arrow the one that is used, where it is another";
        ComboBox::from_id_salt("schedule of this plan")
            .selected_text(wished_and_used(now.name(), used))
            .width(110.0)
            .show_ui(ui, |ui| {
                for choice in Edit::schedule_choices() {
                    if ui.selectable_label(choice == now, choice.name()).clicked() && choice != now
                    {
                        edit = Some(Edit::Schedule(choice));
                    }
                }
            })
            .response
            .on_hover_text(hint)
            .accessible_name("schedule of this plan");
        let now = document.arrangement().micro_batches;
        let mut count = now;
        let field = DragValue::new(&mut count)
            .range(1..=MOST_MICRO_BATCHES)
            .clamp_existing_to_range(false)
            .speed(0.1)
            .suffix(" micro-batches")
            .update_while_editing(false);
        let field = ui.add(field).accessible_name("micro-batches a step");
        if field.changed() && count != now {
            edit = Some(Edit::MicroBatches(nearest(
                &document.profile().micro_batch_choices(),
                now,
                count,
            )));
        }
    });
    if let Some(count) = slices_ui(ui, document) {
        edit = Some(Edit::Slices(count));
    }
    let now = document.arrangement().split_backward;
    let mut split = now;
    let hint = "the gradient of a stage's input goes back first, those of its weights are computed \
                while the devices would wait";
    if ui.checkbox(&mut split, "split backwards").on_hover_text(hint).changed() {
        edit = Some(Edit::SplitBackward(split));
    }
    for note in &document.present().plan.notes {
        ui.label(RichText::new(note).size(size::SMALL).color(theme.warn));
    }
    let edit = edit?;
    let words = edit.words(document.profile());
    out.push(DocumentMessage::Edit { edit, on_board: false }.into());
    Some(words)
}

/// Draws the number of slices, where the model can be cut into any; gives another that is wished.
fn slices_ui(ui: &mut Ui, document: &Document) -> Option<usize> {
    let context = document.profile().model.context().ok().filter(|context| *context > 1)?;
    let now = document.arrangement().slices;
    let mut count = now;
    let field = DragValue::new(&mut count)
        .range(1..=context.min(MOST_SLICES))
        .speed(0.1)
        .suffix(if now == 1 { " slice a row" } else { " slices a row" })
        .update_while_editing(false);
    let hint = "rows are cut along their context, so that few long ones fill the pipeline; each slice counts \
                as a micro-batch";
    let field = ui.add(field).on_hover_text(hint).accessible_name("slices of a row");
    (field.changed() && count != now).then_some(count)
}

/// The schedule that is wished and, where it is another, the one that is used.
fn wished_and_used(wished: &str, used: &str) -> String {
    if wished == used { wished.to_owned() } else { format!("{wished} → {used}") }
}

/// Of the numbers that the step's rows can be cut into, the one a person means who goes from `now`
/// to `wished`: the next in that direction.
fn nearest(choices: &[usize], now: usize, wished: usize) -> usize {
    let next = if wished > now {
        choices.iter().find(|choice| **choice >= wished)
    } else {
        choices.iter().rfind(|choice| **choice <= wished)
    };
    next.or(if wished > now { choices.last() } else { choices.first() }).copied().unwrap_or(wished)
}

/// Draws the effect of an edit.
pub(super) fn brought(ui: &mut Ui, what: &str, delta: &Delta) {
    ui.horizontal_wrapped(|ui| {
        ui.weak(format!("{what}:"));
        ui.label("step");
        or_as_before(ui, Change::of_share(delta.step));
        if let Some(points) = Change::of_points(delta.bubble) {
            ui.label("bubble");
            points.show(ui);
        }
    });
}

/// Draws a change, where that there is none is said too.
pub(super) fn or_as_before(ui: &mut Ui, change: Option<Change>) {
    match change {
        Some(change) => change.show(ui),
        None => {
            ui.weak("as before");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{nearest, wished_and_used};

    #[test]
    fn a_schedule_that_is_not_the_wished_one_is_told() {
        assert_eq!(wished_and_used("1f1b", "1f1b"), "1f1b");
        assert_eq!(wished_and_used("gpipe", "auto"), "gpipe → auto");
    }

    #[test]
    fn only_numbers_that_divide_the_rows_are_taken() {
        let choices = [1, 2, 4, 8];
        assert_eq!(nearest(&choices, 4, 5), 8);
        assert_eq!(nearest(&choices, 4, 3), 2);
        assert_eq!(nearest(&choices, 8, 9), 8);
        assert_eq!(nearest(&[], 4, 5), 5);
    }
}
