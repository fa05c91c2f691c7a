//! What the commands do.

use std::path::Path;

use eframe::egui::{Context, Popup, ViewportCommand};

use crate::app::{Dialog, Studio};
use crate::command::Command;
use crate::desk::Desk;
use crate::export::{Shell, Training, command_line};
use crate::open::RUN_FILE;
use crate::run::Session;
use crate::run_file::sets;
use crate::shell::layout::{Layout, Panel};
use crate::shell::my_devices::MyDevices;
use crate::shell::palette::Palette;
use crate::shell::path_dialog::{PathDialog, Purpose};
use crate::shell::trouble::Trouble;
use crate::timeline;

impl Studio {
    /// Does what a command says. One that is not available does nothing but say why.
    pub fn perform(&mut self, context: &Context, command: Command) {
        let facts = self.facts();
        if let Some(why) = command.unavailable(&facts) {
            self.say(format!("{}: not now, {why}", command.spec().name));
            return;
        }
        self.say(command.done(&facts));
        // A menu that is open would lie over what comes.
        Popup::close_all(context);
        let settings = &mut self.kept.settings;
        match command {
            Command::Open | Command::OpenRecent => self.ask_for_path(Purpose::Open, Path::new("")),
            Command::OpenExample => self.open_example(),
            Command::SavePlan => self.save_plan(),
            Command::SavePlanAs => {
                let file = self.plan_file();
                self.ask_for_path(Purpose::SavePlan, &file);
            }
            Command::CopyCommandLine => self.copy_command_line(context),
            Command::Export(what) => {
                let file = self.folder().join(what.file_name());
                self.ask_for_path(Purpose::Export(what), &file);
            }
            Command::AllSteps => self.open_all_steps(context),
            Command::CloseTrace => {
                self.panels.forget_trace();
                self.say("The trace is closed");
            }
            Command::Quit => context.send_viewport_cmd(ViewportCommand::Close),
            Command::Undo => {
                if let Some(undone) = self.desk.undo() {
                    self.say(format!("Undid: {undone}"));
                } else if let Some(before) = self.put_aside.pop() {
                    self.desk = before;
                    self.panels.forget_desk();
                    self.say("Back on the desk: what was edited before");
                } else {
                    self.say("");
                }
            }
            Command::Redo => {
                let redone = self.desk.redo();
                self.say(redone.map_or_else(String::new, |it| format!("Did again: {it}")));
            }
            Command::AutoPlan => self.auto_plan(context),
            Command::UseMyDevices => {
                self.dialog = Some(Dialog::MyDevices(MyDevices::new(&home())));
                self.look_for_devices(context);
            }
            Command::Measure => self.measure(context, false),
            Command::MeasureAnew => self.measure(context, true),
            Command::Calibrate => self.calibrate(context),
            Command::Run => self.run(context),
            Command::Stop => self.stop(),
            Command::Resume => self.resume(context),
            Command::FitTimeline => self.panels.tell_timeline(timeline::Command::Fit),
            Command::FollowNewest => self.panels.tell_timeline(timeline::Command::Follow),
            Command::Toggle(panel) => self.kept.layout.toggle(panel),
            Command::ResetLayout => self.kept.layout = Layout::default(),
            Command::Theme(theme) => settings.theme = theme,
            Command::ZoomIn => settings.zoom_by(1.0),
            Command::ZoomOut => settings.zoom_by(-1.0),
            Command::ZoomReset => settings.zoom = 1.0,
            Command::Palette => self.dialog = Some(Dialog::Palette(Palette::default())),
            Command::Welcome => self.welcome = !self.welcome,
            Command::Help => self.dialog = Some(Dialog::Help),
            Command::Settings => self.dialog = Some(Dialog::Settings),
            Command::About => self.dialog = Some(Dialog::About),
        }
    }

    pub(crate) fn ask_for_path(&mut self, purpose: Purpose, path: &Path) {
        self.dialog = Some(Dialog::Path(PathDialog::new(purpose, path)));
    }

    fn open_example(&mut self) {
        match Desk::example() {
            Ok(desk) => {
                self.put_on_desk(desk);
                self.is_example = true;
                self.say("The example is on the desk");
            }
            Err(error) => {
                let trouble = Trouble::new("Cannot open the example", error.to_string(), "");
                self.troubles.push_back(trouble);
            }
        }
    }

    fn copy_command_line(&mut self, context: &Context) {
        let plan = self.plan_file();
        let run_file = self.desk.run_file.clone();
        let training = Training {
            program: Path::new("trainyard"),
            run_file: run_file.as_deref().unwrap_or_else(|| Path::new(RUN_FILE)),
            plan: Some(&plan),
            sets: &sets(&self.desk),
        };
        context.copy_text(command_line(Shell::of_system(), training));
        let saved = self.desk.file.is_some() && !self.desk.is_changed();
        self.say(match (run_file.is_some(), saved) {
            (false, _) => "Copied; put your run file in the place of run.toml",
            (true, false) => "Copied; save the plan before you run it",
            (true, true) => "Copied",
        });
    }

    fn auto_plan(&mut self, context: &Context) {
        self.kept.layout.reveal(Panel::Plans);
        self.kept.first_steps.planned = true;
        if let Err(words) = self.panels.plans.start(&self.desk, context) {
            self.troubles.push_back(Trouble::new("Cannot plan", words, "Close other programs."));
        }
    }

    /// Puts a desk in the place of the present one, and lets go of the training that belonged to
    /// that. Edits that no file has are put aside with it: undo brings them back.
    pub(crate) fn put_on_desk(&mut self, desk: Desk) {
        let before = std::mem::replace(&mut self.desk, desk);
        if before.is_changed() && !self.is_example {
            self.put_aside.push(before);
        }
        self.panels.forget_desk();
        self.is_example = false;
        self.panels.forget_trace();
        if !self.session.as_ref().is_some_and(Session::is_running) {
            self.session = None;
        }
        self.desk_is_newer = self.session.is_some();
    }
}

/// Where a person's own files are.
pub(crate) fn home() -> std::path::PathBuf {
    std::env::home_dir().unwrap_or_else(|| std::path::PathBuf::from("."))
}
