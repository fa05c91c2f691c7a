//! What is shown without a plan: a trace that was opened by itself, or a run of which only the
//! journal can be read. The plan on the desk has nothing to do with it, so it is out of sight.

use eframe::egui::{Button, RichText, ScrollArea, Ui};
use trainyard_plan::TraceDevice;

use crate::app::{Studio, short_name};
use crate::command::{Command, Facts};
use crate::desk::Desk;
use crate::run::Session;
use crate::theme::size;

/// A trace or a run without a plan.
pub(crate) struct Alone {
    /// Its name.
    pub(crate) name: String,
    /// "trace" or "run".
    pub(crate) kind: &'static str,
    /// How many devices it has.
    pub(crate) devices: usize,
    /// How many steps are shown.
    pub(crate) steps: usize,
    /// From the start of the newest of them to its end, µs.
    pub(crate) step_us: Option<f64>,
}

impl Studio {
    /// What is shown without a plan, if that is so.
    pub(super) fn find_alone(&self) -> Option<Alone> {
        let (name, kind, devices) = match (&self.panels.trace, &self.session) {
            (Some(opened), _) => {
                let devices = &opened.trace.devices;
                if devices.is_empty() || are_of(devices, &self.desk, self.is_example) {
                    return None;
                }
                (opened.name.clone(), "trace", devices)
            }
            (None, Some(session)) if self.is_foreign(session) && !self.desk_is_newer => {
                let name = short_name(session.directory());
                (name, "run", &session.state().trace().devices)
            }
            _ => return None,
        };
        let scene = self.panels.measured.scene();
        let steps = scene.map_or(0, |scene| scene.steps().len());
        let newest = scene.and_then(|scene| scene.newest_step());
        let step_us = newest.map(|step| step.duration_ns() as f64 / 1000.0);
        Some(Alone { name, kind, devices: devices.len(), steps, step_us })
    }
}

impl Studio {
    /// Whether the run has nothing to do with the plan that was opened while it went on. Then it is
    /// out of sight but for its own panel.
    pub(crate) fn run_is_aside(&self) -> bool {
        self.desk_is_newer && self.session.as_ref().is_some_and(|session| self.is_foreign(session))
    }

    /// Whether a run is of other devices or of another model than the desk.
    fn is_foreign(&self, session: &Session) -> bool {
        let devices = &session.state().trace().devices;
        let (ours, theirs) = (&self.desk.profile().model, session.files().profile.as_ref());
        let other_model = theirs.is_some_and(|theirs| {
            theirs.model.name != ours.name || theirs.model.layers.len() != ours.layers.len()
        });
        let other_devices = !are_of(devices, &self.desk, self.is_example);
        !devices.is_empty() && (other_devices || other_model)
    }
}

/// Whether devices are those of the desk. Those of the example are so by name too: many machines
/// have a "cpu".
fn are_of(devices: &[TraceDevice], desk: &Desk, is_example: bool) -> bool {
    devices.iter().all(|device| {
        let same = |ours: &&trainyard_plan::DeviceProfile| {
            ours.id == device.id && (!is_example || ours.name == device.name)
        };
        desk.profile().devices.iter().any(|ours| same(&ours))
    })
}

impl Alone {
    /// Draws what stands in the place of the plan; the command that was chosen.
    pub(super) fn show(&self, ui: &mut Ui, facts: &Facts) -> Option<Command> {
        let mut chosen = None;
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.set_max_width(460.0);
            ui.add_space(size::MARGIN);
            ui.label(RichText::new(format!("{} has no plan", self.name)).strong());
            ui.label(format!(
                "A {} says what devices did, not what their layers cost. To change the plan, open \
                 the run directory, profile or plan that it belongs to.",
                self.kind
            ));
            ui.add_space(size::GAP);
            ui.horizontal_wrapped(|ui| {
                for command in [Command::Open, Command::CloseTrace] {
                    let spec = command.spec();
                    let may = command.unavailable(facts).is_none();
                    if may && ui.add(Button::new(spec.name)).on_hover_text(spec.tip).clicked() {
                        chosen = Some(command);
                    }
                }
            });
        });
        chosen
    }
}
