//! What a journal says of devices, checkpoints, samples and corrections.

/// Memory of a device, bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceMemory {
    /// Its id in the run file.
    pub id: String,
    /// Its hardware in words.
    pub name: String,
    /// What it may hold.
    pub budget_bytes: u64,
    /// Measured use, where it is counted.
    pub measured: Option<MeasuredMemory>,
}

/// What was measured of a device's memory, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeasuredMemory {
    /// In use at the newest sample.
    pub in_use_bytes: u64,
    /// Held by the allocator, in use or not, where it says.
    pub reserved_bytes: Option<u64>,
    /// Left empty between tensors by their alignment, where the allocator says.
    pub padding_bytes: Option<u64>,
    /// The most in use so far.
    pub peak_bytes: u64,
    /// What the plan predicts as the most.
    pub predicted_bytes: u64,
}

/// A checkpoint that is safely on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// After this step.
    pub step: u64,
    /// Where, relative to the run directory.
    pub path: String,
}

/// What a language model wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// After this step.
    pub step: u64,
    /// The text.
    pub text: String,
}

/// The prediction as a run corrected it from its first steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Correction {
    /// The step after which it was corrected.
    pub after_step: u64,
    /// Time of a step from there on, µs.
    pub step_us: f64,
    /// That time ÷ the planned one.
    pub factor: f64,
    /// What was seen, and why it differs, in words; may be empty.
    pub reason: String,
}
