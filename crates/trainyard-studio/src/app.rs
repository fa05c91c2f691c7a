//! The application: one frame, from what happened to what is drawn.
//!
//! Other threads and processes, keys and the views say with messages what happened; the state
//! updates itself from them; effects are carried out, and what comes of them is a message again.

use std::collections::VecDeque;
use std::path::Path;

use eframe::egui::{self, Context, Ui};
use eframe::egui_wgpu::RenderState;
use trainyard_plan::PlanError;

use crate::command::{Command, Facts};
use crate::document::Document;
use crate::effect::{Effect, PictureFormat};
use crate::effects;
use crate::error_dialog::ErrorDialog;
use crate::event::Event;
use crate::export::{ExportError, png, svg, write_atomic};
use crate::message::{Message, RunMessage};
use crate::panel::{Frame, Picture};
use crate::panel_info::PanelInfo;
use crate::panels;
use crate::persistence::{Persisted, Settings};
use crate::shortcuts;
use crate::shown::Shown;
use crate::state::State;
use crate::theme;
use crate::update;
use crate::views::Views;

/// The application.
pub struct Studio {
    state: State,
    shown: Shown,
    views: Views,
    /// Paints pictures; none in a window that is only tested.
    graphics: Option<RenderState>,
    /// The settings that the window has; `None` before the first frame.
    applied: Option<Settings>,
    /// The window's title.
    title: String,
}

impl Studio {
    /// The studio with the example, and what was kept.
    ///
    /// # Errors
    /// As [`Document::example`].
    pub fn new(persisted: Persisted) -> Result<Self, PlanError> {
        let program = effects::find_program(&persisted.settings.program);
        let mut state = State::new(Document::example()?, persisted, &panels::INFOS);
        state.update(RunMessage::UseProgram(program).into());
        Ok(Self {
            state,
            shown: Shown::default(),
            views: Views::new(false),
            graphics: None,
            applied: None,
            title: String::new(),
        })
    }

    /// The state that is drawn.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> &Document {
        self.state.document.document()
    }

    /// The unread errors.
    pub fn errors(&self) -> impl Iterator<Item = &ErrorDialog> {
        self.state.view.errors()
    }

    /// Whether something is under way that will change what is drawn.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.state.is_busy()
    }

    /// Says what draws the window.
    pub(crate) fn set_adapter(&mut self, adapter: String) {
        self.views.adapter = Some(adapter);
    }

    /// Draws timelines, and pictures for files, with the graphics card that draws the window.
    pub fn draw_on_gpu(&mut self, graphics: &RenderState) {
        crate::timeline::install(graphics);
        let adapter = self.views.adapter.take();
        self.views = Views::new(true);
        self.views.adapter = adapter;
        self.graphics = Some(graphics.clone());
    }

    /// Opens a file or directory. It is read beside the window; what comes of it is seen a few
    /// frames later.
    pub fn open(&mut self, context: &Context, path: &Path) {
        self.send(context, Event::Open(path.to_owned()));
    }

    /// Does what a command says. One that is not available does nothing but say why.
    pub fn perform(&mut self, context: &Context, command: Command) {
        self.send(context, command);
    }

    /// Closes the window whatever is under way.
    pub(crate) fn close_without_asking(&mut self, context: &Context) {
        self.carry_out(context, update::close());
    }

    /// The facts that decide which commands are available.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.views.facts(&self.state, &self.shown)
    }

    /// Draws one frame. `ui` is the whole window, without margin or background.
    pub fn show(&mut self, ui: &mut Ui) {
        let context = ui.ctx().clone();
        if self.applied.is_none() {
            // The fonts are there from the next frame on.
            self.apply_settings(&context);
            context.request_repaint();
            return;
        }
        self.take_news(&context);
        self.apply_settings(&context);
        self.follow();
        self.take_keys(&context);
        let mut out = Vec::new();
        let facts = self.facts();
        self.views.show(ui, &self.state, &self.shown, &facts, &mut out);
        if !out.is_empty() {
            // Panels that were drawn already show it in the next frame.
            context.request_repaint();
        }
        for message in out {
            self.send(&context, message);
        }
        self.name_window(&context);
    }

    /// Brings what is worked out for drawing up to date with the state.
    fn follow(&mut self) {
        self.shown.follow(&self.state);
        self.views.follow(&self.state);
    }

    /// Takes news from other threads and processes, and from the system.
    fn take_news(&mut self, context: &Context) {
        for message in self.state.poll() {
            self.send(context, message);
        }
        let dropped = context.input(|input| input.raw.dropped_files.clone());
        if let Some(file) = dropped.first() {
            self.open(context, file.path());
        }
        if context.input(|input| input.viewport().close_requested()) {
            self.send(context, Event::CloseRequested);
        }
    }

    fn take_keys(&mut self, context: &Context) {
        if self.state.is_covered() {
            return;
        }
        let pressed = shortcuts::pressed(context);
        if pressed.is_empty() {
            return;
        }
        for command in pressed {
            self.perform(context, command);
        }
        self.follow();
    }

    /// Hands a message to whom it concerns, and does what follows from it.
    pub fn send(&mut self, context: &Context, message: impl Into<Message>) {
        let effects = self.update(message.into());
        self.carry_out(context, effects);
    }

    fn update(&mut self, message: Message) -> Vec<Effect> {
        match message {
            Message::Command(command) => {
                self.shown.follow(&self.state);
                update::perform(&self.state, &self.facts(), command)
            }
            Message::Event(event) => update::decide(&self.state, event),
            message => self.state.update(message),
        }
    }

    /// Carries effects out, one after the other, each with all that follows from it.
    fn carry_out(&mut self, context: &Context, effects: Vec<Effect>) {
        let mut ahead = VecDeque::from(effects);
        while let Some(effect) = ahead.pop_front() {
            let follows = match effect {
                Effect::Send(message) => self.update(message),
                Effect::InPanels(command) => {
                    self.follow();
                    self.views.perform(&self.state, &self.shown, command);
                    Vec::new()
                }
                Effect::Draw { panel, file, format } => {
                    let drawn = self.draw(context, panel, &file, format);
                    vec![Event::Written(file, drawn).into()]
                }
                effect => {
                    effects::carry_out(context, effect).into_iter().map(Effect::Send).collect()
                }
            };
            follows.into_iter().rev().for_each(|effect| ahead.push_front(effect));
        }
    }

    /// Draws a panel into a file.
    fn draw(
        &mut self,
        context: &Context,
        panel: PanelInfo,
        file: &Path,
        format: PictureFormat,
    ) -> Result<(), ExportError> {
        self.follow();
        let facts = self.facts();
        let frame = Frame { state: &self.state, facts: &facts, shown: &self.shown };
        let Some(Picture { size, mut panel }) = self.views.picture(&frame, panel) else {
            let reason = "this panel cannot be drawn by itself".to_owned();
            return Err(ExportError::Paint { reason });
        };
        let show = |ui: &mut Ui| panel.ui(ui, &frame, &mut Vec::new());
        match (format, &self.graphics) {
            (PictureFormat::Svg, _) => {
                write_atomic(file, svg::draw(context, size, show).text.as_bytes())
            }
            (PictureFormat::Png, Some(graphics)) => {
                write_atomic(file, &png::draw(context, size, graphics, show)?)
            }
            (PictureFormat::Png, None) => {
                let reason = "no graphics device draws this window".to_owned();
                Err(ExportError::Paint { reason })
            }
        }
    }

    /// Takes over what the settings say, once for every change.
    pub(crate) fn apply_settings(&mut self, context: &Context) {
        let settings = self.state.preferences.settings();
        if self.applied.as_ref() == Some(settings) {
            return;
        }
        if self.applied.replace(settings.clone()).is_none() {
            theme::install(context);
            // Zooming is a command of ours, which the settings keep.
            context.options_mut(|options| options.zoom_with_keyboard = false);
        }
        context.set_theme(settings.theme);
        context.set_zoom_factor(settings.zoom);
        let animation_time = if settings.reduce_motion { 0.0 } else { 0.1 };
        context.all_styles_mut(|style| style.animation_time = animation_time);
    }

    fn name_window(&mut self, context: &Context) {
        let (shown, document) = (self.shown.trace_only(), self.document());
        let mark = if shown.is_none() && document.is_changed() { "● " } else { "" };
        let name = shown
            .map(|shown| shown.name.clone())
            .or_else(|| document.file.as_deref().map(crate::paths::short_name))
            .unwrap_or_else(|| document.profile().model.name.clone());
        let title = format!("{mark}{name} – Trainyard Studio");
        if title != self.title {
            context.send_viewport_cmd(egui::ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }
}
