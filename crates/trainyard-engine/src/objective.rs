//! The objective: the loss that training lowers, and what else is to be known of a model's output.

mod cross_entropy;
mod regression;
mod scores;

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::Tensor;

pub use cross_entropy::CrossEntropy;
pub use regression::{BinaryCrossEntropy, MeanSquaredError};
pub use scores::Scores;

use crate::{EngineError, MicroBatch, Tensors};

/// Named figures of a model's output, such as `accuracy`.
pub type Metrics = BTreeMap<String, f64>;

/// What an objective says of one micro-batch.
pub struct Loss {
    /// Mean over what [`Objective::count`] counts, `[1]`, with its graph.
    pub loss: Tensor<1>,
    /// Names and values of the metrics, each a mean over the same, `[1]`, without graph.
    pub metrics: Vec<(&'static str, Tensor<1>)>,
}

impl Loss {
    /// The loss and the metrics, as they are to be read.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = Tensor<1>> + '_ {
        let metrics = self.metrics.iter().map(|(_, value)| value.clone());
        std::iter::once(self.loss.clone()).chain(metrics)
    }

    /// The same with what was read, in that order.
    pub(crate) fn values(&self, numbers: &mut impl Iterator<Item = f32>) -> LossValues {
        let mut next = || numbers.next().map_or(f64::NAN, f64::from);
        (next(), self.metrics.iter().map(|(name, _)| (*name, next())).collect())
    }
}

/// Loss and metrics of one micro-batch, read.
pub(crate) type LossValues = (f64, Vec<(&'static str, f64)>);

/// Loss and metrics of a micro-batch.
///
/// A batch's loss is the mean of its micro-batches', each weighted by what it counts, so it is that
/// of the whole batch however the batch is cut.
pub trait Objective: Send + Sync {
    /// Names of the batch's tensors that the loss compares the output with.
    fn targets(&self) -> Vec<Arc<str>> {
        vec!["targets".into()]
    }

    /// The loss of a micro-batch. `outputs` holds what the model's last layer gives, `targets`
    /// what [`Self::targets`] names.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] when either is not what this objective takes.
    fn loss(&self, outputs: Tensors, targets: Tensors) -> Result<Loss, EngineError>;

    /// How much a micro-batch counts: its rows, of slices times their positions, or the tokens of it that
    /// have a target.
    fn count(&self, micro_batch: &MicroBatch) -> f64 {
        micro_batch.weight()
    }

    /// What [`Self::count`] counts, in the plural: `rows`, `tokens`.
    fn unit(&self) -> &'static str {
        "rows"
    }

    /// Adds what follows from the mean loss and the metrics over all that was counted, such as the
    /// perplexity.
    fn summarize(&self, loss: f64, metrics: &mut Metrics) {
        let _ = (loss, metrics);
    }
}
