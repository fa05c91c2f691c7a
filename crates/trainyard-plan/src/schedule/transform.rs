//! Conversions between schedules that do the same work: whole backwards, transfers spelled out.

use super::table::Schedule;
use crate::{Action, ActionKind};

impl Schedule {
    /// The same with full backwards: every `I` becomes a `B`, every `W` is left out.
    #[must_use]
    pub fn merged(&self) -> Self {
        let whole = |action: &Action| match action.kind {
            ActionKind::WeightGrad => None,
            ActionKind::InputGrad => Some(Action { kind: ActionKind::Backward, ..*action }),
            _ => Some(*action),
        };
        let ranks = self.ranks.iter().map(|row| row.iter().filter_map(whole).collect()).collect();
        Self { ranks, ..self.clone() }
    }

    /// Whether it has transfers as actions of their own.
    #[must_use]
    pub fn has_transfers(&self) -> bool {
        self.ranks.iter().flatten().any(|action| action.kind.is_transfer())
    }

    /// The same with its transfers left out: they are implied.
    #[must_use]
    pub fn compute_only(&self) -> Self {
        let computes = |row: &Vec<Action>| {
            row.iter().copied().filter(|action| !action.kind.is_transfer()).collect()
        };
        Self { ranks: self.ranks.iter().map(computes).collect(), ..self.clone() }
    }

    /// The same with its transfers spelled out: each is received right before it is used and sent
    /// right after it is there. Stages on one rank need none. A schedule that has transfers stays
    /// as it is.
    #[must_use]
    pub fn with_transfers(&self) -> Self {
        if self.has_transfers() {
            return self.clone();
        }
        let owners = self.owners();
        let spell_out = |row: &Vec<Action>| {
            let with_transfers = |&action: &Action| {
                let [receive, send] = transfers_of(action, &owners);
                receive.into_iter().chain([action]).chain(send)
            };
            row.iter().flat_map(with_transfers).collect()
        };
        Self { ranks: self.ranks.iter().map(spell_out).collect(), ..self.clone() }
    }
}

/// The transfers of a computation, receive and send, where the other end is on another rank.
pub(crate) fn transfers_of(action: Action, owners: &[usize]) -> [Option<Action>; 2] {
    use ActionKind as K;
    let stage = action.stage;
    let crosses =
        |other: Option<usize>| match (owners.get(stage), other.and_then(|s| owners.get(s))) {
            (Some(here), Some(there)) => here != there,
            _ => false,
        };
    let before = crosses(stage.checked_sub(1));
    let after = crosses(stage.checked_add(1));
    let transfer = |there: bool, kind| there.then_some(Action { kind, ..action });
    match action.kind {
        K::Forward => [transfer(before, K::RecvForward), transfer(after, K::SendForward)],
        K::Backward | K::InputGrad => {
            [transfer(after, K::RecvBackward), transfer(before, K::SendBackward)]
        }
        _ => [None, None],
    }
}
