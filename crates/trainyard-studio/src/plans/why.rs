//! Why the planner's best is as it is.

use eframe::egui::{RichText, Ui};
use trainyard_plan::Recompute;
use trainyard_plan::memory::human_bytes;
use trainyard_plan::planner::{Explanation, IfLarger};

use crate::change::Change;
use crate::human_time::human_us;
use crate::theme::Theme;

/// Draws an explanation.
pub(super) fn show(ui: &mut Ui, explanation: &Explanation) {
    let theme = Theme::of(ui.ctx());
    for line in speed(explanation) {
        ui.label(line);
    }
    if !explanation.limits.is_empty() {
        ui.label(RichText::new("what limits it").color(theme.weak));
        for limit in &explanation.limits {
            ui.label(format!("• {limit}"));
        }
    }
    if !explanation.if_larger.is_empty() {
        ui.label(RichText::new("what more memory would bring").color(theme.weak));
        for larger in &explanation.if_larger {
            ui.label(format!("• {}", if_larger(larger)));
        }
    }
    if !explanation.exact {
        ui.label(RichText::new("the search left some plans out").color(theme.weak));
    }
}

/// Speed relative to one device and to the bound.
fn speed(explanation: &Explanation) -> Vec<String> {
    let mut lines = Vec::new();
    match (&explanation.single, explanation.speed_up) {
        (Some(single), Some(speed_up)) => {
            let recompute =
                if single.recompute == Recompute::Full { ", with recompute" } else { "" };
            let alone = human_us(single.step_us);
            lines.push(format!(
                "{speed_up:.2}× as fast as {} alone ({alone}{recompute})",
                single.device
            ));
        }
        _ => lines.push("the model fits on no single device".to_owned()),
    }
    if let Some(small) = &explanation.too_small {
        lines.push(format!(
            "{} alone would take {}, and is {} too small",
            small.device,
            human_us(small.step_us),
            human_bytes(small.short_bytes)
        ));
    }
    if explanation.full_speed_up > 1.0 {
        lines.push(format!(
            "bound: {:.2}× the fastest device alone without any bubble, {:.2}× with that of 1F1B",
            explanation.full_speed_up, explanation.ideal_speed_up
        ));
    }
    if !explanation.unused.is_empty() {
        lines.push(format!("left idle: {}", explanation.unused.join(", ")));
    }
    lines
}

fn if_larger(larger: &IfLarger) -> String {
    let more = match larger.more_bytes {
        Some(bytes) => format!("{} more on {}", human_bytes(bytes), larger.device),
        None => format!("as much as {} could use", larger.device),
    };
    let change = Change::of_share(larger.change).map_or_else(String::new, |it| it.words);
    format!("{more}: step {} {change}", human_us(larger.step_us))
}
