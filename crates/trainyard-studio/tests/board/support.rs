//! The board in a window, and what a person does to it.

use eframe::egui::{Event, Modifiers, PointerButton, Pos2, Theme as Mode, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use egui_kittest::{Harness, Node};
use trainyard_studio::board::Board;
use trainyard_studio::document::{Assessment, Document};
use trainyard_studio::effect::Effect;
use trainyard_studio::message::{DocumentMessage, Message, ViewMessage};
use trainyard_studio::state::DocumentState;
use trainyard_studio::theme;

use crate::common::profile;

pub(crate) struct State {
    pub(crate) board: Board,
    edited: DocumentState,
    pub(crate) cursor: Option<f64>,
    /// The last refusal.
    pub(crate) refused: Option<String>,
}

impl State {
    pub(crate) fn document(&self) -> &Document {
        self.edited.document()
    }

    /// What an edit that is under way would lead to.
    pub(crate) fn preview(&self) -> Option<&Assessment> {
        self.edited.preview().map(AsRef::as_ref)
    }

    /// Hands a message to the document, and hears what it says.
    pub(crate) fn send(&mut self, message: DocumentMessage) {
        let is_edit = matches!(message, DocumentMessage::Edit { on_board: true, .. });
        for effect in self.edited.update(message) {
            if let Effect::Send(Message::View(ViewMessage::Status(words))) = effect
                && is_edit
                && self.edited.refusal() == Some(&words)
            {
                self.refused = Some(words);
            }
        }
    }

    /// Draws the board, and does what comes of it.
    fn show(&mut self, ui: &mut eframe::egui::Ui) {
        let mut out = Vec::new();
        self.board.show(ui, &self.edited, self.cursor, &mut out);
        let mut preview = None;
        for message in out {
            let Message::Document(message) = message else { panic!("not for the document") };
            if let DocumentMessage::Preview(it) = message {
                preview = it;
            } else {
                ui.ctx().request_repaint();
                self.send(message);
            }
        }
        self.edited.update(DocumentMessage::Preview(preview));
    }
}

pub(crate) type Window = Harness<'static, State>;

pub(crate) fn open_sized(document: Document, size: (f32, f32), mode: Mode) -> Window {
    let state = State {
        board: Board::default(),
        edited: DocumentState::new(document),
        cursor: None,
        refused: None,
    };
    let show = |ui: &mut eframe::egui::Ui, state: &mut State| {
        let background = theme::Theme::of(ui.ctx()).background;
        ui.painter().rect_filled(ui.max_rect().expand(50.0), 0.0, background);
        state.show(ui);
    };
    let mut harness = Harness::builder()
        .with_size(vec2(size.0, size.1))
        .with_theme(mode)
        .with_context_setup(theme::install)
        .with_max_steps(40)
        .with_step_dt(1.0 / 60.0)
        .allow_missing_glyphs()
        .build_ui_state(show, state);
    harness.run();
    harness
}

pub(crate) fn open(document: Document) -> Window {
    open_sized(document, (1200.0, 700.0), Mode::Dark)
}

/// Layers of 10 bytes, 9 on 3 devices of so many bytes.
pub(crate) fn small(memory: &[u64]) -> Document {
    Document::new(profile(9, memory), None).unwrap()
}

pub(crate) fn roomy() -> Window {
    open(small(&[9000, 9000, 9000]))
}

/// Stages as (device, first, end).
pub(crate) fn stages(window: &Window) -> Vec<(usize, usize, usize)> {
    let stages = window.state().document().arrangement().stages.iter();
    stages.map(|stage| (stage.device, stage.first, stage.end)).collect()
}

pub(crate) const START: [(usize, usize, usize); 3] = [(0, 0, 3), (1, 3, 6), (2, 6, 9)];

pub(crate) fn layer<'a>(window: &'a Window, name: &str) -> Node<'a> {
    let starts = format!("{name}, layer ");
    let is = move |node: &Node<'_>| {
        node.accesskit_node().label().is_some_and(|label| label.starts_with(&starts))
    };
    window.root().children_recursive().find(is).unwrap_or_else(|| panic!("no layer {name}"))
}

pub(crate) fn middle(node: &Node<'_>) -> Pos2 {
    node.rect().center()
}

pub(crate) fn column(window: &Window, device: &str) -> Pos2 {
    middle(&window.get_by_label_contains(&format!("column of {device},")))
}

/// Presses at one place and moves to another in steps.
pub(crate) fn carry(window: &mut Window, from: Pos2, to: Pos2) {
    carry_with(window, from, to, Modifiers::NONE);
}

pub(crate) fn carry_with(window: &mut Window, from: Pos2, to: Pos2, modifiers: Modifiers) {
    window.hover_at(from);
    window.step();
    window.drag_at(from);
    window.step();
    window.event(Event::ModifiersChanged(modifiers));
    for step in 1..=5 {
        window.hover_at(from + (to - from) * (step as f32 / 5.0));
        window.step();
    }
    window.run();
}

pub(crate) fn release(window: &mut Window, at: Pos2) {
    release_with(window, at, Modifiers::NONE);
}

pub(crate) fn release_with(window: &mut Window, pos: Pos2, modifiers: Modifiers) {
    let button = PointerButton::Primary;
    window.event(Event::PointerButton { pos, button, pressed: false, modifiers });
    window.event(Event::ModifiersChanged(Modifiers::NONE));
    window.remove_cursor();
    window.run();
}

pub(crate) fn drag(window: &mut Window, from: Pos2, to: Pos2) {
    carry(window, from, to);
    release(window, to);
}

pub(crate) fn drag_layer(window: &mut Window, name: &str, device: &str) {
    let (from, to) = (middle(&layer(window, name)), column(window, device));
    drag(window, from, to);
}
