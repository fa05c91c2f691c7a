//! What is shown without a plan: a trace that was opened by itself, or a run of which only the
//! journal can be read. The open plan has nothing to do with it, so it is out of sight.

use crate::human_time::{human_ns, human_us};
use crate::open::OpenedTrace;
use crate::paths::short_name;
use crate::state::State;
use crate::timeline::{ForeignScene, Scene};

/// A trace or a run without a plan.
pub(crate) struct TraceOnly {
    /// Its name.
    pub(crate) name: String,
    /// Its kind.
    pub(crate) kind: TraceKind,
    /// Its size, as names and values.
    pub(crate) figures: Vec<(&'static str, String)>,
}

/// The kind of something without a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TraceKind {
    /// A trace of devices.
    Trace,
    /// A run.
    Run,
    /// A trace of another program.
    Foreign,
}

impl TraceKind {
    /// It, in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Trace => "a trace without a plan",
            Self::Run => "a run without a plan",
            Self::Foreign => "a trace of another program",
        }
    }
}

impl TraceOnly {
    /// What is shown without a plan, if that is so. `measured` is what the timeline shows.
    pub(super) fn of(state: &State, measured: Option<&Scene>) -> Option<Self> {
        match (state.view.trace(), state.run.session()) {
            (Some(opened), _) => {
                let name = state.view.trace_name().unwrap_or_default().to_owned();
                Self::of_trace(state, name, opened, measured)
            }
            (None, Some(session))
                if state.run_is_foreign() && !state.run.is_older_than_document() =>
            {
                let devices = session.state().trace().devices.len();
                Some(Self {
                    name: short_name(session.directory()),
                    kind: TraceKind::Run,
                    figures: figures(measured, devices),
                })
            }
            _ => None,
        }
    }

    fn of_trace(
        state: &State,
        name: String,
        opened: &OpenedTrace,
        measured: Option<&Scene>,
    ) -> Option<Self> {
        let devices = &opened.trace.devices;
        match &opened.foreign {
            Some(foreign) if devices.is_empty() => {
                let figures = figures_of_foreign(foreign);
                Some(Self { name, kind: TraceKind::Foreign, figures })
            }
            _ if devices.is_empty() || state.document.has_devices(devices) => None,
            _ => {
                let figures = figures(measured, devices.len());
                Some(Self { name, kind: TraceKind::Trace, figures })
            }
        }
    }
}

fn figures(measured: Option<&Scene>, devices: usize) -> Vec<(&'static str, String)> {
    let steps = measured.map_or(0, |scene| scene.steps().len());
    let newest = measured.and_then(Scene::newest_step);
    let step_us = newest.map(|step| step.duration_ns() as f64 / 1000.0);
    let newest = step_us.map(|step_us| ("newest step", human_us(step_us)));
    let counts = [("steps", steps.to_string()), ("devices", devices.to_string())];
    newest.into_iter().chain(counts).collect()
}

fn figures_of_foreign(scene: &ForeignScene) -> Vec<(&'static str, String)> {
    let (trace, (start, end)) = (scene.trace(), scene.extent_ns());
    vec![
        ("length", human_ns((end - start) as f64)),
        ("processes", trace.processes.len().to_string()),
        ("threads", trace.threads.len().to_string()),
        ("spans", trace.spans.len().to_string()),
    ]
}
