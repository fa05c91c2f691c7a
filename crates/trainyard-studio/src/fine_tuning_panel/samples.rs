//! The first samples as the model sees them.

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{Button, CollapsingHeader, FontId, Label, RichText, Sense, Spinner, Stroke, Ui};

use crate::command::Facts;
use crate::event::{Event, FineTuningEvent};
use crate::fine_tuning::Sample;
use crate::message::Message;
use crate::state::State;
use crate::theme::{Theme, size};

/// No more tokens of a sample are shown one by one.
const MOST_TOKENS: usize = 256;

/// Draws the button, and what was shown.
pub(super) fn samples_ui(
    ui: &mut Ui,
    state: &State,
    facts: &Facts,
    by_token: &mut bool,
    out: &mut Vec<Message>,
) {
    let run_file = state.fine_tuning_preview_file().ok();
    let shown = state.fine_tuning.preview();
    ui.horizontal_wrapped(|ui| {
        let may = run_file.is_some() && facts.has_program && !state.fine_tuning.is_previewing();
        let button = ui.add_enabled(may, Button::new("Show first samples"));
        let tip = "What the model would see of the data, and what of it is learned";
        let why =
            if facts.has_program { "fill in what is missing first" } else { "there is no program" };
        if button.on_hover_text(tip).on_disabled_hover_text(why).clicked() {
            out.push(Event::FineTuning(FineTuningEvent::Preview).into());
        }
        if state.fine_tuning.is_previewing() {
            ui.add(Spinner::new().size(14.0));
            ui.weak("reading…");
        } else if shown.is_some() {
            ui.checkbox(by_token, "token by token");
        }
    });
    let Some((of, preview)) = shown else { return };
    let theme = Theme::of(ui.ctx());
    if run_file.is_some_and(|now| now != of) {
        let words = "These are of the form as it was before; show them again.";
        ui.label(RichText::new(words).size(size::SMALL).color(theme.warn));
    }
    let samples = preview.training_samples.map(|count| format!(", {count} samples to train with"));
    ui.label(format!("{}{}", preview.source, samples.unwrap_or_default()));
    for remark in &preview.remarks {
        ui.label(RichText::new(remark).size(size::SMALL).color(theme.warn));
    }
    if preview.samples.iter().any(|sample| sample.target.is_none()) {
        legend(ui, theme);
    }
    for (index, sample) in preview.samples.iter().enumerate() {
        let all = sample.tokens.len();
        let learned = match &sample.target {
            Some(target) => format!("to be learned: {target}"),
            None => format!("{} to be learned", sample.learned()),
        };
        let head = format!("sample {}: {all} tokens, {learned}", index + 1);
        CollapsingHeader::new(head).id_salt(index).default_open(index < 2).show(ui, |ui| {
            if *by_token {
                tokens(ui, sample, theme);
            } else {
                ui.add(Label::new(text(sample, theme)).wrap().selectable(true));
            }
        });
    }
}

/// How what is learned looks.
fn legend(ui: &mut Ui, theme: &Theme) {
    let mut job = LayoutJob::default();
    let small = FontId::proportional(size::SMALL);
    job.append("learned", 0.0, format(theme, true, small.clone()));
    job.append("  seen, but not learned", 0.0, format(theme, false, small));
    ui.label(job);
}

/// The look of what is learned, and of what is not: by more than a colour.
fn format(theme: &Theme, counts: bool, font_id: FontId) -> TextFormat {
    let plain = TextFormat { font_id, color: theme.weak, ..TextFormat::default() };
    if !counts {
        return plain;
    }
    TextFormat {
        color: theme.text,
        background: theme.good.gamma_multiply(0.22),
        underline: Stroke::new(1.0, theme.good),
        ..plain
    }
}

/// A sample as one text.
fn text(sample: &Sample, theme: &Theme) -> LayoutJob {
    let mut job = LayoutJob::default();
    for piece in sample.pieces() {
        let font = FontId::monospace(size::SMALL);
        job.append(&piece.text, 0.0, format(theme, piece.counts, font));
    }
    job
}

/// A sample token by token, with their numbers.
fn tokens(ui: &mut Ui, sample: &Sample, theme: &Theme) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = [3.0, 3.0].into();
        let tokens = sample.tokens.iter().zip(sample.shown());
        for (token, (text, counts, answer)) in tokens.take(MOST_TOKENS) {
            let mut job = LayoutJob::default();
            job.append(&visible(text), 0.0, format(theme, counts, FontId::monospace(size::SMALL)));
            let how = match answer {
                Some(answer) => format!("to become “{answer}”"),
                None if counts => "learned".to_owned(),
                None => "not learned".to_owned(),
            };
            let label = Label::new(job).sense(Sense::hover());
            ui.add(label).on_hover_text(format!("token {token}, {how}"));
        }
        if let Some(more) = sample.tokens.len().checked_sub(MOST_TOKENS + 1) {
            ui.weak(format!("… and {} more", more + 1));
        }
    });
}

/// A token's text with what would not be seen of it.
fn visible(text: &str) -> String {
    match text {
        "" => "…".to_owned(),
        text => text.replace('\n', "¶").replace('\t', "→").replace(' ', "·"),
    }
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn what_is_not_seen_has_a_sign() {
        assert_eq!(visible(" a\n"), "·a¶");
        assert_eq!(visible(""), "…");
    }
}
