//! The panel interface.

use eframe::egui::{Frame as Border, Margin, Ui, Vec2};

use crate::command::{Command, Facts};
use crate::message::Message;
use crate::panel_info::PanelInfo;
use crate::shown::Shown;
use crate::state::State;
use crate::theme::size;

/// Input of one frame.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// The application's state.
    pub state: &'a State,
    /// The facts that decide which commands are available.
    pub facts: &'a Facts,
    /// Data derived from the state for drawing.
    pub shown: &'a Shown,
}

/// A panel. It keeps what egui would keep of a widget (what is scrolled to, dragged or being
/// written) and what is worked out for drawing; everything else is in the state, which it changes
/// by messages alone.
pub trait Panel {
    /// Its description.
    fn info(&self) -> PanelInfo;

    /// Draws it.
    fn ui(&mut self, ui: &mut Ui, frame: &Frame, out: &mut Vec<Message>);

    /// Lets go of what belongs to a document or trace that is no longer open. Called once a frame,
    /// before anything is drawn.
    fn follow(&mut self, _state: &State) {}

    /// Does what a command asks of its view.
    fn perform(&mut self, _frame: &Frame, _command: Command) {}

    /// Adds what it knows of its view to what decides which commands may be used.
    fn add_facts(&self, _facts: &mut Facts) {}

    /// The panel as a picture of its own, of `least` points or more; `None` where there is none.
    fn picture(&self, _frame: &Frame, _least: Vec2) -> Option<Picture> {
        None
    }
}

/// A panel in the list of panels.
pub(crate) struct Entry {
    /// Its description.
    pub(crate) info: PanelInfo,
    /// Makes it. What is given is whether our own shaders draw in this window.
    pub(crate) make: fn(bool) -> Box<dyn Panel>,
}

/// A panel drawn by itself, without selection, drag or hover.
pub struct Picture {
    /// Large enough for what has to be scrolled to in the window, in points.
    pub size: Vec2,
    /// The panel that is drawn.
    pub panel: Box<dyn Panel>,
}

/// Draws the inside of a panel with a margin around it.
pub(crate) fn inside<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    Border::new().inner_margin(Margin::same(size::SPACE as i8)).show(ui, content).inner
}
