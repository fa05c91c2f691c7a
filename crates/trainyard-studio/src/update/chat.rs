//! Beginning a conversation with a model.

use crate::effect::Effect;
use crate::event::Aim;
use crate::message::PreferencesMessage;
use crate::open::RUN_FILE;
use crate::panels::chat;
use crate::run::{Talk, is_run};
use crate::state::State;

/// Begins one. Of a run, the program is the one that its run file names, if a person has allowed it.
pub(super) fn begin(state: &State, talk: Talk) -> Vec<Effect> {
    let reveal = PreferencesMessage::Reveal(chat::INFO.id).into();
    if is_run(&talk.target) {
        let run_file = talk.target.join(RUN_FILE);
        return vec![reveal, Effect::Inspect { run_file, aim: Aim::Talk(talk) }];
    }
    match state.run.program() {
        Ok(program) => vec![reveal, Effect::Talk { program: program.clone(), talk }],
        Err(missing) => vec![Effect::fail(
            "The program trainyard is missing",
            missing.to_string(),
            "Settings say where it is.",
        )],
    }
}
