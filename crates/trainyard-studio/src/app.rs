//! The application: everything that is drawn inside the window.

use std::collections::VecDeque;
use std::path::{Component, Path};

use eframe::egui::{self, Context, Ui};
use trainyard_plan::{DeviceList, PlanError};

use crate::command::{Command, Facts};
use crate::desk::Desk;
use crate::kept::{Kept, Settings};
use crate::opening::Opening;
use crate::panels::Panels;
use crate::run::{Program, ProgramMissing, Session};
use crate::running::Tasked;
use crate::saving::Writing;
use crate::shell::header::Header;
use crate::shell::my_devices::MyDevices;
use crate::shell::palette::Palette;
use crate::shell::path_dialog::PathDialog;
use crate::shell::trouble::Trouble;
use crate::shell::{menu, status, welcome};
use crate::theme::{self, Theme, size};

/// The application's state.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Studio {
    /// What is worked on.
    pub desk: Desk,
    /// What was edited and not saved when something else was opened, the newest last.
    pub(crate) put_aside: Vec<Desk>,
    /// What is kept from one day to the next.
    pub kept: Kept,
    /// The program that trains.
    pub program: Result<Program, ProgramMissing>,
    /// The training that is watched.
    pub session: Option<Session>,
    pub(crate) panels: Panels,
    pub(crate) dialog: Option<Dialog>,
    pub(crate) troubles: VecDeque<Trouble>,
    /// What was done last, in words.
    pub(crate) said: String,
    pub(crate) welcome: bool,
    /// Whether the desk's plan was opened after the run that is watched.
    pub(crate) desk_is_newer: bool,
    pub(crate) opening: Option<Opening>,
    pub(crate) task: Option<Tasked>,
    pub(crate) devices: Option<DeviceList>,
    /// Data that is being written to a file.
    pub(crate) writing: Option<Writing>,
    /// What paints pictures; there is none in a window that is only tested.
    pub(crate) graphics: Option<eframe::egui_wgpu::RenderState>,
    /// What draws the window, in words.
    pub(crate) adapter: Option<String>,
    /// The settings that the window has; `None` before the first frame.
    applied: Option<Settings>,
    title: String,
    /// Whether the desk has the built-in example, of which nobody misses an edit.
    pub(crate) is_example: bool,
    /// Whether the window closes as soon as the training has stopped.
    pub(crate) closes_when_stopped: bool,
    /// Whether the window may close without asking.
    pub(crate) may_close: bool,
}

/// What lies over the window.
pub(crate) enum Dialog {
    Palette(Palette),
    Help,
    Settings,
    About,
    Path(PathDialog),
    MyDevices(MyDevices),
    NoRunFile,
    ClosingOverRun,
    ClosingUnsaved,
}

impl Studio {
    /// The studio with the example on its desk, and what was kept.
    ///
    /// # Errors
    /// As [`Desk::example`].
    pub fn new(kept: Kept) -> Result<Self, PlanError> {
        let mut studio = Self {
            desk: Desk::example()?,
            put_aside: Vec::new(),
            kept,
            program: Program::find(),
            session: None,
            panels: Panels::default(),
            dialog: None,
            troubles: VecDeque::new(),
            said: String::new(),
            welcome: true,
            desk_is_newer: false,
            opening: None,
            task: None,
            devices: None,
            writing: None,
            graphics: None,
            adapter: None,
            applied: None,
            title: String::new(),
            is_example: true,
            closes_when_stopped: false,
            may_close: false,
        };
        studio.find_program();
        Ok(studio)
    }

    /// Says what draws the window.
    pub(crate) fn set_adapter(&mut self, adapter: String) {
        self.adapter = Some(adapter);
    }

    /// Looks for the program where the settings say, then in the usual places.
    pub(crate) fn find_program(&mut self) {
        let wish = self.kept.settings.program.trim();
        let wished = (!wish.is_empty())
            .then(|| Program::find_in(None, Some(wish.as_ref()), None))
            .and_then(Result::ok);
        self.program = wished.map_or_else(Program::find, Ok);
    }

    /// Says at the bottom of the window what was done.
    pub(crate) fn say(&mut self, words: impl Into<String>) {
        self.said = words.into();
    }

    /// Draws timelines, and pictures for files, with the graphics card that draws the window.
    pub fn draw_on_gpu(&mut self, state: &eframe::egui_wgpu::RenderState) {
        crate::timeline::install(state);
        self.panels.timeline = crate::timeline::Timeline::on_gpu();
        self.graphics = Some(state.clone());
    }

    /// The troubles that nobody has read yet.
    pub fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        self.troubles.iter()
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
        self.apply_settings(&context);
        self.take_news(&context);
        self.take_scenes();
        let facts = self.facts();
        self.take_keys(&context, &facts);
        self.show_under_dialogs(ui, &facts);
        self.show_dialog(&context, &facts);
        Self::show_drop_hint(&context);
        self.ask_before_closing(&context);
        self.name_window(&context);
    }

    /// Draws what dialogs lie over. Under one there is no pointer: egui would keep a hover text that
    /// is open as long as the pointer is over its widget, whatever lies between.
    fn show_under_dialogs(&mut self, ui: &mut Ui, facts: &Facts) {
        let context = ui.ctx().clone();
        let hidden = self
            .is_covered()
            .then(|| context.input_mut(|input| std::mem::take(&mut input.pointer)));
        self.show_bars(ui, facts);
        if self.welcome {
            self.show_welcome(ui, facts);
        }
        self.show_panels(ui, facts);
        if let Some(pointer) = hidden {
            context.input_mut(|input| input.pointer = pointer);
        }
    }

    /// Whether a dialog lies over the window.
    fn is_covered(&self) -> bool {
        self.dialog.is_some() || !self.troubles.is_empty()
    }

    /// What decides which commands may be used.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let history = self.desk.history();
        let running = self.session.as_ref().is_some_and(Session::is_running);
        Facts {
            undo: history
                .undo_words()
                .map(str::to_owned)
                .or_else(|| self.put_aside.last().map(|_| "opening this".to_owned())),
            redo: history.redo_words().map(str::to_owned),
            has_recent: !self.kept.recent.is_empty(),
            has_run_file: self.desk.run_file.is_some(),
            has_program: self.program.is_ok(),
            running,
            resumable: self.session.as_ref().is_some_and(Session::can_resume),
            stepped: self.session.as_ref().is_some_and(|session| session.state().step() > 0),
            measured: self.panels.has_measured(),
            busy: self.task.is_some(),
            follows: self.panels.timeline.follows(),
            shown: self.kept.layout.shown(),
            theme: self.kept.settings.theme,
            welcome: self.welcome,
            forgets: self.hidden_steps() > 0,
            trace: self.panels.opened_trace().is_some(),
            alone: self.panels.alone.is_some(),
        }
    }

    /// Takes over what the settings say, once for every change.
    pub(crate) fn apply_settings(&mut self, context: &Context) {
        let settings = &self.kept.settings;
        if self.applied.as_ref() == Some(settings) {
            return;
        }
        let before = self.applied.replace(settings.clone());
        if before.is_none() {
            theme::install(context);
            // Zooming is a command of ours, which the settings keep.
            context.options_mut(|options| options.zoom_with_keyboard = false);
        }
        context.set_theme(settings.theme);
        context.set_zoom_factor(settings.zoom);
        let animation_time = if settings.reduce_motion { 0.0 } else { 0.1 };
        context.all_styles_mut(|style| style.animation_time = animation_time);
        if before.is_none_or(|before| before.program != self.kept.settings.program) {
            self.find_program();
        }
    }

    /// What came from other threads and processes since the last frame.
    fn take_news(&mut self, context: &Context) {
        self.poll_opening(context);
        self.poll_task(context);
        self.poll_writing();
        self.poll_session();
        let dropped = context.input(|input| input.raw.dropped_files.clone());
        if let Some(file) = dropped.first() {
            self.open(context, file.path());
        }
    }

    fn take_keys(&mut self, context: &Context, facts: &Facts) {
        if self.is_covered() {
            return;
        }
        for command in Command::pressed(context) {
            match command.unavailable(facts) {
                None => self.perform(context, command),
                Some(why) => self.say(format!("{}: not now, {why}", command.spec().name)),
            }
        }
    }

    fn show_bars(&mut self, ui: &mut Ui, facts: &Facts) {
        let context = ui.ctx().clone();
        let theme = Theme::of(&context);
        let frame =
            egui::Frame::new().fill(theme.background).inner_margin(egui::Margin::symmetric(8, 4));
        let chosen = egui::Panel::top("menus")
            .frame(frame)
            .show(ui, |ui| menu::bar(ui, facts, &self.kept.recent.paths()));
        match chosen.inner {
            Some(menu::Chosen::Command(command)) => self.perform(&context, command),
            Some(menu::Chosen::Recent(path)) => self.open(&context, &path),
            None => {}
        }
        let frame =
            egui::Frame::new().fill(theme.surface).inner_margin(egui::Margin::symmetric(12, 6));
        let chosen = egui::Panel::top("header").frame(frame).show(ui, |ui| {
            let session = self.session.as_ref().filter(|_| !self.run_is_aside());
            let measured_us = session.and_then(|session| {
                session.comparison().map(|comparison| comparison.step_us.measured)
            });
            let would_be = self.panels.would_be.as_deref();
            let (is_example, alone) = (self.is_example, self.panels.alone.as_ref());
            let trace = self.panels.opened_trace();
            Header { desk: &self.desk, is_example, trace, alone, would_be, measured_us, facts }
                .show(ui)
        });
        if let Some(command) = chosen.inner {
            self.perform(&context, command);
        }
        let frame =
            egui::Frame::new().fill(theme.background).inner_margin(egui::Margin::symmetric(12, 3));
        let mut under_way: Vec<String> = Vec::new();
        under_way.extend(self.opening.as_ref().map(Opening::what));
        under_way.extend(self.writing.as_ref().map(Writing::what));
        under_way.extend(self.task.as_ref().map(|tasked| tasked.task.what().to_owned()));
        let call_off = egui::Panel::bottom("status")
            .frame(frame)
            .show(ui, |ui| status::show(ui, &self.said, &under_way));
        if call_off.inner {
            (self.opening, self.writing) = (None, None);
            if let Some(tasked) = &mut self.task {
                tasked.task.cancel();
            }
        }
    }

    fn show_welcome(&mut self, ui: &mut Ui, facts: &Facts) {
        let context = ui.ctx().clone();
        let theme = Theme::of(&context);
        // In a small window it leaves room for the columns of three devices beside it.
        let small = ui.available_width() < 1200.0;
        let (width, margin) = if small { (212.0, size::SPACE) } else { (256.0, size::MARGIN) };
        let frame = egui::Frame::new().fill(theme.raised).inner_margin(margin);
        let panel = egui::Panel::left("welcome").frame(frame).resizable(false).exact_size(width);
        let chosen = panel.show(ui, |ui| {
            egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                welcome::show(ui, facts, self.kept.first_steps, self.kept.recent.paths())
            })
        });
        match chosen.inner.inner {
            Some(welcome::Chosen::Command(command)) => self.perform(&context, command),
            Some(welcome::Chosen::Recent(path)) => self.open(&context, &path),
            Some(welcome::Chosen::Dismissed) => self.welcome = false,
            None => {}
        }
    }

    /// Whether something is under way that will change what is drawn.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let beside = self.opening.is_some() || self.writing.is_some() || self.task.is_some();
        beside || self.panels.is_busy()
    }

    fn name_window(&mut self, context: &Context) {
        let alone = self.panels.alone.as_ref();
        let mark = if alone.is_none() && self.desk.is_changed() { "● " } else { "" };
        let name = alone
            .map(|alone| alone.name.clone())
            .or_else(|| self.desk.file.as_deref().map(short_name))
            .unwrap_or_else(|| self.desk.profile().model.name.clone());
        let title = format!("{mark}{name} – Trainyard Studio");
        if title != self.title {
            context.send_viewport_cmd(egui::ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }
}

/// The end of a path that mostly tells it from others: `my-run/plan.json`.
pub(crate) fn short_name(path: &Path) -> String {
    end_of(path, 2)
}

/// Short names of several paths: those that would be alike have as much more as tells them apart.
pub(crate) fn short_names<'a>(paths: impl Iterator<Item = &'a Path>) -> Vec<(&'a Path, String)> {
    let paths: Vec<&Path> = paths.collect();
    let name = |path: &Path| {
        let is_alike = |parts| {
            let others = paths.iter().filter(|other| **other != path);
            others.into_iter().any(|other| end_of(other, parts) == end_of(path, parts))
        };
        let parts = (2..path.components().count()).find(|parts| !is_alike(*parts));
        end_of(path, parts.unwrap_or(usize::MAX))
    };
    paths.iter().map(|path| (*path, name(path))).collect()
}

/// So many last parts of a path.
fn end_of(path: &Path, parts: usize) -> String {
    let all = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    let all: Vec<_> = all.collect();
    let end = all.get(all.len().saturating_sub(parts)..).unwrap_or_default();
    if end.is_empty() { path.display().to_string() } else { end.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_end_alike_are_told_apart() {
        let paths = ["/a/runs/run", "/b/runs/run", "/b/plan.json", "plan.json", "/"];
        let names = short_names(paths.iter().map(Path::new));
        let names: Vec<_> = names.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["a/runs/run", "b/runs/run", "b/plan.json", "plan.json", "/"]);
    }
}
