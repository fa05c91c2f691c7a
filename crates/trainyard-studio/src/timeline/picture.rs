//! From scenes to rectangles: what a frame hands to the GPU. Pure, and fast whatever the trace.

use eframe::egui::{Color32, Rect};
use trainyard_plan::Lane;

use super::layout::{Group, RowKind, Side};
use super::quad::Quad;
use super::scene::{KINDS, cause_of};
use super::sheet::{Sheet, border};
use super::{Slice, Track, memory};

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

    /// Draws a row.
    fn row(&self, group: &Group, kind: RowKind, rect: Rect, picture: &mut Picture) {
        let device = |side| self.scenes.scene(side).and_then(|scene| scene.device(&group.id));
        match kind {
            RowKind::Lane(side, lane) => {
                let Some((_, device)) = device(side) else { return };
                picture.quads.push(Quad::solid(self.pixels(rect), self.theme.raised));
                if lane == Lane::Compute {
                    self.idle(&device.idle, side, rect, picture);
                }
                let colours = KINDS.map(|kind| self.theme.action(kind));
                let labelled = lane == Lane::Compute;
                self.slices(device.lane(lane), side, rect, &colours, labelled, picture);
            }
            RowKind::Faint => {
                if let Some((_, device)) = device(Side::Predicted) {
                    let colours = KINDS.map(|kind| self.theme.action(kind).gamma_multiply(0.45));
                    let track = &device.compute;
                    self.slices(track, Side::Predicted, rect, &colours, false, picture);
                }
            }
            RowKind::Spans { thread, lane } => {
                let track = self.scenes.foreign.and_then(|scene| scene.lane(thread, lane));
                if let Some(track) = track {
                    picture.quads.push(Quad::solid(self.pixels(rect), self.theme.raised));
                    let colours = self.theme.spans();
                    self.slices(track, Side::Foreign, rect, &colours, true, picture);
                }
            }
            RowKind::Counter(index) => {
                if let Some(counter) = self.scenes.foreign.and_then(|scene| scene.counter(index)) {
                    picture.quads.push(Quad::solid(self.pixels(rect), self.theme.raised));
                    memory::draw_counter(self, counter, rect, &mut picture.quads);
                }
            }
            RowKind::Process(_) => {}
            RowKind::Memory => memory::draw(self, group, rect, &mut picture.quads),
        }
    }

    fn visible<'a>(&self, track: &'a Track, side: Side) -> &'a [Slice] {
        let (from, to) = self.clock(side);
        track.visible(from, to, self.axis().ns_per_pixel())
    }

    fn idle(&self, track: &Track, side: Side, rect: Rect, picture: &mut Picture) {
        let [_, top, _, bottom] = self.pixels(rect);
        let time_scale = self.time_scale(side);
        for slice in self.visible(track, side) {
            let edges = time_scale.snapped(slice.start_ns, slice.end_ns);
            // A narrower pattern cannot be recognised.
            let Some((left, right)) = edges.filter(|(l, r)| r - l >= 2.0 * self.scale) else {
                continue;
            };
            let pattern = cause_of(slice.class).pattern();
            let edges = [left, top, right, bottom];
            let (fill, ink) = (self.theme.raised, self.theme.idle);
            picture.quads.push(Quad::patterned(edges, fill, ink, pattern));
        }
    }

    /// Draws the slices of a track, each in the colour of its class.
    fn slices(
        &self,
        track: &Track,
        side: Side,
        rect: Rect,
        colours: &[Color32],
        labelled: bool,
        picture: &mut Picture,
    ) {
        let [_, top, _, bottom] = self.pixels(rect);
        let time_scale = self.time_scale(side);
        let point = self.scale;
        let mut filled = f32::MIN;
        for slice in self.visible(track, side) {
            let Some((left, right)) = time_scale.edges(slice.start_ns, slice.end_ns) else {
                continue;
            };
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
}
