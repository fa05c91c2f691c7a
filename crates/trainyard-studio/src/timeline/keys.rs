//! The keyboard, with Perfetto's hands. Only while the timeline is pointed at or has the focus, and
//! no text is being edited.

use eframe::egui::{EventFilter, Key, Modifiers, Response, Ui};
use trainyard_plan::Lane;

use super::layout::{Scenes, Side};
use super::selection::Selection;
use super::state::{Frame, Range, Timeline};
use super::view::View;
use super::{Scene, flow};
use crate::theme::size;

/// What the view shows more or less of at once, and how far it moves, as shares of itself.
const ZOOM: f64 = 0.8;
const PAN: f64 = 0.12;
/// How far an arrow key scrolls the rows, points.
const ROW: f32 = 2.0 * size::LANE;

/// Keys that act on the timeline, and do not move egui's focus.
const OURS: EventFilter =
    EventFilter { tab: false, horizontal_arrows: false, vertical_arrows: true, escape: false };

/// What can be asked of a timeline, by a key or by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Less time, larger.
    ZoomIn,
    /// More time, smaller.
    ZoomOut,
    /// Earlier.
    Left,
    /// Later.
    Right,
    /// Rows further up.
    Up,
    /// Rows further down.
    Down,
    /// As many rows further up as are seen.
    PageUp,
    /// As many rows further down as are seen.
    PageDown,
    /// Show the selection, the step, or everything.
    Fit,
    /// Along the flow, back.
    ComesFrom,
    /// Along the flow, ahead.
    LeadsTo,
    /// The action before in the row.
    Before,
    /// The action after in the row.
    After,
    /// Set or take away a mark.
    Mark,
    /// Follow the newest step, or stay.
    Follow,
    /// Write what to search for.
    Search,
    /// Forget selection, range, pin and search.
    Clear,
}

impl Command {
    /// All of them: command, key, name.
    pub const ALL: [(Self, Key, &'static str); 17] = [
        (Self::ZoomIn, Key::W, "Zoom in"),
        (Self::ZoomOut, Key::S, "Zoom out"),
        (Self::Left, Key::A, "Move left"),
        (Self::Right, Key::D, "Move right"),
        (Self::Up, Key::ArrowUp, "Scroll the rows up"),
        (Self::Down, Key::ArrowDown, "Scroll the rows down"),
        (Self::PageUp, Key::PageUp, "Scroll the rows a page up"),
        (Self::PageDown, Key::PageDown, "Scroll the rows a page down"),
        (Self::Fit, Key::F, "Fit the selection, the step, everything"),
        (Self::ComesFrom, Key::OpenBracket, "Previous along the flow"),
        (Self::LeadsTo, Key::CloseBracket, "Next along the flow"),
        (Self::Before, Key::Comma, "Previous in the row"),
        (Self::After, Key::Period, "Next in the row"),
        (Self::Mark, Key::M, "Mark"),
        (Self::Follow, Key::Space, "Follow the newest step or stay"),
        (Self::Search, Key::Slash, "Search"),
        (Self::Clear, Key::Escape, "Clear selection and search"),
    ];

    /// Whether its key belongs to others unless the timeline has the focus.
    fn needs_focus(self) -> bool {
        matches!(self, Self::Up | Self::Down | Self::PageUp | Self::PageDown)
    }
}

/// From one action or span to another.
#[derive(Clone, Copy)]
pub(super) enum Walk {
    /// Along the flow, back.
    Previous,
    /// Along the flow, ahead.
    Next,
    /// Back in the row.
    Before,
    /// Ahead in the row.
    After,
}

impl Walk {
    /// Where it leads from what is at an index in the scene of a side.
    pub(super) fn from(self, scenes: &Scenes, side: Side, index: u32) -> Option<u32> {
        if side == Side::Foreign {
            let scene = scenes.foreign?;
            return match self {
                Self::Previous => scene.previous(index),
                Self::Next => scene.next(index),
                Self::Before => scene.beside(index, -1),
                Self::After => scene.beside(index, 1),
            };
        }
        let scene = scenes.scene(side)?;
        match self {
            Self::Previous => flow::previous(scene, index),
            Self::Next => flow::next(scene, index),
            Self::Before => beside(scene, index, -1),
            Self::After => beside(scene, index, 1),
        }
    }
}

/// Does what the pressed keys ask for.
pub(super) fn apply(timeline: &mut Timeline, ui: &Ui, frame: &Frame, response: &Response) {
    // Esc takes the focus away before anybody sees it.
    let focused = response.has_focus() || response.lost_focus();
    let active = response.contains_pointer() || focused;
    if !active || ui.ctx().text_edit_focused() {
        return;
    }
    if response.has_focus() {
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, OURS));
    }
    for (command, key, _) in Command::ALL {
        if command.needs_focus() && !response.has_focus() {
            continue;
        }
        if ui.input_mut(|input| input.consume_key(Modifiers::NONE, key)) {
            timeline.obey(frame, command);
        }
    }
}

impl Timeline {
    /// Does what a command asks for, as its key does.
    pub fn run(&mut self, scenes: Scenes, command: Command) {
        let frame = self.frame(scenes);
        self.obey(&frame, command);
    }

    fn obey(&mut self, frame: &Frame, command: Command) {
        match command {
            Command::ZoomIn => self.shift(frame, ZOOM, 0.0),
            Command::ZoomOut => self.shift(frame, 1.0 / ZOOM, 0.0),
            Command::Left => self.shift(frame, 1.0, -PAN),
            Command::Right => self.shift(frame, 1.0, PAN),
            Command::Up => self.rows.scrolled -= ROW,
            Command::Down => self.rows.scrolled += ROW,
            Command::PageUp => self.rows.scrolled -= self.rows.seen,
            Command::PageDown => self.rows.scrolled += self.rows.seen,
            Command::Fit => self.fit(frame),
            Command::ComesFrom => self.walk(frame, Walk::Previous),
            Command::LeadsTo => self.walk(frame, Walk::Next),
            Command::Before => self.walk(frame, Walk::Before),
            Command::After => self.walk(frame, Walk::After),
            Command::Mark => self.toggle_mark(self.anchor()),
            Command::Follow => self.toggle_follow(frame),
            Command::Search => self.search.wants_focus = true,
            Command::Clear => self.clear(),
        }
    }

    /// What is pointed at, else the middle.
    fn anchor(&self) -> f64 {
        self.pointer.unwrap_or(f64::midpoint(self.view.start, self.view.end))
    }

    fn shift(&mut self, frame: &Frame, zoom: f64, pan: f64) {
        self.moved = true;
        let by = pan * self.view.length();
        self.view.zoom(self.anchor(), zoom, frame.content);
        self.view.pan(by, frame.content);
    }

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

    /// From what is selected to another action or span.
    pub(super) fn walk(&mut self, frame: &Frame, walk: Walk) {
        let from = self.selected.as_ref().and_then(|selected| selected.place(&frame.scenes));
        let Some((side, index)) = from else {
            // With nothing selected, the first there is.
            let first = first(frame);
            self.selected =
                first.and_then(|(side, event)| Selection::new(&frame.scenes, side, event));
            return;
        };
        if let Some(event) = walk.from(&frame.scenes, side, index) {
            self.select(frame.scenes, side, event);
        }
    }
}

/// The first action of the step that is shown, or the first span.
fn first(frame: &Frame) -> Option<(Side, u32)> {
    let Some((side, scene)) = frame.scenes.sides().last() else {
        return frame.scenes.foreign?.span(0).map(|_| (Side::Foreign, 0));
    };
    let step = match frame.step.filter(|_| side == Side::Measured) {
        Some(number) => scene.step(number),
        None => scene.steps().first(),
    };
    let compute = |index: &u32| scene.event(*index).is_some_and(|e| e.lane == Lane::Compute);
    step?.events.iter().copied().find(compute).map(|event| (side, event))
}

/// The slice after an event in its row, or the one before it.
fn beside(scene: &Scene, index: u32, by: isize) -> Option<u32> {
    let event = scene.event(index)?;
    let slices = scene.devices().get(event.device)?.lane(event.lane).slices();
    let first = slices.partition_point(|slice| slice.start_ns < event.start_ns);
    let at = slices.iter().skip(first).position(|slice| slice.event == index)? + first;
    slices.get(at.checked_add_signed(by)?).map(|slice| slice.event)
}
