//! The head of the panel: how the run stands, how far it is, and what can be done with it.

use eframe::egui::{Align, Color32, Label, Layout, ProgressBar, RichText, Ui};

use super::icons::{self, Icon};
use super::labels;
use super::parts::primary;
use crate::command::Command;
use crate::event::Event;
use crate::human_time::{human_seconds, human_us};
use crate::message::{Message, PreferencesMessage, RunMessage};
use crate::panels::chat;
use crate::run::RunState;
use crate::run::{Phase, Session, Status, Trains};
use crate::theme::{Theme, size};

/// Size of the figures, points.
const FIGURE: f32 = 18.0;
/// Width of a figure, points.
const FIGURE_WIDTH: f32 = 96.0;

/// Narrower than this, the buttons have a line of their own. Points.
const ONE_LINE: f32 = 520.0;

/// Colour and icon of a phase.
fn icon_of(theme: &Theme, phase: Phase) -> (Color32, Icon) {
    match phase {
        Phase::Loading | Phase::Starting => (theme.accent, Icon::Ring),
        Phase::Running => (theme.accent, Icon::Play),
        Phase::Stopping => (theme.warn, Icon::Square),
        Phase::Stopped => (theme.weak, Icon::Square),
        Phase::Finished => (theme.good, Icon::Tick),
        Phase::Failed | Phase::Gone | Phase::Unreadable => (theme.bad, Icon::Warning),
    }
}

pub(super) fn show(
    ui: &mut Ui,
    theme: &Theme,
    session: &Session,
    status: &Status,
    start: Result<(), &str>,
    out: &mut Vec<Message>,
) {
    let (colour, icon) = icon_of(theme, status.phase);
    if ui.available_width() < ONE_LINE {
        ui.horizontal(|ui| how_it_stands(ui, (icon, colour), status.phase));
        subject(ui, session);
        ui.horizontal_wrapped(|ui| buttons(ui, session, status.phase, start, out));
    } else {
        ui.horizontal(|ui| {
            how_it_stands(ui, (icon, colour), status.phase);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                buttons(ui, session, status.phase, start, out);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| subject(ui, session));
            });
        });
    }
    progress(ui, theme, session, status.phase);
    if session.state().step() > 0 {
        ui.add_space(size::GAP);
        figures(ui, session.state(), session.is_running());
    }
}

/// In one word.
fn how_it_stands(ui: &mut Ui, (icon, colour): (Icon, Color32), phase: Phase) {
    icons::paint(ui, icon, FIGURE, colour);
    ui.label(RichText::new(phase.name()).color(colour).strong().size(FIGURE));
}

/// The model and the run directory.
fn subject(ui: &mut Ui, session: &Session) {
    let path = session.directory().display().to_string();
    let directory = session.directory().file_name().unwrap_or_default().to_string_lossy();
    let text = match session.state().header() {
        Some(header) => {
            let weights = labels::count(header.parameters as f64);
            format!("{}, {weights} weights, in {directory}", header.model)
        }
        None => path.clone(),
    };
    ui.add(Label::new(text).truncate()).on_hover_text(path);
}

/// Drawn from the right where there is room, from the left where there is not.
fn buttons(
    ui: &mut Ui,
    session: &Session,
    phase: Phase,
    start: Result<(), &str>,
    out: &mut Vec<Message>,
) {
    let mut button = |ui: &mut Ui, text: &str, tip: &str, asks: Message| {
        if ui.button(text).on_hover_text(tip).clicked() {
            out.push(asks);
        }
    };
    if session.is_running() {
        if phase == Phase::Stopping {
            let tip = "End at once. What was done since the newest checkpoint is lost";
            button(ui, "Kill", tip, RunMessage::Kill.into());
        } else {
            button(ui, "Stop", "Finish this step, save a checkpoint, end", Command::Stop.into());
        }
        return;
    }
    button(ui, "Close", "Stop looking at this run", RunMessage::Close.into());
    button(ui, "Open a run…", "Watch or look at a run directory", Command::Open.into());
    if session.files().trains == Trains::Pretrained
        && session.state().checkpoints().next().is_some()
    {
        let tip = "Write the trained model to a folder or a .gguf file, for other programs";
        button(ui, "Export model…", tip, Event::ExportModel.into());
        let tip = "Talk with the trained model, in the Chat panel";
        button(ui, "Chat…", tip, PreferencesMessage::Reveal(chat::INFO.id).into());
    }
    let began = session.state().header().is_some();
    if session.can_resume() {
        let resume = primary(ui, "Resume").on_hover_text("Go on from the newest checkpoint");
        if resume.clicked() {
            out.push(Command::Resume.into());
        }
    } else if (phase == Phase::Finished || !began && phase == Phase::Failed) && start.is_ok() {
        button(ui, "Start anew", "Train the present plan as a new run", Command::Run.into());
    }
}

/// Steps done of all, or how much of a long journal is read.
fn progress(ui: &mut Ui, theme: &Theme, session: &Session, phase: Phase) {
    let state = session.state();
    // One that ended before its journal began made no step of none.
    if phase == Phase::Failed && state.header().is_none() {
        return;
    }
    let (done, all, text) = if phase == Phase::Loading {
        let progress = session.progress();
        let (done, all) = (progress.read_bytes as f64, progress.file_bytes as f64);
        let text = format!("{} of {} read", labels::bytes(done), labels::bytes(all));
        (done, all, text)
    } else {
        let (done, all) = (state.step(), state.steps());
        (done as f64, all as f64, format!("step {done} of {all}"))
    };
    let share = if all > 0.0 { (done / all).clamp(0.0, 1.0) } else { 0.0 };
    ui.add_space(size::GAP);
    ui.horizontal(|ui| {
        ui.label(RichText::new(&text).size(size::BODY));
        let bar = ProgressBar::new(share as f32).fill(theme.accent).desired_height(size::SPACE);
        let response = ui.add(bar);
        let info = || {
            use eframe::egui::{Role, WidgetInfo};
            WidgetInfo::labeled(Role::ProgressIndicator, true, format!("Progress: {text}"))
        };
        response.widget_info(info);
    });
}

/// The newest figures, each with its name below.
fn figures(ui: &mut Ui, state: &RunState, running: bool) {
    let last = |series: &crate::run::Series| series.last();
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
    };
    let loss = number(last(state.loss()), 4);
    let validation = number(last(state.validation()), 4);
    let rate = last(state.tokens_per_s()).map_or_else(|| "–".to_owned(), labels::count);
    let step = last(state.step_ms()).map_or_else(|| "–".to_owned(), |ms| human_us(ms * 1e3));
    let gradient = number(last(state.grad_norm()), 3);
    let per_second = format!("{}/s", state.unit());
    let mut all = vec![
        (loss, "loss"),
        (validation, "validation loss"),
        (rate, per_second.as_str()),
        (step, "step time"),
        (gradient, "gradient norm"),
    ];
    if running && let Some(left) = state.seconds_left() {
        all.push((human_seconds(left), "left"));
    }
    ui.horizontal_wrapped(|ui| {
        for (value, name) in all {
            ui.allocate_ui([FIGURE_WIDTH, 2.0 * FIGURE].into(), |ui| {
                ui.vertical(|ui| {
                    ui.set_min_width(FIGURE_WIDTH);
                    ui.spacing_mut().item_spacing.y = 0.0;
                    ui.label(RichText::new(value).size(FIGURE).strong());
                    ui.label(RichText::new(name).size(size::SMALL).weak());
                });
            });
        }
    });
}
