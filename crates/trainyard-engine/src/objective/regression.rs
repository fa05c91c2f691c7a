//! Objectives over numbers: mean squared error and binary cross-entropy.

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Int, Tensor};

use super::{Loss, Objective};
use crate::{EngineError, Tensors, Value};

/// Mean squared error; outputs and targets of one shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct MeanSquaredError;

impl Objective for MeanSquaredError {
    fn loss(&self, mut outputs: Tensors, mut targets: Tensors) -> Result<Loss, EngineError> {
        let (output, target) = flat_pair(outputs.take_first()?, targets.take_first()?)?;
        let difference = output - target;
        Ok(Loss { loss: (difference.clone() * difference).mean(), metrics: Vec::new() })
    }
}

/// Binary cross-entropy of logits, the mean over all elements; targets of the same shape, from 0
/// to 1, or 0 and 1 as integers. Metric: `accuracy`, the share of elements on the right side of a
/// half.
#[derive(Clone, Copy, Debug, Default)]
pub struct BinaryCrossEntropy;

impl Objective for BinaryCrossEntropy {
    fn loss(&self, mut outputs: Tensors, mut targets: Tensors) -> Result<Loss, EngineError> {
        let (logits, target) = flat_pair(outputs.take_first()?, targets.take_first()?)?;
        // log σ(−z) = log σ(z) − z keeps both logarithms finite.
        let positive = log_sigmoid(logits.clone());
        let negative = positive.clone() - logits.clone();
        let rest = target.clone().neg().add_scalar(1.0);
        let loss = (positive * target.clone() + negative * rest).mean().neg();
        let plain = logits.inner();
        let right = plain.greater_elem(0.0).equal(target.greater_elem(0.5));
        Ok(Loss { loss, metrics: vec![("accuracy", right.float().mean())] })
    }
}

/// Outputs and targets side by side, both flat.
pub(super) fn flat_pair(
    output: Value,
    target: Value,
) -> Result<(Tensor<1>, Tensor<1>), EngineError> {
    let wrong = |output: &Value, target: &Value| EngineError::WrongTensor {
        expected: format!("targets like the output {}", output.describe()),
        found: target.describe(),
    };
    if output.shape() != target.shape() {
        return Err(wrong(&output, &target));
    }
    let described = (output.describe(), target.describe());
    match (output, target) {
        (output @ Value::Float(_), target @ Value::Float(_)) => {
            Ok((output.flatten()?, target.flatten()?))
        }
        (output @ Value::Float(_), Value::Int(target)) => {
            let target = Tensor::<1, Int>::from_dispatch(target).float();
            Ok((output.flatten()?, Value::from(target).flatten()?))
        }
        _ => Err(EngineError::WrongTensor {
            expected: format!("targets like the output {}", described.0),
            found: described.1,
        }),
    }
}
