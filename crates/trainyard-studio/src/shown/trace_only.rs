//! What is shown without a plan: a trace that was opened by itself, or a run of which only the
//! journal can be read. The open plan has nothing to do with it, so it is out of sight.

use crate::paths::short_name;
use crate::state::State;
use crate::timeline::Scene;

/// A trace or a run without a plan.
pub(crate) struct TraceOnly {
    /// Its name.
    pub(crate) name: String,
    /// "trace" or "run".
    pub(crate) kind: &'static str,
    /// Number of devices.
    pub(crate) devices: usize,
    /// Number of steps shown.
    pub(crate) steps: usize,
    /// From the start of the newest of them to its end, µs.
    pub(crate) step_us: Option<f64>,
}

impl TraceOnly {
    /// What is shown without a plan, if that is so. `measured` is what the timeline shows.
    pub(super) fn of(state: &State, measured: Option<&Scene>) -> Option<Self> {
        let (name, kind, devices) = match (state.view.trace(), state.run.session()) {
            (Some(opened), _) => {
                let devices = &opened.trace.devices;
                if devices.is_empty() || state.document.has_devices(devices) {
                    return None;
                }
                (opened.name.clone(), "trace", devices)
            }
            (None, Some(session))
                if state.run_is_foreign() && !state.run.is_older_than_document() =>
            {
                (short_name(session.directory()), "run", &session.state().trace().devices)
            }
            _ => return None,
        };
        let steps = measured.map_or(0, |scene| scene.steps().len());
        let newest = measured.and_then(Scene::newest_step);
        let step_us = newest.map(|step| step.duration_ns() as f64 / 1000.0);
        Some(Self { name, kind, devices: devices.len(), steps, step_us })
    }
}
