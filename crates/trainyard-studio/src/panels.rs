//! The panels' insides, and what they share: the time cursor and what an edit would lead to.

use std::collections::BTreeMap;
use std::sync::Arc;

use eframe::egui::{Context, Rect, Ui};
use trainyard_plan::Trace;

use crate::app::Studio;
use crate::desk::{Assessment, Desk};
use crate::run::Session;
use crate::shell::layout::Panel;

/// The state of all panels.
#[derive(Default)]
pub(crate) struct Panels {
    /// What an edit that is under way would lead to.
    would_be: Option<Arc<Assessment>>,
    /// A trace that was opened by itself.
    trace: Option<Arc<Trace>>,
    /// Where the panels were drawn, and at how many pixels a point.
    rects: BTreeMap<Panel, (Rect, f32)>,
}

impl Panels {
    pub(crate) fn would_be(&self) -> Option<&Assessment> {
        self.would_be.as_deref()
    }

    pub(crate) fn has_measured(&self) -> bool {
        self.trace.is_some()
    }

    /// Whether something is worked out that will change what is drawn.
    pub(crate) fn is_busy(&self) -> bool {
        false
    }

    pub(crate) fn follows(&self) -> bool {
        false
    }

    pub(crate) fn toggle_following(&mut self) {}

    pub(crate) fn fit_timeline(&mut self) {}

    pub(crate) fn auto_plan(&mut self, _context: &Context, _desk: &Desk) {}

    pub(crate) fn show_trace(&mut self, trace: Arc<Trace>) {
        self.trace = Some(trace);
    }

    pub(crate) fn forget_trace(&mut self) {
        self.trace = None;
    }

    /// The measured timeline that is shown.
    pub(crate) fn measured_trace(&self, session: Option<&Session>) -> Option<Arc<Trace>> {
        let of_run = || session.map(|session| Arc::new(session.state().trace().clone()));
        self.trace.clone().or_else(of_run).filter(|trace| !trace.events.is_empty())
    }

    /// Where a panel was drawn, and at how many pixels a point.
    pub(crate) fn rect_of(&self, panel: Panel) -> Option<(Rect, f32)> {
        self.rects.get(&panel).copied()
    }
}

impl Studio {
    pub(crate) fn show_panels(&mut self, ui: &mut Ui) {
        let Self { kept, panels, desk, session, .. } = self;
        let scale = ui.ctx().pixels_per_point();
        kept.layout.show(ui, &mut |ui, panel| {
            panels.rects.insert(panel, (ui.max_rect(), scale));
            match panel {
                Panel::Board => {
                    for device in &desk.profile().devices {
                        ui.label(&device.id);
                    }
                }
                Panel::Run => {
                    if let Some(session) = session {
                        ui.label(session.status().words);
                    }
                }
                Panel::Plans | Panel::Timeline => {}
            }
        });
    }

    pub(crate) fn calibrate(&mut self, _context: &Context) {}
}
