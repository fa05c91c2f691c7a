//! A layer of a stage, with what the trainer keeps for it and for each of its weights.

use burn::tensor::Tensor;

use crate::optimizer::{Gradient, State};
use crate::wiring::Name;
use crate::{EngineError, ErasedLayer, WeightRole, WeightSpec};

/// A layer with what the trainer keeps for it.
pub(crate) struct StageLayer {
    /// Index in the model.
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(super) takes: Vec<Name>,
    pub(super) gives: Vec<Name>,
    /// What it gives to itself in the next slice.
    pub(super) carries: Vec<Name>,
    pub(crate) layer: ErasedLayer,
    /// Draws numbers while it trains.
    pub(super) draws: bool,
    pub(crate) weights: Vec<WeightState>,
}

/// A weight tensor with its gradient and optimizer state.
pub(crate) struct WeightState {
    pub(crate) spec: WeightSpec,
    /// Follows another layer's weight: no optimizer state, updates come from the owner.
    pub(crate) follows: bool,
    /// Sum over the step's micro-batches so far.
    pub(crate) sum: Option<Tensor<1>>,
    /// The finished sum, once its norm has been taken.
    pub(crate) gradient: Option<Gradient>,
    pub(crate) state: Option<State>,
}

impl WeightState {
    /// Whether it has a gradient and is changed by updates: by the optimizer's, or by those of the weight that
    /// it follows.
    pub(crate) fn trains(&self) -> bool {
        self.spec.role == WeightRole::Trained
    }
}

impl StageLayer {
    /// Whether a weight of the layer trains.
    pub(crate) fn trains(&self) -> bool {
        self.weights.iter().any(WeightState::trains)
    }

    /// The number of the weight with a path.
    pub(crate) fn weight(&self, path: &str) -> Result<usize, EngineError> {
        self.weights.iter().position(|weight| weight.spec.path == path).ok_or_else(|| {
            let paths: Vec<&str> = self.weights.iter().map(|w| w.spec.path.as_str()).collect();
            EngineError::Layer {
                layer: self.name.clone(),
                reason: format!("it has no weight '{path}'; it has: {}", paths.join(", ")),
            }
        })
    }

    /// Replaces one weight.
    pub(crate) fn set_weight(
        &mut self,
        weight: usize,
        value: Tensor<1>,
    ) -> Result<(), EngineError> {
        let mut values: Vec<Option<Tensor<1>>> = self.weights.iter().map(|_| None).collect();
        values[weight] = Some(value);
        self.layer.put_weights(values)
    }

    /// Reads weights, buffers and optimizer state, those that are wanted, one tensor after the other, and gives
    /// each with its name in checkpoints, its shape and its values, row by row.
    ///
    /// # Errors
    /// [`EngineError::NotFiniteWeights`], with the number of the last update, at the first tensor that
    /// is not finite; what the driver said, as [`EngineError::Driver`].
    pub(crate) fn finite_tensors(
        &self,
        step: u64,
        wanted: impl Fn(&WeightSpec) -> bool,
        mut take: impl FnMut(String, &[usize], &[f32]),
    ) -> Result<(), EngineError> {
        let weights = self.weights.iter().zip(self.layer.weight_values());
        for (trained, value) in weights.filter(|(trained, _)| wanted(&trained.spec)) {
            let (path, shape) = (&trained.spec.path, &trained.spec.shape);
            let mut give = |kind: &str, shape: &[usize], values: &[f32]| {
                let (layer, tensor) = (self.name.clone(), format!("{kind}/{path}"));
                if !values.iter().all(|value| value.is_finite()) {
                    return Err(EngineError::NotFiniteWeights { step, layer, tensor });
                }
                take(tensor, shape, values);
                Ok(())
            };
            give("weight", shape, &value.try_into_vec_as::<f32>().map_err(EngineError::driver)?)?;
            let state = trained.state.as_ref().map_or_else(|| Ok(Vec::new()), State::entries)?;
            for entry in state {
                give(&entry.name, &entry.shape, &entry.values)?;
            }
        }
        Ok(())
    }

    /// Whether the optimizer changes a weight.
    pub(crate) fn is_updated(weight: &WeightState) -> bool {
        weight.trains() && !weight.follows
    }

    /// An error of this layer, which cannot know its name.
    pub(super) fn located(&self, error: &EngineError) -> EngineError {
        EngineError::Layer { layer: self.name.clone(), reason: error.to_string() }
    }
}
