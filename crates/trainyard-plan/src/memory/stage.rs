//! The memory of one stage: what it holds all the time, and what each micro-batch adds.

use std::ops::Range;

use super::MemoryUse;
use crate::{Profile, Recompute, Slice, Tensors};

/// Memory of a stage on a device, in bytes. It grows by one layer in front at a time, so that a
/// planner can try every stage without adding the same layers up again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageMemory {
    /// Weights, gradients and optimizer state.
    pub fixed: MemoryUse,
    /// Saved activations of a micro-batch.
    pub saved: u64,
    /// The part of its last layer's output that this layer's backward needs.
    pub output_saved: u64,
    /// The part of `saved` that is its first layer's input.
    input_saved: u64,
    /// What all slices of the same rows together hand on.
    pub carried: u64,
    /// The most of that of one layer.
    carried_of_layer: u64,
    /// Kept between the halves of a split backward.
    pub weight_saved: u64,
    /// All that comes in from elsewhere for one micro-batch: from other stages, over however many
    /// routes, and from the batch.
    pub input: u64,
    /// All that later stages take from it for one micro-batch; a tensor counts once, however many
    /// stages take it.
    pub output: u64,
    /// `input` and `output` before they saturate.
    sums: (u128, u128),
    layers: usize,
    /// Whether a backward comes to any of its layers.
    pub goes_back: bool,
    /// The largest `workspace_bytes` of a layer.
    workspace: u64,
    /// The largest `weight_workspace_bytes` of a layer.
    pub(super) weight_workspace: u64,
    /// Whether a gradient of its output comes back: to all but the model's last.
    has_output_gradient: bool,
    /// At the fullest moment of a forward: what is kept so far and the workspace of the layer in
    /// hand.
    forward_peak: u64,
    /// At the fullest moment of a backward: see [`Self::backward_workspace`].
    backward_peak: BackwardPeaks,
    /// The gradients of one micro-batch that stand beside their sums.
    fresh: u64,
    /// Those of a step's first micro-batch, of which the sums are made.
    first_fresh: u64,
}

/// What a stage holds at the fullest moment of a backward, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct BackwardPeaks {
    whole: u64,
    /// A whole one, the first of a step.
    first: u64,
    /// The first half of a split one, which keeps what the second needs.
    split: u64,
    /// That, the first of a step.
    first_split: u64,
}

/// Which backward of a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackwardKind {
    /// The first of a step, of whose gradients the sums are made.
    pub first: bool,
    /// Its first half alone.
    pub split: bool,
}

impl BackwardPeaks {
    fn of(&self, kind: BackwardKind) -> u64 {
        match (kind.first, kind.split) {
            (false, false) => self.whole,
            (true, false) => self.first,
            (false, true) => self.split,
            (true, true) => self.first_split,
        }
    }
}

impl StageMemory {
    /// The need of the layers `[first, end)` on a device; indices beyond the model count nothing.
    #[must_use]
    pub fn of(profile: &Profile, device: usize, layers: Range<usize>) -> Self {
        Self::with_tensors(profile, &Tensors::of(&profile.model), device, layers)
    }

    /// [`Self::of`] with the model's tensors at hand.
    #[must_use]
    pub fn with_tensors(
        profile: &Profile,
        tensors: &Tensors,
        device: usize,
        layers: Range<usize>,
    ) -> Self {
        let mut memory = Self::default();
        for layer in layers.rev() {
            memory.push_front(profile, tensors, device, layer);
        }
        memory
    }

    /// Puts one more layer in front. `tensors` are those of the profile's model.
    pub fn push_front(
        &mut self,
        profile: &Profile,
        tensors: &Tensors,
        device: usize,
        index: usize,
    ) {
        let Some(layer) = profile.model.layers.get(index) else { return };
        let add = u64::saturating_add;
        let workspace = profile.workspace_bytes(device, index);
        if self.layers == 0 {
            self.output_saved = layer.output_saved_bytes;
            self.has_output_gradient = index + 1 < profile.model.layers.len();
        }
        self.layers += 1;
        self.goes_back |= !layer.forward_only;
        let change = tensors.put_in_front(&profile.model, index, index + self.layers);
        self.sums.0 = (self.sums.0 + change.input_more).saturating_sub(change.input_less);
        self.sums.1 += change.output_more;
        let saturated = |sum: u128| u64::try_from(sum).unwrap_or(u64::MAX);
        (self.input, self.output) = (saturated(self.sums.0), saturated(self.sums.1));
        let params = layer.param_bytes;
        self.fixed.weights = add(self.fixed.weights, layer.weight_bytes());
        self.fixed.gradients = add(self.fixed.gradients, params);
        let state = profile.model.optimizer_bytes(layer);
        self.fixed.optimizer = add(self.fixed.optimizer, state);
        let saved = profile.saved_bytes(device, index);
        let fresh = profile.model.fresh_bytes(layer);
        let first_fresh = if layer.fresh_bytes.is_some() { params.max(fresh) } else { fresh };
        self.saved = add(self.saved, saved);
        self.carried = add(self.carried, layer.carried_bytes);
        self.carried_of_layer = self.carried_of_layer.max(layer.carried_bytes);
        self.input_saved = layer.input_saved_bytes.min(saved);
        let kept_after = self.weight_saved;
        self.weight_saved = add(self.weight_saved, layer.weight_saved_bytes.unwrap_or(saved));
        self.fresh = add(self.fresh, fresh);
        self.first_fresh = add(self.first_fresh, first_fresh);
        self.workspace = self.workspace.max(workspace);
        self.forward_peak = add(self.forward_peak.max(workspace), saved);
        let (fresh, first) = (self.fresh, self.first_fresh);
        let kept = add(kept_after, layer.split_workspace_bytes);
        self.weight_workspace = self.weight_workspace.max(layer.weight_workspace_bytes);
        let peak = |so_far, beside| add(so_far, saved).max(add(add(saved, beside), workspace));
        let so_far = self.backward_peak;
        self.backward_peak = BackwardPeaks {
            whole: peak(so_far.whole, fresh),
            first: peak(so_far.first, first),
            split: peak(so_far.split, add(fresh, kept)),
            first_split: peak(so_far.first_split, add(first, kept)),
        };
    }

    /// Peak temporary bytes of a forward beyond what it keeps.
    #[must_use]
    pub fn forward_workspace(&self, recompute: Recompute) -> u64 {
        match recompute {
            _ if !self.goes_back => self.workspace,
            Recompute::None => self.forward_peak.saturating_sub(self.kept(recompute)),
            Recompute::Full => self.workspace,
        }
    }

    /// Peak temporary bytes of a backward beyond what its forward kept. It goes from the last layer
    /// to the first: at layer j there is what the layers up to j have kept, the fresh gradients of
    /// the layers from j on, and j's workspace. The fullest such moment counts; without fresh
    /// gradients and workspace that is its start, and nothing comes on top. In the first half of a
    /// split backward what the second needs of the layers after j is there too. Under recompute, what
    /// the forward that runs again keeps comes on top, but for the input, which is there; and while
    /// it runs, the output's gradient lies there already.
    #[must_use]
    pub fn backward_workspace(&self, recompute: Recompute, kind: BackwardKind) -> u64 {
        let kept = self.kept(Recompute::None);
        let peak = self.backward_peak.of(kind);
        match recompute {
            _ if !self.goes_back => 0,
            Recompute::None => peak.saturating_sub(kept),
            Recompute::Full => {
                let gradient = if self.has_output_gradient { self.output } else { 0 };
                let again = self.forward_peak.saturating_add(gradient);
                peak.max(kept).max(again).saturating_sub(self.input_saved)
            }
        }
    }

    /// Kept by each micro-batch in flight: the saved activations, or under recompute all of the
    /// stage's inputs. Nothing where no backward comes.
    #[must_use]
    pub fn kept(&self, recompute: Recompute) -> u64 {
        match recompute {
            _ if !self.goes_back => 0,
            Recompute::None => self.saved.saturating_add(self.output_saved),
            Recompute::Full => self.input,
        }
    }

    /// [`Self::kept`] of one slice, with what it has of those before it. Under recompute it is counted with
    /// what it hands on instead, which is there before the next takes it.
    pub(super) fn kept_of(&self, recompute: Recompute, slice: Slice) -> u64 {
        let carried = match recompute {
            Recompute::None => slice.before(self.carried),
            Recompute::Full if slice.is_last() => 0,
            Recompute::Full => slice.after(self.carried),
        };
        self.kept(recompute).saturating_add(carried)
    }

    /// Gradients of what is handed on, in bytes: those that the backward of a slice gives to the slices
    /// before, and those that it takes from the slice after.
    pub(super) fn carried_gradients(&self, slice: Slice) -> (u64, u64) {
        let taken = if slice.is_last() { 0 } else { slice.after(self.carried) };
        (slice.before(self.carried), taken)
    }

    /// Peak temporary bytes of a slice's backward for what it has of the slices before: the gradients that it
    /// gives them, and one layer's together with its own. 0 where nothing is cut.
    pub(super) fn carried_workspace(&self, slice: Slice) -> u64 {
        if slice.of == 1 {
            return 0;
        }
        slice.before(self.carried).saturating_add(slice.after(self.carried_of_layer))
    }

    /// The part of `fixed` that is not there before a step's first backward has ended: the fresh
    /// gradients of the first micro-batch become the sums.
    #[must_use]
    pub fn sums_to_come(&self) -> u64 {
        self.first_fresh.min(self.fixed.gradients)
    }

    /// The need with `in_flight` of `micro_batches` micro-batches in flight and whole backwards, without
    /// buffers: what the simulator finds for a stage alone on its device, whatever the times are.
    #[must_use]
    pub fn peak(&self, recompute: Recompute, in_flight: usize, micro_batches: usize) -> MemoryUse {
        let with = |held: usize, missing: u64, first: bool| {
            let kind = BackwardKind { first, split: false };
            let workspace = self.backward_workspace(recompute, kind);
            let workspace = workspace.max(self.forward_workspace(recompute));
            let kept = self.kept(recompute).saturating_mul(held as u64);
            let working = if held == 0 { 0 } else { workspace };
            let gradients = self.fixed.gradients - missing;
            MemoryUse { activations: kept.saturating_add(working), gradients, ..self.fixed }
        };
        // Once the sums are there, one micro-batch is done.
        let later = with(in_flight.min(micro_batches.saturating_sub(1)), 0, false);
        let first = with(in_flight, self.sums_to_come(), true);
        if first.total() > later.total() { first } else { later }
    }
}
