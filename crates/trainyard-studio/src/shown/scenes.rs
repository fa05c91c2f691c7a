//! The traces that are shown, made ready for the timeline once and not in every frame.

use std::sync::Arc;

use trainyard_plan::Trace;

use crate::run::RunState;
use crate::timeline::{Scene, Source};

/// The scene of a simulated trace.
#[derive(Default)]
pub(super) struct Simulated(Option<(Arc<Trace>, Scene)>);

impl Simulated {
    pub(super) fn take(&mut self, trace: Option<&Arc<Trace>>) {
        let Some(trace) = trace else {
            self.0 = None;
            return;
        };
        let same = self.0.as_ref().is_some_and(|(known, _)| Arc::ptr_eq(known, trace));
        if !same {
            self.0 = Some((Arc::clone(trace), Scene::new(trace, Source::Predicted)));
        }
    }

    pub(super) fn scene(&self) -> Option<&Scene> {
        self.0.as_ref().map(|(_, scene)| scene)
    }
}

/// The scene of what devices did.
#[derive(Default)]
pub(super) struct Measured(Option<Shown>);

struct Shown {
    scene: Scene,
    from: From,
}

/// Source of a scene, to find what is new.
enum From {
    Trace(Arc<Trace>),
    Run(Seen),
}

/// The part of a run that is in the scene.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    revision: u64,
    parts: u64,
    forgotten: u64,
    devices: usize,
    events: usize,
    samples: usize,
}

impl Seen {
    fn of(state: &RunState) -> Self {
        let trace = state.trace();
        Self {
            revision: state.revision(),
            parts: state.parts(),
            forgotten: state.forgotten_steps(),
            devices: trace.devices.len(),
            events: trace.events.len(),
            samples: trace.memory.len(),
        }
    }

    /// Whether what came since was only added at the end.
    fn grows_to(&self, now: &Self) -> bool {
        (self.parts, self.forgotten, self.devices) == (now.parts, now.forgotten, now.devices)
            && self.events <= now.events
            && self.samples <= now.samples
    }
}

impl Measured {
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// The scene, if anything was measured.
    pub(super) fn scene(&self) -> Option<&Scene> {
        self.0.as_ref().map(|shown| &shown.scene).filter(|scene| !scene.steps().is_empty())
    }

    pub(super) fn take_trace(&mut self, trace: &Arc<Trace>) {
        if let Some(Shown { from: From::Trace(known), .. }) = &self.0
            && Arc::ptr_eq(known, trace)
        {
            return;
        }
        let from = From::Trace(Arc::clone(trace));
        self.0 = Some(Shown { scene: Scene::new(trace, Source::Measured), from });
    }

    pub(super) fn take_run(&mut self, state: &RunState) {
        let (trace, now) = (state.trace(), Seen::of(state));
        if let Some(Shown { scene, from: From::Run(seen) }) = &mut self.0
            && seen.grows_to(&now)
        {
            if seen.revision != now.revision {
                let events = trace.events.get(seen.events..).unwrap_or_default();
                let memory = trace.memory.get(seen.samples..).unwrap_or_default();
                if !events.is_empty() || !memory.is_empty() {
                    scene.extend(events, memory);
                }
                *seen = now;
            }
            return;
        }
        self.0 = Some(Shown { scene: Scene::new(trace, Source::Measured), from: From::Run(now) });
    }
}
