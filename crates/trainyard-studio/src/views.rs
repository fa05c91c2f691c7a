//! Everything that is drawn in the window, from the state.

use std::collections::BTreeMap;

use eframe::egui::{self, Margin, Ui, Vec2};

use crate::command::{Command, Facts};
use crate::message::{DocumentMessage, Message, PreferencesMessage};
use crate::panel::{Frame, Panel, Picture};
use crate::panel_info::PanelInfo;
use crate::panels;
use crate::run::Session;
use crate::shell::dialogs::{Dialogs, drop_hint_ui};
use crate::shell::header::header_ui;
use crate::shell::menu::menu_bar_ui;
use crate::shell::status::status_ui;
use crate::shell::welcome::welcome_ui;
use crate::shown::{Shown, TraceKind};
use crate::state::State;
use crate::theme::{Theme, size};

/// State of the views from one frame to the next.
pub(crate) struct Views {
    panels: Vec<Box<dyn Panel>>,
    dialogs: Dialogs,
    /// Sizes of the panels as drawn, in points.
    sizes: BTreeMap<&'static str, Vec2>,
    /// The graphics adapter that draws the window, in words.
    pub(crate) adapter: Option<String>,
}

impl Views {
    /// The views; `on_gpu` says whether our own shaders draw in this window.
    pub(crate) fn new(on_gpu: bool) -> Self {
        let (panels, dialogs) = (panels::make(on_gpu), Dialogs::default());
        Self { panels, dialogs, sizes: BTreeMap::new(), adapter: None }
    }

    /// Lets go of what belongs to a document or trace that is no longer open.
    pub(crate) fn follow(&mut self, state: &State) {
        self.panels.iter_mut().for_each(|panel| panel.follow(state));
    }

    /// The facts that decide which commands are available.
    pub(crate) fn facts(&self, state: &State, shown: &Shown) -> Facts {
        let session = state.run.session();
        let document = state.document.document();
        let allowed = |run_file| state.preferences.programs().allow_any(run_file);
        let mut facts = Facts {
            undo: state.document.undo_words().map(str::to_owned),
            redo: document.history().redo_words().map(str::to_owned),
            has_recent: !state.preferences.recent().is_empty(),
            has_run_file: document.run_file.is_some(),
            not_opened: state.document.not_opened().is_some(),
            has_program: state.run.program().is_ok()
                || document.run_file.as_deref().is_some_and(allowed),
            running: state.run.is_running(),
            resumable: session.is_some_and(Session::can_resume),
            stepped: session.is_some_and(|session| session.state().step() > 0),
            measured: shown.scenes().measured.is_some(),
            busy: state.jobs.asks_program(),
            follows: false,
            shown: state.preferences.layout().shown(),
            theme: state.preferences.settings().theme,
            welcome: state.view.welcome(),
            forgets: state.hidden_steps() > 0,
            trace: state.view.trace().is_some(),
            trace_only: shown.trace_only().is_some(),
            foreign_only: is_foreign_only(shown),
        };
        self.panels.iter().for_each(|panel| panel.add_facts(&mut facts));
        facts
    }

    /// Does what a command asks of the panels' views.
    pub(crate) fn perform(&mut self, state: &State, shown: &Shown, command: Command) {
        let facts = self.facts(state, shown);
        let frame = Frame { state, facts: &facts, shown };
        self.panels.iter_mut().for_each(|panel| panel.perform(&frame, command));
    }

    /// A panel as a picture of its own.
    pub(crate) fn picture(&self, frame: &Frame, panel: PanelInfo) -> Option<Picture> {
        let least = self.sizes.get(panel.id).copied().unwrap_or(Vec2::new(1200.0, 600.0));
        self.panels.iter().find(|it| it.info() == panel)?.picture(frame, least)
    }

    /// Draws the window.
    pub(crate) fn show(
        &mut self,
        ui: &mut Ui,
        state: &State,
        shown: &Shown,
        facts: &Facts,
        out: &mut Vec<Message>,
    ) {
        let context = ui.ctx().clone();
        let frame = Frame { state, facts, shown };
        // Under a dialog there is no pointer: egui would keep a hover text that is open as long as
        // the pointer is over its widget, whatever lies between.
        let hidden = state
            .is_covered()
            .then(|| context.input_mut(|input| std::mem::take(&mut input.pointer)));
        bars_ui(ui, &frame, out);
        if state.view.welcome() {
            self::welcome(ui, &frame, out);
        }
        self.panels_ui(ui, &frame, out);
        if let Some(pointer) = hidden {
            context.input_mut(|input| input.pointer = pointer);
        }
        self.dialogs.show(&context, &frame, self.adapter.as_deref(), out);
        drop_hint_ui(&context);
    }

    /// Draws the panels where they are, and says so when they are elsewhere then.
    fn panels_ui(&mut self, ui: &mut Ui, frame: &Frame, out: &mut Vec<Message>) {
        let first = out.len();
        if frame.shown.trace_only().is_some_and(|shown| shown.kind != TraceKind::Run) {
            // No other panel has anything to say of a trace.
            let mut panels = self.panels.iter_mut();
            if let Some(timeline) = panels.find(|it| it.info() == panels::timeline::INFO) {
                self.sizes.insert(timeline.info().id, ui.max_rect().size());
                let ground = egui::Frame::new().fill(Theme::of(ui.ctx()).surface);
                let panel = egui::CentralPanel::default().frame(ground);
                panel.show(ui, |ui| timeline.ui(ui, frame, out));
            }
            return settle_preview(frame.state, out, first);
        }
        let before = frame.state.preferences.layout();
        let mut layout = before.clone();
        let panels = &mut self.panels;
        let infos = panels::INFOS;
        let title = |id: &str| infos.iter().find(|it| it.id == id).map_or("", |it| it.title);
        layout.show(ui, &title, &mut |ui, id| {
            if let Some(panel) = panels.iter_mut().find(|panel| panel.info().id == id) {
                self.sizes.insert(panel.info().id, ui.max_rect().size());
                panel.ui(ui, frame, out);
            }
        });
        if layout != *before {
            out.push(PreferencesMessage::Arrange(layout).into());
        }
        settle_preview(frame.state, out, first);
    }
}

/// Whether what is shown was done by another program alone.
fn is_foreign_only(shown: &Shown) -> bool {
    shown.trace_only().is_some_and(|shown| shown.kind == TraceKind::Foreign)
}

/// What an edit under way would lead to is what the last panel says that was drawn; nothing where
/// none does. What stays as it is is not said again.
fn settle_preview(state: &State, out: &mut Vec<Message>, first: usize) {
    let mut preview = None;
    let mut index = first;
    while index < out.len() {
        match &out[index] {
            Message::Document(DocumentMessage::Preview(_)) => {
                if let Message::Document(DocumentMessage::Preview(it)) = out.remove(index) {
                    preview = it.or(preview);
                }
            }
            _ => index += 1,
        }
    }
    let same = match (&preview, state.document.preview()) {
        (Some(now), Some(before)) => std::sync::Arc::ptr_eq(now, before),
        (None, None) => true,
        _ => false,
    };
    if !same {
        out.push(DocumentMessage::Preview(preview).into());
    }
}

/// The menus, the header, and the line at the bottom.
fn bars_ui(ui: &mut Ui, frame: &Frame, out: &mut Vec<Message>) {
    let theme = Theme::of(ui.ctx());
    let bar = |colour, margin| egui::Frame::new().fill(colour).inner_margin(margin);
    egui::Panel::top("menus")
        .frame(bar(theme.background, Margin::symmetric(8, 4)))
        .show(ui, |ui| menu_bar_ui(ui, frame, out));
    egui::Panel::top("header")
        .frame(bar(theme.surface, Margin::symmetric(12, 6)))
        .show(ui, |ui| header_ui(ui, frame, out));
    let (status, under_way) = (frame.state.view.status(), frame.state.jobs.under_way());
    egui::Panel::bottom("status")
        .frame(bar(theme.background, Margin::symmetric(12, 3)))
        .show(ui, |ui| status_ui(ui, status, &under_way, out));
}

/// The welcome, at the left.
fn welcome(ui: &mut Ui, frame: &Frame, out: &mut Vec<Message>) {
    let theme = Theme::of(ui.ctx());
    // In a small window it leaves room for the columns of three devices beside it.
    let small = ui.available_width() < 1200.0;
    let (width, margin) = if small { (212.0, size::SPACE) } else { (256.0, size::MARGIN) };
    let border = egui::Frame::new().fill(theme.raised).inner_margin(margin);
    let panel = egui::Panel::left("welcome").frame(border).resizable(false).exact_size(width);
    panel.show(ui, |ui| {
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| welcome_ui(ui, frame, out));
    });
}
