//! The tensors between layers, with names looked up: what crosses which cut.

use std::collections::BTreeMap;

use super::{BatchTensor, LayerProfile, ModelProfile, TensorProfile};

/// The tensors that layers give each other, by index of layer. Names that do not exist and takers
/// that do not come later are left out; [`crate::Profile::check`] refuses them.
///
/// A layer without [`gives`](crate::LayerProfile::gives) gives the next layer one unnamed tensor,
/// its output, which is not listed here.
#[derive(Clone, Debug, Default)]
pub struct Tensors {
    all: Vec<Tensor>,
    /// By layer: indices in `all`. Empty where `all` is.
    made: Vec<Vec<usize>>,
    /// By layer: indices in `all`. Empty where `all` is.
    taken: Vec<Vec<usize>>,
    /// By layer: bytes of the named tensors that it takes. Empty where `all` is.
    named_input: Vec<u64>,
}

#[derive(Clone, Debug, Default)]
struct Tensor {
    /// `None` for a tensor of the batch, which every stage gets from the host.
    from: Option<usize>,
    bytes: u64,
    gradient_bytes: u64,
    /// Ascending, at least one.
    to: Vec<usize>,
    /// Set for a skip: a transfer of its own, beside the route of its stages.
    is_skip: bool,
}

/// The tensors from one stage to a later one for each micro-batch, in one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crossing {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Size of the message, in bytes.
    pub(crate) bytes: u64,
    /// Size of the message back, in bytes; `None` where nothing has a gradient.
    pub(crate) gradient_bytes: Option<u64>,
}

impl Tensors {
    /// The tensors of a model.
    #[must_use]
    pub fn of(model: &ModelProfile) -> Self {
        let layers = &model.layers;
        let unnamed = |layer: &LayerProfile| {
            layer.gives.is_empty() && layer.skips_to.is_empty() && layer.batch.is_empty()
        };
        if layers.iter().all(unnamed) {
            return Self::default();
        }
        let mut tensors = Self {
            all: Vec::new(),
            made: vec![Vec::new(); layers.len()],
            taken: vec![Vec::new(); layers.len()],
            named_input: vec![0; layers.len()],
        };
        tensors.list_batch(model);
        let index_of = model.index_of();
        for (index, layer) in layers.iter().enumerate() {
            let later = |names: &[String]| {
                let known = names.iter().filter_map(|name| index_of.get(name.as_str()).copied());
                let mut to: Vec<usize> = known.filter(|to| index < *to).collect();
                to.sort_unstable();
                to.dedup();
                to
            };
            let from = Some(index);
            for TensorProfile { bytes, gradient_bytes, to, .. } in &layer.gives {
                let (bytes, gradient_bytes, to) = (*bytes, *gradient_bytes, later(to));
                tensors.push(Tensor { from, bytes, gradient_bytes, to, is_skip: false });
            }
            for target in &layer.skips_to {
                let (bytes, gradient_bytes) = (layer.output_bytes, layer.output_bytes);
                let to = later(std::slice::from_ref(target));
                tensors.push(Tensor { from, bytes, gradient_bytes, to, is_skip: true });
            }
        }
        tensors
    }

    fn list_batch(&mut self, model: &ModelProfile) {
        let mut of_batch: BTreeMap<&str, Tensor> = BTreeMap::new();
        for (index, layer) in model.layers.iter().enumerate() {
            for BatchTensor { name, bytes } in &layer.batch {
                let tensor = of_batch.entry(name).or_default();
                tensor.bytes = tensor.bytes.max(*bytes);
                if tensor.to.last() != Some(&index) {
                    tensor.to.push(index);
                }
            }
        }
        for tensor in of_batch.into_values() {
            self.push(tensor);
        }
    }

    fn push(&mut self, tensor: Tensor) {
        if tensor.to.is_empty() {
            return;
        }
        let index = self.all.len();
        if let Some(made) = tensor.from.and_then(|from| self.made.get_mut(from)) {
            made.push(index);
        }
        for &to in &tensor.to {
            self.taken[to].push(index);
            if !tensor.is_skip {
                self.named_input[to] = self.named_input[to].saturating_add(tensor.bytes);
            }
        }
        self.all.push(tensor);
    }

    /// Bytes of the named tensors that a layer takes, those of the batch included.
    pub(crate) fn named_input(&self, layer: usize) -> u64 {
        self.named_input.get(layer).copied().unwrap_or(0)
    }

    /// The part of a layer's `input_bytes` that no named tensor accounts for: the output of the layer
    /// before, where that names no tensors, and otherwise the batch's.
    pub(crate) fn unnamed_input(&self, model: &ModelProfile, layer: usize) -> u64 {
        let named = self.named_input(layer);
        model.layers.get(layer).map_or(0, |layer| layer.input_bytes.saturating_sub(named))
    }

    /// The change of a stage's input and output when `layer` is put in front of its layers, which end
    /// before `end`; where `layer + 1 == end`, it is the first.
    pub(crate) fn put_in_front(&self, model: &ModelProfile, layer: usize, end: usize) -> Change {
        let mut change = Change::default();
        let chained = model.layers.get(layer).is_some_and(|layer| layer.gives.is_empty());
        change.input_more += u128::from(self.unnamed_input(model, layer));
        if layer + 1 < end && chained {
            change.input_less += u128::from(self.unnamed_input(model, layer + 1));
        }
        if layer + 1 == end && chained {
            let output = model.layers.get(layer).map_or(0, |layer| layer.output_bytes);
            change.output_more += u128::from(output);
        }
        let taken = self.taken.get(layer).into_iter().flatten();
        for Tensor { bytes, to, is_skip, .. } in taken.map(|index| &self.all[*index]) {
            let next = to.get(to.partition_point(|taker| *taker <= layer));
            if *is_skip || next.is_none_or(|next| *next >= end) {
                change.input_more += u128::from(*bytes);
            }
        }
        let made = self.made.get(layer).into_iter().flatten();
        for Tensor { bytes, to, .. } in made.map(|index| &self.all[*index]) {
            if to.first().is_some_and(|first| *first < end) {
                change.input_less += u128::from(*bytes);
            }
            if to.last().is_some_and(|last| *last >= end) {
                change.output_more += u128::from(*bytes);
            }
        }
        change
    }

    /// By boundary between layers, from before the first to after the last: bytes of the tensors made
    /// before it and taken after it, and of their gradients, without skips. Between two stages these
    /// are the messages; of several, some tensors go past the next one.
    #[must_use]
    pub fn cuts(&self, model: &ModelProfile) -> Vec<(u64, u64)> {
        let layers = &model.layers;
        let add = |sum: &mut (u64, u64), bytes: u64, gradient_bytes: u64| {
            *sum = (sum.0.saturating_add(bytes), sum.1.saturating_add(gradient_bytes));
        };
        let mut cuts = vec![(0, 0); layers.len() + 1];
        for at in 1..layers.len() {
            if layers[at - 1].gives.is_empty() {
                let has_gradient = !layers[at - 1].forward_only;
                let gradient_bytes = if has_gradient { self.unnamed_input(model, at) } else { 0 };
                add(&mut cuts[at], layers[at - 1].output_bytes, gradient_bytes);
            }
        }
        for tensor in self.all.iter().filter(|tensor| !tensor.is_skip) {
            let (Some(from), Some(last)) = (tensor.from, tensor.to.last()) else { continue };
            for cut in &mut cuts[from + 1..=*last] {
                add(cut, tensor.bytes, tensor.gradient_bytes);
            }
        }
        cuts
    }

    /// The messages between stages of `(first, end)` layers: first the routes, by their ends, then
    /// skips.
    pub(crate) fn links(&self, model: &ModelProfile, stages: &[(usize, usize)]) -> Vec<Crossing> {
        let mut merged: BTreeMap<(usize, usize), (u64, Option<u64>)> = BTreeMap::new();
        let mut carry = |ends, bytes: u64, gradient_bytes: Option<u64>| {
            let (sum, gradients) = merged.entry(ends).or_default();
            *sum = sum.saturating_add(bytes);
            if let Some(more) = gradient_bytes {
                *gradients = Some(gradients.unwrap_or(0).saturating_add(more));
            }
        };
        for (stage, two) in stages.windows(2).enumerate() {
            let last = two[0].1.checked_sub(1).and_then(|last| model.layers.get(last));
            if let Some(last) = last.filter(|last| last.gives.is_empty()) {
                let has_gradient = !last.forward_only;
                let gradient_bytes = has_gradient.then(|| self.unnamed_input(model, two[1].0));
                carry((stage, stage + 1), last.output_bytes, gradient_bytes);
            }
        }
        let mut skips = Vec::new();
        let mut holders = vec![None; if self.all.is_empty() { 0 } else { model.layers.len() }];
        for (index, (first, end)) in stages.iter().enumerate() {
            holders.get_mut(*first..*end).into_iter().flatten().for_each(|h| *h = Some(index));
        }
        for tensor in &self.all {
            let Some(layer) = tensor.from else { continue };
            let Some(from) = holders[layer] else { continue };
            let has_gradient = model.layers.get(layer).is_some_and(|layer| !layer.forward_only);
            let gradient_bytes = has_gradient.then_some(tensor.gradient_bytes);
            let mut last = None;
            for to in tensor.to.iter().filter_map(|to| holders[*to]) {
                // The takers of one stage stand side by side, as stages are runs of layers.
                if to == from || last.replace(to) == Some(to) {
                    continue;
                }
                let bytes = tensor.bytes;
                if tensor.is_skip {
                    skips.push(Crossing { from, to, bytes, gradient_bytes });
                } else {
                    carry((from, to), bytes, gradient_bytes.filter(|bytes| *bytes > 0));
                }
            }
        }
        let route =
            |((from, to), (bytes, gradient_bytes))| Crossing { from, to, bytes, gradient_bytes };
        merged.into_iter().map(route).chain(skips).collect()
    }
}

/// Bytes that a layer in front adds to a stage's input and output and takes from them: sums of
/// 64-bit sizes, which 128 bits hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change {
    pub(crate) input_more: u128,
    pub(crate) input_less: u128,
    pub(crate) output_more: u128,
}
