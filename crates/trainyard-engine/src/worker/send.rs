//! What a stage computed, on its way to the stages that take it.

use trainyard_plan::{Action, ActionKind, Lane};

use super::Worker;
use crate::link::{Outlet, Transfer, elapsed_ns};
use crate::tensor::without_number;
use crate::wiring::Name;
use crate::{EngineError, Tensors};

impl Worker {
    /// Sends every stage what it takes of this one's outputs.
    pub(super) fn send_outputs(
        &mut self,
        position: usize,
        action: Action,
        outputs: &Tensors,
    ) -> Result<(), EngineError> {
        let send = Action { kind: ActionKind::SendForward, ..action };
        let outlets = &self.context.links[position].outputs;
        let sent = self.send_to_all(outlets, send, outputs, |name| name)?;
        self.note_sent(send, sent);
        Ok(())
    }

    /// Sends the gradients of a stage's inputs to the stages that they came from, if they have not
    /// been sent.
    pub(super) fn send_back(
        &mut self,
        position: usize,
        action: Action,
        gradients: Option<Tensors>,
    ) -> Result<(), EngineError> {
        let Some(gradients) = gradients else { return Ok(()) };
        let send = Action { kind: ActionKind::SendBackward, ..action };
        let outlets = &self.context.links[position].input_gradients;
        let sent = self.send_to_all(outlets, send, &gradients, without_number)?;
        self.note_sent(send, sent);
        Ok(())
    }

    /// Sends every outlet's stage the tensors that it takes; `of` says which tensor one of a name
    /// belongs to. Gives the stages in other threads with what went there.
    fn send_to_all(
        &self,
        outlets: &[(usize, Vec<Name>, Outlet)],
        send: Action,
        tensors: &Tensors,
        of: fn(&str) -> &str,
    ) -> Result<Vec<(usize, Transfer)>, EngineError> {
        let mut transfers = Vec::new();
        for (to, names, outlet) in outlets {
            let start_ns = elapsed_ns(self.context.origin);
            let mut parcel = tensors.clone();
            parcel.retain(|name| names.iter().any(|taken| &**taken == of(name)));
            let bytes = parcel.bytes();
            outlet.send(self.step, send, parcel)?;
            if outlet.crosses() && bytes > 0 {
                let end_ns = elapsed_ns(self.context.origin);
                transfers.push((*to, Transfer { start_ns, end_ns, bytes }));
            }
        }
        Ok(transfers)
    }

    fn note_sent(&mut self, send: Action, transfers: Vec<(usize, Transfer)>) {
        for (to, sent) in transfers {
            self.timeline.moved(self.step, (Lane::TransferOut, send, to), sent);
        }
    }
}
