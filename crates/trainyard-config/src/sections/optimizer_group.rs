//! `[[optimizer.group]]`: weights with a learning rate and a weight decay of their own.

use crate::error::{BadKey, must};

crate::keys! {
    /// Weights that are updated in a way of their own. A weight is of the first group whose pattern
    /// its name matches; all others are updated as `[optimizer]` and `[train]` say.
    pub struct OptimizerGroup in "optimizer.group", check = check_pattern {
        /// Which weights, by names of the form LAYER/WEIGHT such as "block0/norm1.gamma": `*` stands
        /// for any characters or none, `?` for any one. A pattern without weights is an error, which
        /// lists some names.
        pattern: String;
        /// The learning rate is multiplied by this; 0 leaves the weights as they are. Their gradients
        /// still count for `train.clip`.
        learning_rate_factor: f64 = 1.0, in 0.0..=1000.0;
        /// Weight decay, also of biases and norms; as without the group where it is not given.
        weight_decay: Option<f64>, in 0.0..=1000.0;
        /// Whether an optimizer with a rule for matrices (muon, adafactor) uses it here.
        matrices: bool = true;
    }
}

impl OptimizerGroup {
    /// A group that changes nothing yet.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), ..Self::default() }
    }
}

fn check_pattern(group: &OptimizerGroup) -> Result<(), BadKey> {
    let words = "a pattern of names of weights, such as \"*norm*\" or \"embed/*\"";
    must(!group.pattern.is_empty(), "pattern", &"empty", words)
}
