//! Cross-entropy of the softmax of logits.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{Loss, Metrics, Objective};
use crate::{EngineError, MicroBatch, Tensors, Value};

/// The mean of `−log softmax(logits)[target]` over all targets, for logits `[…, classes]` and
/// integer targets `[…]`.
///
/// Metrics: `accuracy`, and `perplexity` where tokens are counted.
pub struct CrossEntropy {
    /// Targets of this number do not count.
    pub ignore_index: Option<i64>,
    /// Share of a target's probability that is spread over all classes (Szegedy et al., arXiv
    /// 1512.00567, §7); 0 for none.
    pub label_smoothing: f64,
    /// A weight for each class; empty for equal ones. A micro-batch counts the weights of its
    /// targets.
    pub class_weights: Vec<f32>,
    /// Whether each target is a token of a text rather than a row.
    pub tokens: bool,
    /// How the plain mean over the targets that count is computed, from logits `[targets, classes]`, targets
    /// `[targets]` and [`Self::ignore_index`] to `[1]`: a kernel of its own where there is one. Where none
    /// counts it is 0, and so is its gradient.
    pub kernel: fn(Tensor<2>, Tensor<1, Int>, Option<i64>) -> Tensor<1>,
}

impl Default for CrossEntropy {
    fn default() -> Self {
        Self {
            ignore_index: None,
            label_smoothing: 0.0,
            class_weights: Vec::new(),
            tokens: false,
            kernel: mean_of_counted,
        }
    }
}

/// Targets of which some count more than others.
struct Counted {
    numbers: Vec<i64>,
    /// How much each counts, on the device of the logits, without graph.
    weights: Tensor<1>,
    /// Their sum, never 0.
    total: f64,
}

impl CrossEntropy {
    /// Cross-entropy over the tokens of a text.
    #[must_use]
    pub fn tokens() -> Self {
        Self { tokens: true, ..Self::default() }
    }

    /// Whether each target counts as much as any other, or not at all.
    fn is_plain(&self) -> bool {
        self.label_smoothing == 0.0 && self.class_weights.is_empty()
    }

    /// How much one target counts.
    fn weight_of(&self, target: i64) -> f64 {
        if self.ignore_index == Some(target) {
            return 0.0;
        }
        let class = usize::try_from(target).ok();
        let weight = class.and_then(|class| self.class_weights.get(class).copied());
        weight.map_or(1.0, f64::from)
    }

    /// The targets on the host, and how much each counts.
    fn counted(&self, targets: Tensor<1, Int>, device: &Device) -> Result<Counted, EngineError> {
        let numbers: Vec<i64> = targets.try_into_vec_as().map_err(EngineError::driver)?;
        let weights: Vec<f32> = numbers.iter().map(|&t| self.weight_of(t) as f32).collect();
        let total = weights.iter().map(|&weight| f64::from(weight)).sum();
        let shape = [weights.len()];
        let weights = Tensor::from_data(TensorData::new(weights, shape), device);
        Ok(Counted { numbers, weights, total: at_least_something(total) })
    }

    /// The mean with smoothing and class weights.
    fn weighted(&self, logits: Tensor<2>, counted: Counted) -> Result<Tensor<1>, EngineError> {
        let Counted { numbers, weights, total } = counted;
        let device = weights.device();
        let last = i64::try_from(logits.dims()[1]).map_err(EngineError::driver)? - 1;
        // An ignored target may be no class at all.
        let chosen: Vec<i64> = numbers.iter().map(|&t| t.clamp(0, last.max(0))).collect();
        let chosen: Tensor<2, Int> =
            Tensor::from_data(TensorData::new(chosen, [numbers.len(), 1]), &device);
        let logarithms = log_softmax(logits, 1);
        let of_target = logarithms.clone().gather(1, chosen).flatten::<1>(0, 1);
        let smoothing = self.label_smoothing;
        let each = if smoothing > 0.0 {
            let of_all = logarithms.mean_dim(1).flatten::<1>(0, 1);
            of_target.mul_scalar(1.0 - smoothing) + of_all.mul_scalar(smoothing)
        } else {
            of_target
        };
        Ok((each * weights).sum().div_scalar(-total))
    }
}

impl Objective for CrossEntropy {
    fn loss(&self, mut outputs: Tensors, mut targets: Tensors) -> Result<Loss, EngineError> {
        let (logits, targets): (Value, Value) = (outputs.take_first()?, targets.take_first()?);
        let logits = logits.as_matrix()?;
        let targets: Tensor<1, Int> = targets.flatten_int()?;
        if logits.dims()[0] != targets.dims()[0] {
            return Err(EngineError::WrongTensor {
                expected: format!("{} targets, one a row of logits", logits.dims()[0]),
                found: format!("{} targets", targets.dims()[0]),
            });
        }
        let likeliest = logits.clone().inner().argmax(1).flatten::<1>(0, 1);
        let right = likeliest.equal(targets.clone()).float();
        let (accuracy, loss) = if self.is_plain() {
            let accuracy = match self.ignore_index {
                None => right.mean(),
                Some(ignored) => {
                    let (counts, total) = counting(&targets, ignored);
                    (right * counts).sum() / total
                }
            };
            (accuracy, (self.kernel)(logits, targets, self.ignore_index))
        } else {
            let counted = self.counted(targets, &right.device())?;
            let accuracy = (right * counted.weights.clone()).sum().div_scalar(counted.total);
            (accuracy, self.weighted(logits, counted)?)
        };
        Ok(Loss { loss, metrics: vec![("accuracy", accuracy)] })
    }

    fn count(&self, micro_batch: &MicroBatch) -> f64 {
        let targets = micro_batch.tensor("targets");
        match targets {
            Some(targets) if self.is_plain() && self.ignore_index.is_none() => {
                targets.shape().num_elements() as f64
            }
            Some(targets) => targets.iter::<i64>().map(|target| self.weight_of(target)).sum(),
            None => micro_batch.weight(),
        }
    }

    fn unit(&self) -> &'static str {
        if self.tokens { "tokens" } else { "rows" }
    }

    fn summarize(&self, loss: f64, metrics: &mut Metrics) {
        if self.tokens {
            metrics.insert("perplexity".to_owned(), loss.exp());
        }
    }
}

/// What to divide by where nothing counts: a number that is not 0 as a 32-bit float either, so that
/// the gradient is 0 and not 0 ÷ 0.
fn at_least_something(total: f64) -> f64 {
    total.max(f64::from(f32::MIN_POSITIVE))
}

/// 1 for each target that counts and 0 for the others, and how many count, at least 1: on their device,
/// without graph.
fn counting(targets: &Tensor<1, Int>, ignored: i64) -> (Tensor<1>, Tensor<1>) {
    let counts = targets.clone().not_equal_elem(ignored).float();
    let total = counts.clone().sum().clamp_min(1.0);
    (counts, total)
}

/// The mean over all targets that count, each as heavy as the others.
fn mean_of_counted(logits: Tensor<2>, targets: Tensor<1, Int>, ignored: Option<i64>) -> Tensor<1> {
    let logarithms = log_softmax(logits, 1);
    let Some(ignored) = ignored else {
        return logarithms.gather(1, targets.unsqueeze_dim(1)).mean().neg();
    };
    let (counts, total) = counting(&targets, ignored);
    // An ignored target may be no class at all.
    let chosen = targets.clone().mask_fill(targets.equal_elem(ignored), 0);
    let each = logarithms.gather(1, chosen.unsqueeze_dim(1)).flatten::<1>(0, 1);
    ((each * counts).sum() / total).neg()
}
