//! The largest single tensor of each layer: a device may have no buffer large enough for it.

use super::{BatchTensor, LayerProfile, ModelProfile, TensorProfile};

/// The largest tensor of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LargestTensor {
    pub(crate) bytes: u64,
    /// Whether it grows with the rows of a micro-batch; else it is a weight.
    pub(crate) is_of_micro_batch: bool,
}

impl LargestTensor {
    /// Which tensor it is, in words.
    pub(crate) fn text(self) -> &'static str {
        if self.is_of_micro_batch {
            "its largest tensor for a micro-batch"
        } else {
            "its largest weight"
        }
    }
}

impl ModelProfile {
    /// The largest tensor of each layer, as far as it is known: of a layer that does not say it
    /// ([`largest_tensor_bytes`](LayerProfile::largest_tensor_bytes)), the largest that it takes or gives,
    /// and of its weights, which a file may give as a sum alone, none.
    pub(crate) fn largest_tensors(&self) -> Vec<LargestTensor> {
        let mut of_micro_batch: Vec<u64> = self.layers.iter().map(given).collect();
        let index_of = self.index_of();
        for (index, layer) in self.layers.iter().enumerate() {
            let largest = |tensor: &TensorProfile| tensor.bytes.max(tensor.gradient_bytes);
            let named = layer.gives.iter().map(|tensor| (largest(tensor), &tensor.to));
            let skips = (layer.output_bytes, &layer.skips_to);
            for (bytes, to) in named.chain([skips]) {
                for taker in to.iter().filter_map(|name| index_of.get(name.as_str())) {
                    of_micro_batch[*taker] = of_micro_batch[*taker].max(bytes);
                }
            }
            if layer.gives.is_empty()
                && let Some(next) = of_micro_batch.get_mut(index + 1)
            {
                *next = layer.output_bytes.max(*next);
            }
        }
        let largest = |(layer, of_micro_batch): (&LayerProfile, u64)| {
            let is_of_micro_batch = of_micro_batch > layer.largest_weight_bytes;
            LargestTensor {
                bytes: of_micro_batch.max(layer.largest_weight_bytes),
                is_of_micro_batch,
            }
        };
        self.layers.iter().zip(of_micro_batch).map(largest).collect()
    }
}

/// The largest that a layer says it computes, gives or takes from the batch, in bytes.
fn given(layer: &LayerProfile) -> u64 {
    let named = layer.gives.iter().map(|tensor| tensor.bytes.max(tensor.gradient_bytes));
    let of_batch = layer.batch.iter().map(|BatchTensor { bytes, .. }| *bytes);
    let unnamed = if layer.gives.is_empty() { layer.output_bytes } else { 0 };
    named.chain(of_batch).chain([unnamed]).fold(layer.largest_tensor_bytes, u64::max)
}
