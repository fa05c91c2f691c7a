//! Above the rows: searching, stepping, fitting.

use eframe::egui::{Align, Button, Key, Layout, Modifiers, RichText, TextEdit, Ui, vec2};
use trainyard_plan::compare::Pair;

use super::details;
use super::layout::Side;
use super::state::{Frame, Timeline};
use crate::human_time::human_ns;
use crate::prediction_error;
use crate::theme::Theme;

/// Height of the row above in a picture, points.
pub(super) const HEIGHT: f32 = 24.0;
/// Narrower than this, what is searched for has less room. Points.
const SHORT: f32 = 760.0;
/// Room for how long a step takes and how that differs from another, points.
const FIGURE: f32 = 170.0;
/// Room for how it differs alone, which the first does not say, points.
const SIGN: f32 = 50.0;

/// The row above. `wide` says whether details stand beside the rows, whatever is selected.
pub(super) fn show(timeline: &mut Timeline, ui: &mut Ui, frame: &Frame, wide: bool) {
    let below = ui.horizontal(|ui| {
        search(timeline, ui, frame);
        if ui.button("Fit").on_hover_text("Show the selection, the step, everything (F)").clicked()
        {
            timeline.fit(frame);
        }
        steps(timeline, ui, frame);
        details(timeline, ui, wide);
        // Where they would lie over the buttons, the figures have a line of their own.
        let shown = frame.scenes.sides().count() as f32;
        if ui.available_width() >= shown * FIGURE - SIGN {
            figures_at_right(ui, frame);
            return false;
        }
        true
    });
    if below.inner {
        ui.horizontal(|ui| figures_at_right(ui, frame));
    }
}

/// The row above in a picture: which step it is, and how long it takes.
pub(super) fn caption(ui: &mut Ui, frame: &Frame) {
    let row = vec2(ui.available_width(), HEIGHT);
    ui.allocate_ui_with_layout(row, Layout::left_to_right(Align::Center), |ui| {
        if let Some(number) = frame.step.filter(|_| frame.scenes.measured.is_some()) {
            ui.label(format!("step {number}"));
        }
        figures_at_right(ui, frame);
    });
}

fn figures_at_right(ui: &mut Ui, frame: &Frame) {
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| figures(ui, frame));
}

/// Shows or hides the details. Below the rows they are seen only where there is something to say.
fn details(timeline: &mut Timeline, ui: &mut Ui, wide: bool) {
    let may = wide || details::is_asked(timeline);
    let shown = may && !timeline.hides_details;
    let toggle = Button::selectable(shown, "Details");
    let hint = "The selected action, a range's statistics, what is live";
    let response = ui.add_enabled(may, toggle).on_hover_text(hint).on_disabled_hover_text(
        "Select an action, a range or an instant: what there is to say of it comes below the rows",
    );
    if response.clicked() {
        timeline.hides_details = shown;
    }
}

fn search(timeline: &mut Timeline, ui: &mut Ui, frame: &Frame) {
    let search = &mut timeline.search;
    let (hint, width) = match (frame.scenes.sides().count(), ui.available_width() < SHORT) {
        (_, true) => ("Search (/)", 100.0),
        (0, false) => ("Search: names, threads (/)", 190.0),
        (_, false) => ("Search: 1F3, stage 2, SEND (/)", 190.0),
    };
    let field = TextEdit::singleline(&mut search.text)
        .hint_text(hint)
        .desired_width(width)
        .return_key(None);
    let response = ui.add(field).accessible_name("Search the timeline");
    if std::mem::take(&mut search.wants_focus) {
        response.request_focus();
    }
    search.update(frame);
    let mut turned = None;
    if response.has_focus() {
        let enter = |modifiers| ui.input_mut(|input| input.consume_key(modifiers, Key::Enter));
        if enter(Modifiers::SHIFT) {
            turned = search.turn(false);
        } else if enter(Modifiers::NONE) {
            turned = search.turn(true);
        }
    }
    if !search.text.is_empty() {
        ui.weak(search.count());
        if ui.button("Clear").on_hover_text("Search for nothing (Esc)").clicked() {
            search.clear();
        }
    }
    if let Some((side, event)) = turned {
        timeline.select(frame.scenes, side, event);
    }
}

/// Which measured step is shown.
fn steps(timeline: &mut Timeline, ui: &mut Ui, frame: &Frame) {
    let Some(scene) = frame.scenes.measured.filter(|scene| scene.steps().len() > 1) else { return };
    let at = frame.step.and_then(|number| scene.steps().iter().position(|s| s.number == number));
    let step = |at: Option<usize>| at.and_then(|at| scene.steps().get(at)).map(|step| step.number);
    let (before, after) = (step(at.and_then(|at| at.checked_sub(1))), step(at.map(|at| at + 1)));
    let turn = |ui: &mut Ui, arrow: &str, name: &str, to: Option<u64>| {
        let response = ui.add_enabled(to.is_some(), Button::new(arrow));
        response.accessible_name(name).on_hover_text(name).clicked().then_some(to).flatten()
    };
    let back = turn(ui, "‹", "Previous step", before);
    let number = frame.step.map_or_else(String::new, |number| format!("step {number}"));
    ui.label(number);
    let ahead = turn(ui, "›", "Next step", after);
    if let Some(number) = back.or(ahead) {
        timeline.step = Some(number);
    }
    let mut follows = timeline.follows();
    let hint = "Always show the newest whole step; Space pauses and goes on";
    if ui.toggle_value(&mut follows, "Follow newest").on_hover_text(hint).clicked() {
        timeline.toggle_follow(frame);
    }
}

/// How long the step takes. Laid out from right to left.
fn figures(ui: &mut Ui, frame: &Frame) {
    let duration = |side: Side| {
        let scene = frame.scenes.scene(side)?;
        let step = match side {
            Side::Measured => scene.step(frame.step?),
            _ => scene.steps().first(),
        };
        step.map(|step| step.duration_ns() as f64)
    };
    let (predicted, preview, measured) =
        (duration(Side::Predicted), duration(Side::Preview), duration(Side::Measured));
    if let Some(ns) = measured {
        figure(ui, "measured", ns);
    }
    if let Some(ns) = preview {
        if let Some(before) = predicted.filter(|before| *before > 0.0) {
            change(ui, 100.0 * (ns - before) / before);
        }
        figure(ui, "would be", ns);
    }
    if let Some(ns) = predicted {
        if let Some(measured) = measured {
            prediction_error::label(ui, Pair { predicted: ns, measured });
        }
        figure(ui, "predicted", ns);
    }
}

fn figure(ui: &mut Ui, name: &str, ns: f64) {
    ui.strong(human_ns(ns));
    ui.weak(name);
}

/// By how much what is tried would change the step.
fn change(ui: &mut Ui, percent: f64) {
    let theme = Theme::of(ui.ctx());
    let colour = if percent <= 0.0 { theme.good } else { theme.bad };
    let words = prediction_error::signed_percent(percent);
    ui.label(RichText::new(words).color(colour))
        .on_hover_text("How much longer the step would take than it is predicted to take now");
}
