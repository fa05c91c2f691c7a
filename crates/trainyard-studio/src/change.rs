//! Changes of numbers with arrow, sign and colour, the same in every panel.

use eframe::egui::{Color32, Response, RichText, Ui};
use trainyard_plan::memory::human_bytes;

use crate::theme::{Theme, size};

/// A change large enough to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Which way and how far: `▼ −8.0 %`.
    pub(crate) words: String,
    /// Whether it is for the worse: more time, more memory.
    pub(crate) worse: bool,
}

impl Change {
    /// By a share of what was: −0.08 is 8 % less.
    #[must_use]
    pub(crate) fn of_share(share: f64) -> Option<Self> {
        let words = match share.abs() * 100.0 {
            size if size.is_nan() || size < 0.05 => return None,
            size if size < 9.95 => format!("{size:.1} %"),
            size if size < 1000.0 => format!("{size:.0} %"),
            _ => return Some(Self { words: "▲ over +1000 %".to_owned(), worse: true }),
        };
        Some(Self::signed(share < 0.0, &words))
    }

    /// Of a share, in points: from 0.12 to 0.10 is 2 points less.
    #[must_use]
    pub(crate) fn of_points(difference: f64) -> Option<Self> {
        let points = (difference * 100.0).round();
        (points.abs() >= 1.0)
            .then(|| Self::signed(points < 0.0, &format!("{:.0} points", points.abs())))
    }

    /// Of memory: by a share, or in bytes where there was or will be none.
    #[must_use]
    pub(crate) fn of_bytes(before: u64, after: u64) -> Option<Self> {
        match (before, after) {
            (0, 0) => None,
            (0, after) => Some(Self::signed(false, &human_bytes(after))),
            (before, 0) => Some(Self::signed(true, &human_bytes(before))),
            (before, after) => Self::of_share(after as f64 / before as f64 - 1.0),
        }
    }

    fn signed(less: bool, words: &str) -> Self {
        let sign = if less { "▼ −" } else { "▲ +" };
        Self { words: format!("{sign}{words}"), worse: !less }
    }

    /// Draws it.
    pub(crate) fn show(&self, ui: &mut Ui) {
        let colour = self.colour(Theme::of(ui.ctx()));
        ui.label(RichText::new(&self.words).color(colour).strong());
    }

    /// Its colour.
    #[must_use]
    pub(crate) fn colour(&self, theme: &Theme) -> Color32 {
        if self.worse { theme.bad } else { theme.good }
    }
}

/// Draws a figure; where it would become another, both and how it changes.
pub(crate) fn figure(
    ui: &mut Ui,
    name: &str,
    [before, after]: [&str; 2],
    change: Option<Change>,
) -> Response {
    let theme = Theme::of(ui.ctx());
    let response = ui.label(RichText::new(name).size(size::SMALL).color(theme.weak));
    if before != after {
        ui.label(format!("{before} →"));
    }
    let response = response | ui.strong(after);
    if let Some(change) = change {
        change.show(ui);
    }
    response
}

/// A change of a step's time in words and in its colour, where that it stays is said too.
#[must_use]
pub(crate) fn or_as_now(change: Option<Change>, theme: &Theme) -> (String, Color32) {
    match change {
        Some(change) => {
            let colour = change.colour(theme);
            (change.words, colour)
        }
        None => ("as now".to_owned(), theme.weak),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_gets_better_is_green() {
        let theme = &crate::theme::DARK;
        let colour = |share| or_as_now(Change::of_share(share), theme).1;
        assert_eq!([colour(0.18), colour(-0.18)], [theme.bad, theme.good]);
        assert_eq!([colour(0.0001), colour(-0.0001)], [theme.weak; 2]);
    }

    #[test]
    fn changes_have_a_sign_and_an_arrow() {
        let words = |change: Option<Change>| change.map(|it| (it.words, it.worse));
        let less = |words: &str| Some((words.to_owned(), false));
        let more = |words: &str| Some((words.to_owned(), true));
        assert_eq!(words(Change::of_share(-0.123)), less("▼ −12 %"));
        assert_eq!(words(Change::of_share(0.08)), more("▲ +8.0 %"));
        assert_eq!(words(Change::of_share(0.0001)), None);
        assert_eq!(words(Change::of_share(f64::NAN)), None);
        assert_eq!(words(Change::of_share(f64::INFINITY)), more("▲ over +1000 %"));
        assert_eq!(words(Change::of_points(-0.02)), less("▼ −2 points"));
        assert_eq!(words(Change::of_points(0.004)), None);
        assert_eq!(words(Change::of_bytes(7, 7)), None);
        assert_eq!(words(Change::of_bytes(100, 88)), less("▼ −12 %"));
        assert_eq!(words(Change::of_bytes(0, 1 << 20)), more("▲ +1.00 MiB"));
        assert_eq!(words(Change::of_bytes(1 << 20, 0)), less("▼ −1.00 MiB"));
    }
}
