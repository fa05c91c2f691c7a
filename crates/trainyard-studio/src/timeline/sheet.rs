//! What a picture is worked out from: scenes, rows, and what of them is visible.

use eframe::egui::{Color32, Rect};

use super::layout::{Group, Row, Scenes, Side};
use super::quad::Look;
use super::time_scale::TimeScale;
use super::view::{Axis, View};
use crate::theme::Theme;

/// Everything that a picture depends on.
pub struct Sheet<'a> {
    /// What to show.
    pub scenes: Scenes<'a>,
    /// Where each side's time 0 is, on its scene's clock, ns.
    pub anchors: Anchors,
    /// The rows.
    pub groups: &'a [Group],
    /// What is visible.
    pub view: View,
    /// Where time is drawn, on the screen, points; its top is the canvas's.
    pub plot: Rect,
    /// Of `plot`, what is not scrolled away.
    pub clip: Rect,
    /// Pixels per point.
    pub scale: f32,
    /// Colours.
    pub theme: &'a Theme,
}

/// Where each side's time 0 is, on its scene's clock, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Anchors {
    /// Start of the predicted step.
    pub predicted: u64,
    /// Start of the step as it would be.
    pub preview: u64,
    /// Start of the measured step that is shown.
    pub measured: u64,
    /// The same, or where what other programs did begins.
    pub foreign: u64,
}

impl Anchors {
    /// Time 0 of a side, ns.
    #[must_use]
    pub fn of(&self, side: Side) -> u64 {
        match side {
            Side::Predicted => self.predicted,
            Side::Preview => self.preview,
            Side::Measured => self.measured,
            Side::Foreign => self.foreign,
        }
    }
}

impl Sheet<'_> {
    /// From time to points.
    #[must_use]
    pub fn axis(&self) -> Axis {
        Axis { view: self.view, left: self.plot.left(), width: self.plot.width() }
    }

    /// What the rectangles have in common.
    #[must_use]
    pub fn look(&self) -> Look {
        // Patterns move with the actions, so that panning does not make them swim.
        let period = f64::from(Look::PERIOD);
        let zero = -self.view.start / self.axis().ns_per_pixel();
        let phase = zero.rem_euclid(period) as f32;
        let origin = [self.plot.left() + phase, self.plot.top()].map(|at| at * self.scale);
        Look { screen: [0.0; 2], origin, scale: self.scale, padding: [0.0; 3] }
    }

    /// Where a row is, points.
    #[must_use]
    pub fn row_rect(&self, row: &Row) -> Rect {
        let top = self.plot.top() + row.top;
        Rect::from_x_y_ranges(self.plot.x_range(), top..=top + row.height)
    }

    /// The range of a scene's clock that is visible, ns.
    pub(super) fn clock(&self, side: Side) -> (u64, u64) {
        let anchor = self.anchors.of(side) as f64;
        ((anchor + self.view.start).max(0.0) as u64, (anchor + self.view.end).max(0.0) as u64 + 1)
    }

    /// From a side's clock to pixels.
    pub(super) fn time_scale(&self, side: Side) -> TimeScale {
        let left = self.plot.left() * self.scale;
        let width = self.plot.width() * self.scale;
        TimeScale::new(
            self.anchors.of(side) as f64 + self.view.start,
            self.view.length(),
            left,
            width,
        )
    }

    /// A rectangle in pixels, its rows on whole ones.
    pub(super) fn pixels(&self, rect: Rect) -> [f32; 4] {
        let [left, right] = [rect.left(), rect.right()].map(|x| x * self.scale);
        let [top, bottom] = [rect.top(), rect.bottom()].map(|y| (y * self.scale).round());
        [left, top, right, bottom]
    }
}

/// Lines on a colour.
pub(super) fn border(colour: Color32, theme: &Theme) -> Color32 {
    colour.lerp_to_gamma(theme.on_colour, 0.35)
}
