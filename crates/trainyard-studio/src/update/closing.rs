//! Closing the window over a training or over edits that no file has.

use super::saving;
use crate::effect::Effect;
use crate::event::{Answer, Choice};
use crate::message::{Dialog, RunMessage, ViewMessage};
use crate::state::State;

/// The window is asked to close.
pub(super) fn requested(state: &State) -> Vec<Effect> {
    if state.view.may_close() {
        return Vec::new();
    }
    let dialog = if state.run.is_own_child_running() {
        Dialog::ClosingOverRun
    } else if state.document.is_unsaved() {
        Dialog::ClosingUnsaved
    } else {
        return Vec::new();
    };
    vec![ViewMessage::OpenDialog(dialog).into(), Effect::KeepWindow]
}

/// Follow-up of a training that ended while the window was to close.
pub(super) fn after_run(state: &State) -> Vec<Effect> {
    let mut effects = Vec::new();
    if matches!(state.view.dialog(), Some(Dialog::ClosingOverRun)) {
        effects.push(ViewMessage::CloseDialog.into());
    }
    if state.view.closes_when_stopped() {
        effects.push(ViewMessage::CloseWhenStopped(false).into());
        effects.extend(unless_unsaved(state));
    }
    effects
}

/// Applies the answer to closing over a training.
pub(super) fn over_run(state: &State, choice: Choice) -> Vec<Effect> {
    let mut effects: Vec<Effect> = vec![ViewMessage::CloseDialog.into()];
    match choice {
        Choice::Cancel => {}
        Choice::LeaveRunning => effects.extend(unless_unsaved(state)),
        Choice::Stop if !state.run.is_own_child_running() => effects.extend(unless_unsaved(state)),
        Choice::Stop => {
            // Where it cannot be stopped, that is said, and the window stays.
            effects.extend([ViewMessage::CloseWhenStopped(true).into(), RunMessage::Stop.into()]);
        }
    }
    effects
}

/// Applies the answer to closing over unsaved edits.
pub(super) fn unsaved(state: &State, answer: Answer) -> Vec<Effect> {
    let mut effects: Vec<Effect> = vec![ViewMessage::CloseDialog.into()];
    match answer {
        Answer::Stay => {}
        Answer::Save => effects.extend(saving::save(state)),
        Answer::Close => effects.extend(close()),
    }
    effects
}

fn unless_unsaved(state: &State) -> Vec<Effect> {
    if state.document.is_unsaved() {
        vec![ViewMessage::OpenDialog(Dialog::ClosingUnsaved).into()]
    } else {
        close()
    }
}

/// Closes the window whatever is under way.
pub(crate) fn close() -> Vec<Effect> {
    vec![ViewMessage::MayClose.into(), Effect::CloseWindow]
}
