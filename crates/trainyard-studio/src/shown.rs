//! What is worked out of the state for drawing, once and not in every frame: the traces that are
//! shown, and whether they are shown without a plan.

mod scenes;
mod trace_only;

use std::sync::Arc;

use crate::state::State;
use crate::timeline::{ForeignScene, Scenes};
use scenes::{Measured, Simulated};
pub(crate) use trace_only::{TraceKind, TraceOnly};

/// Data derived from the state for drawing.
#[derive(Default)]
pub struct Shown {
    predicted: Simulated,
    preview: Simulated,
    measured: Measured,
    foreign: Option<Arc<ForeignScene>>,
    trace_only: Option<TraceOnly>,
}

impl Shown {
    /// Brings it up to date with the state.
    pub(crate) fn follow(&mut self, state: &State) {
        let preview = state.document.preview();
        self.predicted.take(Some(&state.document.document().present().trace));
        self.preview.take(preview.map(|preview| &preview.trace));
        match (state.view.trace(), state.run.session()) {
            (Some(opened), _) => self.measured.take_trace(&opened.trace),
            (None, Some(session)) if !state.run_is_aside() => {
                self.measured.take_run(session.state());
            }
            (None, _) => self.measured.clear(),
        }
        self.foreign = state.view.trace().and_then(|opened| opened.foreign.clone());
        self.trace_only = TraceOnly::of(state, self.measured.scene());
    }

    /// The scenes that the timeline shows.
    pub(crate) fn scenes(&self) -> Scenes<'_> {
        let has_plan = self.trace_only.is_none();
        let predicted = self.predicted.scene().filter(|_| has_plan);
        let preview = self.preview.scene().filter(|_| has_plan);
        Scenes {
            predicted,
            measured: self.measured.scene(),
            preview,
            foreign: self.foreign.as_deref(),
        }
    }

    /// What is shown without a plan: what was measured has nothing to do with the document then.
    pub(crate) fn trace_only(&self) -> Option<&TraceOnly> {
        self.trace_only.as_ref()
    }
}
