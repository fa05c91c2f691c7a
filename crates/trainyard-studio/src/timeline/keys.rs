//! The keyboard, with Perfetto's hands. Only while the timeline is pointed at or has the focus, and
//! nobody writes.

use eframe::egui::{Key, Modifiers, Response, Ui};
use trainyard_plan::Lane;

use super::layout::Side;
use super::selection::Selected;
use super::view::View;
use super::widget::{Frame, Range, Timeline};
use super::{Scene, flow};

/// What the view shows more or less of with one press, and how far it moves, as shares of itself.
const ZOOM: f64 = 0.8;
const PAN: f64 = 0.12;

/// From one event to another.
type Walk = fn(&Scene, u32) -> Option<u32>;

/// Does what the pressed keys ask for.
pub(super) fn apply(timeline: &mut Timeline, ui: &Ui, frame: &Frame, response: &Response) {
    // Esc takes the focus away before anybody sees it.
    let focused = response.has_focus() || response.lost_focus();
    let active = response.contains_pointer() || focused;
    if !active || ui.ctx().text_edit_focused() {
        return;
    }
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let middle = f64::midpoint(timeline.view.start, timeline.view.end);
    let anchor = response.hover_pos().and(timeline.pointer).unwrap_or(middle);
    let moves =
        [(Key::W, ZOOM, 0.0), (Key::S, 1.0 / ZOOM, 0.0), (Key::A, 1.0, -PAN), (Key::D, 1.0, PAN)];
    for (key, zoom, pan) in moves {
        if pressed(key) {
            timeline.moved = true;
            let by = pan * timeline.view.length();
            timeline.view.zoom(anchor, zoom, frame.content);
            timeline.view.pan(by, frame.content);
        }
    }
    if pressed(Key::F) {
        timeline.fit(frame);
    }
    if pressed(Key::M) {
        timeline.toggle_mark(anchor);
    }
    if pressed(Key::Space) {
        timeline.toggle_follow(frame);
    }
    if pressed(Key::Escape) {
        timeline.clear();
    }
    if pressed(Key::Slash) {
        timeline.search.wants_focus = true;
    }
    let steps: [(Key, Walk); 4] = [
        (Key::OpenBracket, flow::previous),
        (Key::CloseBracket, flow::next),
        (Key::Comma, before),
        (Key::Period, after),
    ];
    for (key, step) in steps {
        if pressed(key) {
            timeline.walk(frame, step);
        }
    }
}

impl Timeline {
    /// Shows the selection if there is one and it is not shown yet, else the step, else everything.
    pub(super) fn fit(&mut self, frame: &Frame) {
        let selected = self.selected.as_ref().and_then(|selected| frame.range_of(selected));
        let wanted: Vec<Range> =
            [self.range, selected, Some(frame.step_range), Some(frame.content)]
                .into_iter()
                .flatten()
                .collect();
        let shown = wanted.iter().position(|range| View::fit(range.0, range.1) == self.view);
        let next = shown.map_or(0, |index| (index + 1) % wanted.len());
        if let Some(range) = wanted.get(next) {
            self.view = View::fit(range.0, range.1);
            self.moved = *range != frame.step_range;
        }
    }

    /// Sets a mark at an instant, or takes away the one that is there.
    pub(super) fn toggle_mark(&mut self, ns: f64) {
        let near = self.view.length() * 0.005;
        let before = self.marks.len();
        self.marks.retain(|mark| (mark - ns).abs() > near);
        if self.marks.len() == before {
            self.marks.push(ns);
        }
    }

    /// Follows the newest step, or stays with the one that is shown.
    pub(super) fn toggle_follow(&mut self, frame: &Frame) {
        self.step = if self.follows() { frame.step } else { None };
    }

    /// Forgets what is selected, pinned and looked for.
    pub(super) fn clear(&mut self) {
        self.selected = None;
        self.range = None;
        self.pinned = None;
        self.search.clear();
    }

    /// From the selected action to another one.
    pub(super) fn walk(&mut self, frame: &Frame, step: Walk) {
        let from = self.selected.as_ref().and_then(|selected| selected.event(&frame.scenes));
        let Some((side, index, _)) = from else {
            // With nothing selected, the first there is.
            let first = first(frame);
            self.selected =
                first.and_then(|(side, event)| Selected::new(&frame.scenes, side, event));
            return;
        };
        let next = frame.scenes.scene(side).and_then(|scene| step(scene, index));
        if let Some(event) = next {
            self.select(frame.scenes, side, event);
        }
    }
}

/// The first action of the step that is shown.
fn first(frame: &Frame) -> Option<(Side, u32)> {
    let (side, scene) = frame.scenes.sides().last()?;
    let step = match frame.step.filter(|_| side == Side::Measured) {
        Some(number) => scene.step(number),
        None => scene.steps().first(),
    };
    let compute = |index: &u32| scene.event(*index).is_some_and(|e| e.lane == Lane::Compute);
    step?.events.iter().copied().find(compute).map(|event| (side, event))
}

/// The slice after an event in its row.
fn after(scene: &Scene, index: u32) -> Option<u32> {
    beside(scene, index, 1)
}

/// The slice before an event in its row.
fn before(scene: &Scene, index: u32) -> Option<u32> {
    beside(scene, index, -1)
}

fn beside(scene: &Scene, index: u32, by: isize) -> Option<u32> {
    let event = scene.event(index)?;
    let slices = scene.devices().get(event.device)?.lane(event.lane).slices();
    let first = slices.partition_point(|slice| slice.start_ns < event.start_ns);
    let at = slices.iter().skip(first).position(|slice| slice.event == index)? + first;
    slices.get(at.checked_add_signed(by)?).map(|slice| slice.event)
}
