//! The timeline panel: what happens when.

use eframe::egui::{Button, Key, RichText, Ui, Vec2};

use super::without_plan;
use crate::command::{Command, Facts};
use crate::message::{Message, ViewMessage};
use crate::panel::{Entry, Frame, Panel, Picture, inside};
use crate::panel_info::{PanelInfo, Side};
use crate::sentence::sentence;
use crate::state::State;
use crate::theme::{Theme, size};
use crate::timeline::{self, Timeline};

/// Its description.
pub const INFO: PanelInfo = PanelInfo {
    id: "timeline",
    title: "Timeline",
    command: "Timeline panel",
    tip: "Show or hide the timeline",
    key: Key::Num3,
    side: Side::Left,
};

pub(super) const ENTRY: Entry = Entry {
    info: INFO,
    make: |on_gpu| {
        let timeline = if on_gpu { Timeline::on_gpu() } else { Timeline::default() };
        Box::new(TimelinePanel { timeline, serial: 0 })
    },
};

/// The legend of a picture needs this much width, in points.
const LEAST: f32 = 900.0;

struct TimelinePanel {
    timeline: Timeline,
    /// The trace that the view belongs to.
    serial: u64,
}

impl Panel for TimelinePanel {
    fn info(&self) -> PanelInfo {
        INFO
    }

    fn follow(&mut self, state: &State) {
        let serial = state.view.trace_serial();
        if self.serial != serial {
            self.timeline.reset();
            self.serial = serial;
        }
    }

    fn ui(&mut self, ui: &mut Ui, frame: &Frame, out: &mut Vec<Message>) {
        let before = frame.state.view.cursor();
        let mut cursor = before;
        inside(ui, |ui| {
            if let Some(shown) = frame.shown.trace_only() {
                without_plan::line_ui(ui, shown, frame.facts, out);
            }
            newest_steps_alone(ui, frame, out);
            remarks(ui, frame);
            self.timeline.show(ui, frame.shown.scenes(), &mut cursor);
        });
        if cursor != before {
            out.push(ViewMessage::Cursor(cursor).into());
        }
    }

    fn perform(&mut self, frame: &Frame, command: Command) {
        let command = match command {
            Command::FitTimeline => timeline::Command::Fit,
            Command::FollowNewest => timeline::Command::Follow,
            _ => return,
        };
        self.timeline.run(frame.shown.scenes(), command);
    }

    fn add_facts(&self, facts: &mut Facts) {
        facts.follows = self.timeline.follows();
    }

    fn picture(&self, frame: &Frame, least: Vec2) -> Option<Picture> {
        let rows = Timeline::height_of(&frame.shown.scenes());
        let size = least.max(Vec2::new(LEAST, rows + 2.0 * size::SPACE));
        Some(Picture { size, panel: Box::new(TimelinePicture(self.timeline.as_shapes())) })
    }
}

/// The timeline without selection, drag or hover.
struct TimelinePicture(Timeline);

impl Panel for TimelinePicture {
    fn info(&self) -> PanelInfo {
        INFO
    }

    fn ui(&mut self, ui: &mut Ui, frame: &Frame, _out: &mut Vec<Message>) {
        inside(ui, |ui| self.0.show(ui, frame.shown.scenes(), &mut None));
    }
}

/// Says what a reader should know of the file of a trace.
fn remarks(ui: &mut Ui, frame: &Frame) {
    let Some(trace) = frame.state.view.trace() else { return };
    for remark in &trace.remarks {
        let colour = Theme::of(ui.ctx()).warn;
        ui.label(RichText::new(sentence(remark)).color(colour));
    }
}

/// Says so where only the newest steps of a run are shown, or none.
fn newest_steps_alone(ui: &mut Ui, frame: &Frame, out: &mut Vec<Message>) {
    let state = frame.state;
    if state.run_is_aside() && state.view.trace().is_none() {
        ui.weak("The run that is watched is of another plan, so it does not lie beside this one.");
    }
    let hidden = state.hidden_steps();
    let Some(scene) = frame.shown.scenes().measured.filter(|_| hidden > 0) else { return };
    let (newest, command) = (scene.steps().len() as u64, Command::AllSteps);
    ui.horizontal(|ui| {
        ui.weak(format!("The newest {newest} of {} steps.", newest + hidden));
        let button = Button::new(command.spec().name);
        let may = command.unavailable(frame.facts).is_none();
        if ui.add_enabled(may, button).on_hover_text(command.spec().tip).clicked() {
            out.push(command.into());
        }
    });
}
