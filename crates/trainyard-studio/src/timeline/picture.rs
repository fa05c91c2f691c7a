//! From scenes to rectangles: what a frame hands to the GPU. Pure, and fast whatever the trace.

use eframe::egui::{Color32, Rect};
use trainyard_plan::Lane;

use super::layout::{Group, Row, RowKind, Scenes, Side};
use super::lens::Lens;
use super::quad::{Look, Quad};
use super::scene::{KINDS, cause_of};
use super::view::{Axis, View};
use super::{Slice, Track, memory};
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
    pub would_be: u64,
    /// Start of the measured step that is shown.
    pub measured: u64,
}

impl Anchors {
    /// Time 0 of a side, ns.
    #[must_use]
    pub fn of(&self, side: Side) -> u64 {
        match side {
            Side::Predicted => self.predicted,
            Side::WouldBe => self.would_be,
            Side::Measured => self.measured,
        }
    }
}

/// An action wide enough to be labelled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    /// Its event in the scene of `side`.
    pub event: u32,
    /// Which scene.
    pub side: Side,
    /// What of it is visible, points.
    pub rect: Rect,
}

/// A picture.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// Rectangles, back to front.
    pub quads: Vec<Quad>,
    /// Actions to write on.
    pub labels: Vec<Label>,
}

/// Actions narrower than this are not labelled, points.
const LABEL: f32 = 20.0;

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

    /// The picture.
    #[must_use]
    pub fn picture(&self) -> Picture {
        let mut picture = Picture::default();
        for group in self.groups {
            for row in &group.rows {
                let rect = self.row_rect(row);
                if rect.intersects(self.clip) {
                    self.row(group, row.kind, rect, &mut picture);
                }
            }
        }
        picture
    }

    /// Where a row is, points.
    #[must_use]
    pub fn row_rect(&self, row: &Row) -> Rect {
        let top = self.plot.top() + row.top;
        Rect::from_x_y_ranges(self.plot.x_range(), top..=top + row.height)
    }

    fn row(&self, group: &Group, kind: RowKind, rect: Rect, picture: &mut Picture) {
        let device = |side| self.scenes.scene(side).and_then(|scene| scene.device(&group.id));
        match kind {
            RowKind::Lane(side, lane) => {
                let Some((_, device)) = device(side) else { return };
                picture.quads.push(Quad::solid(self.pixels(rect), self.theme.raised));
                if lane == Lane::Compute {
                    self.idle(&device.idle, side, rect, picture);
                }
                self.actions(device.lane(lane), side, rect, 1.0, lane == Lane::Compute, picture);
            }
            RowKind::Faint => {
                if let Some((_, device)) = device(Side::Predicted) {
                    self.actions(&device.compute, Side::Predicted, rect, 0.45, false, picture);
                }
            }
            RowKind::Memory => memory::draw(self, group, rect, &mut picture.quads),
        }
    }

    /// The range of a scene's clock that is visible, ns.
    pub(super) fn clock(&self, side: Side) -> (u64, u64) {
        let anchor = self.anchors.of(side) as f64;
        ((anchor + self.view.start).max(0.0) as u64, (anchor + self.view.end).max(0.0) as u64 + 1)
    }

    /// From a side's clock to pixels.
    pub(super) fn lens(&self, side: Side) -> Lens {
        let left = self.plot.left() * self.scale;
        let width = self.plot.width() * self.scale;
        Lens::new(self.anchors.of(side) as f64 + self.view.start, self.view.length(), left, width)
    }

    fn visible<'a>(&self, track: &'a Track, side: Side) -> &'a [Slice] {
        let (from, to) = self.clock(side);
        track.visible(from, to, self.axis().ns_per_pixel())
    }

    fn idle(&self, track: &Track, side: Side, rect: Rect, picture: &mut Picture) {
        let [_, top, _, bottom] = self.pixels(rect);
        let lens = self.lens(side);
        for slice in self.visible(track, side) {
            let edges = lens.snapped(slice.start_ns, slice.end_ns);
            // A pattern that is narrower cannot be told.
            let Some((left, right)) = edges.filter(|(l, r)| r - l >= 2.0 * self.scale) else {
                continue;
            };
            let pattern = cause_of(slice.class).pattern();
            let edges = [left, top, right, bottom];
            let (fill, ink) = (self.theme.raised, self.theme.idle);
            picture.quads.push(Quad::patterned(edges, fill, ink, pattern));
        }
    }

    fn actions(
        &self,
        track: &Track,
        side: Side,
        rect: Rect,
        opacity: f32,
        labelled: bool,
        picture: &mut Picture,
    ) {
        let [_, top, _, bottom] = self.pixels(rect);
        let lens = self.lens(side);
        let colours = KINDS.map(|kind| self.theme.action(kind).gamma_multiply(opacity));
        let point = self.scale;
        let mut filled = f32::MIN;
        for slice in self.visible(track, side) {
            let Some((left, right)) = lens.edges(slice.start_ns, slice.end_ns) else { continue };
            let colour = colours.get(slice.class as usize).copied().unwrap_or(self.theme.transfer);
            let wide = right - left;
            if wide < point {
                // What is too small to be seen fills a point, and a point is filled once.
                let column = (left / point).floor() * point;
                if column > filled {
                    filled = column;
                    let edges = [column, top, column + point, bottom];
                    picture.quads.push(Quad::solid(edges, self.thinned(colour, slice)));
                }
                continue;
            }
            let quad = Quad::solid([left, top, right, bottom], self.thinned(colour, slice));
            picture.quads.push(if wide > 5.0 * point {
                Quad { ink: border(colour, self.theme).to_array(), ..quad }.bordered()
            } else {
                quad
            });
            if labelled && slice.count == 1 && wide >= LABEL * point {
                let rect = Rect::from_x_y_ranges(left / point..=right / point, rect.y_range());
                picture.labels.push(Label { event: slice.event, side, rect });
            }
        }
    }

    /// Several actions as one are paler where there is time between them.
    fn thinned(&self, colour: Color32, slice: &Slice) -> Color32 {
        if slice.count == 1 || slice.extent_ns() == 0 {
            return colour;
        }
        let share = slice.covered_ns as f32 / slice.extent_ns() as f32;
        self.theme.raised.lerp_to_gamma(colour, share.clamp(0.35, 1.0))
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
