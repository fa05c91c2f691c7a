//! The memory that an action adds and frees.

use super::{BackwardKind, StageMemory};
use crate::{ActionKind, Recompute, Slice};

/// Memory that an action of a stage adds and frees, for one micro-batch, in bytes, without transfer
/// buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Added when it starts, and still there when it has ended.
    pub kept: u64,
    /// Added when it starts, freed when it ends.
    pub workspace: u64,
    /// Kept by an earlier action, freed when this one ends.
    pub freed: u64,
    /// Added when it ends, in place of a part of `freed`.
    pub left: u64,
}

impl Footprint {
    /// Bytes held while the action runs, where `held` were held before.
    #[must_use]
    pub fn during(&self, held: u64) -> u64 {
        held.saturating_add(self.kept).saturating_add(self.workspace)
    }

    /// Bytes held after the action, where `held` were held before.
    #[must_use]
    pub fn after(&self, held: u64) -> u64 {
        held.saturating_add(self.kept).saturating_sub(self.freed).saturating_add(self.left)
    }
}

impl StageMemory {
    /// The footprint of an action:
    ///
    /// - F keeps the saved activations (under recompute: the stage's input) until B or I ends;
    /// - B and I free them; I leaves what the weight gradient needs, until W ends;
    /// - W frees that;
    /// - where nothing trains that a backward comes for, F alone does something;
    /// - of rows that are cut, a slice keeps a copy of what those before it hand on too, and leaves what
    ///   its backward gives to them until theirs ends;
    /// - transfers and the optimizer step add nothing here.
    ///
    /// `first` says whether the sums of gradients are not there yet.
    #[must_use]
    pub fn footprint(
        &self,
        kind: ActionKind,
        recompute: Recompute,
        first: bool,
        slice: Slice,
    ) -> Footprint {
        let none = Footprint::default();
        if !self.goes_back {
            return self.forward_footprint(kind, slice);
        }
        match kind {
            ActionKind::Forward => {
                let workspace = self.forward_workspace(recompute);
                Footprint { kept: self.kept_of(recompute, slice), workspace, ..none }
            }
            ActionKind::Backward | ActionKind::InputGrad => {
                let split = kind == ActionKind::InputGrad;
                let left = if split { self.weight_saved } else { 0 };
                let workspace = self.backward_workspace(recompute, BackwardKind { first, split });
                let (given, taken) = self.carried_gradients(slice);
                let freed = self.kept_of(recompute, slice).saturating_add(taken);
                let workspace = workspace.saturating_add(self.carried_workspace(slice));
                let left = left.saturating_add(given);
                Footprint { workspace, freed, left, ..none }
            }
            ActionKind::WeightGrad => {
                Footprint { workspace: self.weight_workspace, freed: self.weight_saved, ..none }
            }
            _ => none,
        }
    }

    /// That of an action of a stage to which no backward comes: a slice's F leaves what it hands on in place of
    /// what it has taken, and the others do nothing.
    fn forward_footprint(&self, kind: ActionKind, slice: Slice) -> Footprint {
        if kind != ActionKind::Forward {
            return Footprint::default();
        }
        let kept = if slice.is_last() { 0 } else { slice.after(self.carried) };
        let freed = slice.before(self.carried);
        Footprint { kept, workspace: self.forward_workspace(Recompute::None), freed, left: 0 }
    }
}
