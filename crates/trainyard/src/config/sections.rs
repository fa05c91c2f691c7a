//! The sections of a run file as types, with their defaults.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

/// `[model]`: which model, and its own options.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelSection {
    /// Name in the model registry: `gpt`, `mlp`, ….
    pub kind: String,
    /// Every other key of the section. The model registry knows and checks them.
    #[serde(flatten)]
    pub options: toml::Table,
}

/// `[data]`: what the model learns from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataSection {
    /// A UTF-8 text file, as an absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<PathBuf>,
    /// Name of data the program makes itself: `yard`, `spiral`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builtin: Option<String>,
    /// Share of the data kept for validation, above 0 and at most 0.9.
    pub validation_fraction: f64,
}

impl Default for DataSection {
    fn default() -> Self {
        Self { text: None, builtin: None, validation_fraction: 0.1 }
    }
}

/// How the learning rate goes after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LearningRateSchedule {
    /// Half a cosine, down to the smallest rate at `decay_steps`.
    #[default]
    Cosine,
    /// It stays.
    Constant,
}

/// `[train]`: how long, how much at once, and the optimizer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainSection {
    /// Optimizer steps the run is to have at its end.
    pub steps: u64,
    /// Rows (windows of text) a step.
    pub batch: usize,
    /// Equal slices the batch is cut into; divides `batch`. Where the file does not say: the most
    /// up to 4 that do.
    pub micro_batches: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Lowest learning rate of the cosine.
    pub min_learning_rate: f64,
    /// Steps in which the learning rate climbs to its highest; fewer than `steps`.
    pub warmup: u64,
    /// What the learning rate does after that.
    pub schedule: LearningRateSchedule,
    /// Step at which the cosine has reached the lowest rate.
    pub decay_steps: u64,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: f64,
    /// Decay of the mean of the gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Keeps AdamW from dividing by zero.
    pub epsilon: f64,
    /// Largest global norm of the gradients; 0 switches clipping off.
    pub clip: f64,
    /// Seed of the weights and of the order of the data.
    pub seed: u64,
    /// Steps between validations; 0 for one at the end alone.
    pub validate_every: u64,
    /// Batches a validation looks at; 0 for the whole validation text.
    pub validate_batches: usize,
    /// Whether the last validation looks at the whole validation text.
    pub validate_whole_at_end: bool,
    /// Tokens that a language model writes after each validation; 0 for none.
    pub sample_tokens: usize,
    /// Steps between checkpoints; 0 for one at the end and on Ctrl-C alone.
    pub checkpoint_every: u64,
    /// How many checkpoints stay on disk; at least 1.
    pub keep_checkpoints: usize,
}

impl Default for TrainSection {
    fn default() -> Self {
        Self {
            steps: 500,
            batch: 12,
            micro_batches: 4,
            learning_rate: 1e-3,
            min_learning_rate: 1e-4,
            warmup: 100,
            schedule: LearningRateSchedule::Cosine,
            decay_steps: 500,
            weight_decay: 0.1,
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            clip: 1.0,
            seed: 1337,
            validate_every: 250,
            validate_batches: 20,
            validate_whole_at_end: true,
            sample_tokens: 100,
            checkpoint_every: 0,
            keep_checkpoints: 3,
        }
    }
}

/// Which pipeline schedule to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ScheduleChoice {
    /// The planner picks.
    #[default]
    Auto,
    /// One of the schedule registry, such as `gpipe` or `1f1b`.
    Named(String),
}

impl ScheduleChoice {
    /// The word in the run file.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Auto => "auto",
            Self::Named(name) => name,
        }
    }
}

impl Serialize for ScheduleChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

/// Whether stages keep their activations or compute them again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecomputeChoice {
    /// The planner picks, stage by stage.
    #[default]
    Auto,
    /// Every stage keeps them.
    None,
    /// Every stage computes them again.
    Full,
}

/// `[pipeline]`: how the model is cut and in what order it runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PipelineSection {
    /// The schedule.
    pub schedule: ScheduleChoice,
    /// Keep or recompute activations.
    pub recompute: RecomputeChoice,
    /// Layers that must lie on a device, each as `LAYER=DEVICE`; a layer by name or number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lock: Vec<String>,
    /// A plan made before, as an absolute path; without one the planner makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PathBuf>,
}

/// `[run]`: where the run leaves its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunSection {
    /// The run directory, as an absolute path; `runs/<file stem>` unless the file says otherwise.
    pub dir: PathBuf,
}

/// `[[device]]`: a device the model may be placed on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceSection {
    /// Its name in plans, journals and messages: letters, digits, `-` and `_`; unique.
    pub id: String,
    /// The adapter, as `trainyard devices` prints it: `cpu`, `vulkan:NVIDIA`, `metal`, `1`, ….
    pub adapter: String,
    /// Memory budget in bytes; what the device reports where the file does not say.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_bytes")]
    pub memory: Option<u64>,
    /// What of the budget a plan must leave free, in bytes; nothing where the file does not say.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_bytes")]
    pub reserve: Option<u64>,
    /// Threads of a CPU device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// How fast it is beside the others, for plans that are made from estimates; measured where
    /// the file does not say, as GFLOP/s of a matrix product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// How many times slower than it is the device shall be, 1 to 1000: for trying out unlike
    /// devices on a machine that has only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttle: Option<f64>,
}

impl Default for DeviceSection {
    fn default() -> Self {
        Self {
            id: String::new(),
            adapter: "cpu".to_owned(),
            memory: None,
            reserve: None,
            threads: None,
            speed: None,
            throttle: None,
        }
    }
}

/// Writes whole MiB the way people write them, and anything else as a number of bytes.
#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn write_bytes<S: Serializer>(bytes: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    const MIB: u64 = 1 << 20;
    match *bytes {
        Some(bytes) if bytes > 0 && bytes.is_multiple_of(MIB) => {
            serializer.serialize_str(&format!("{} MiB", bytes / MIB))
        }
        Some(bytes) => serializer.serialize_u64(bytes),
        None => serializer.serialize_none(),
    }
}
