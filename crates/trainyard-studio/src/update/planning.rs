//! Asking the planner.

use crate::effect::Effect;
use crate::message::{FirstStep, PreferencesMessage};
use crate::plan_search::Terms;
use crate::state::State;

/// Asks the planner for plans of the document.
pub(super) fn plan(state: &State) -> Vec<Effect> {
    let terms = Box::new(Terms::of(state.document.document()));
    let ask = state.planning.ask().clone();
    vec![PreferencesMessage::Did(FirstStep::Planned).into(), Effect::Plan { terms, ask }]
}
