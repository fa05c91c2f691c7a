//! How far a prediction is from what was measured: one sign and one judgement wherever it is shown.

use eframe::egui::{Color32, Label, Response, RichText, Ui, Widget};
use trainyard_plan::compare::Pair;

use crate::theme::Theme;

/// A prediction this close is a good one, in percent.
const CLOSE_PERCENT: f64 = 10.0;
/// One further off than this is wrong.
const FAR_PERCENT: f64 = 25.0;

/// What the sign means.
pub(crate) const HINT: &str = "How far the prediction is from what was measured, in percent of \
                               what was measured: +8 % predicts 8 % too much, −8 % too little";

/// The error in words; a dash where nothing was measured.
pub(crate) fn words(pair: Pair) -> String {
    pair.error_percent().map_or_else(|| "–".to_owned(), signed_percent)
}

/// The error, coloured by how far off it is.
pub(crate) fn text(theme: &Theme, pair: Pair) -> RichText {
    RichText::new(words(pair)).color(colour(theme, pair.error_percent()))
}

/// The error as a label that explains its sign.
pub(crate) fn label(ui: &mut Ui, pair: Pair) -> Response {
    Label::new(text(Theme::of(ui.ctx()), pair)).ui(ui).on_hover_text(HINT)
}

/// `+8 %`, `−12 %`, `±0 %`.
pub(crate) fn signed_percent(percent: f64) -> String {
    let rounded = percent.round();
    match rounded {
        _ if rounded > 0.0 => format!("+{rounded:.0} %"),
        _ if rounded < 0.0 => format!("−{:.0} %", -rounded),
        _ => "±0 %".to_owned(),
    }
}

fn colour(theme: &Theme, error: Option<f64>) -> Color32 {
    match error.map(f64::abs) {
        None => theme.weak,
        Some(error) if error <= CLOSE_PERCENT => theme.good,
        Some(error) if error <= FAR_PERCENT => theme.warn,
        Some(_) => theme.bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predicting_too_much_is_a_plus() {
        let words = |predicted, measured| super::words(Pair { predicted, measured });
        assert_eq!(words(108.0, 100.0), "+8 %");
        assert_eq!(words(50.0, 100.0), "−50 %");
        assert_eq!(words(100.1, 100.0), "±0 %");
        assert_eq!(words(1.0, 0.0), "–");
    }
}
