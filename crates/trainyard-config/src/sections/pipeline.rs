//! `[pipeline]`: how the model is cut and in what order it runs.

use std::path::PathBuf;

use trainyard_plan::{Precision, Schedule};

use crate::error::{BadKey, must};
use crate::value::{Show, SliceCount};

crate::choices! {
    /// Whether stages keep their activations or compute them again.
    pub enum RecomputeChoice {
        /// The planner picks, stage by stage.
        Auto = "auto",
        /// Every stage keeps them.
        None = "none",
        /// Every stage computes them again.
        Full = "full",
    }
}

crate::choices! {
    /// The numbers in which tensors travel from a device to another.
    pub enum WireFormat {
        /// As they are computed with: exact.
        F32 = "f32",
        /// Half the bytes: 11 significant bits, sizes from 6e-8 (gradients: 1e-11) to 65504 (16).
        F16 = "f16",
        /// Half the bytes: 8 significant bits, all sizes.
        Bf16 = "bf16",
        /// Three tenths of the bytes: blocks of 32 numbers, each a multiple of 1/127 of the largest.
        Q8 = "q8",
    }
}

impl WireFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::F32, Self::F16, Self::Bf16, Self::Q8];

    /// The one of a name.
    ///
    /// # Errors
    /// The names that there are, where it is none.
    pub fn named(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|known| known.text() == name);
        known.ok_or_else(|| Self::ALL.map(Self::text).join(", "))
    }

    /// What goes between devices that compute in these precisions: the narrower, or this where it is as
    /// narrow.
    #[must_use]
    pub fn between(self, ends: [Precision; 2]) -> Self {
        let narrow = match ends {
            [Precision::F32, Precision::F32] => Self::F32,
            [Precision::Bf16, _] | [_, Precision::Bf16] => Self::Bf16,
            [Precision::F16, _] | [_, Precision::F16] => Self::F16,
        };
        if narrow.share() < self.share() { narrow } else { self }
    }

    /// What it takes of the bytes that [`Self::F32`] takes.
    #[must_use]
    pub fn share(self) -> f64 {
        match self {
            Self::F32 => 1.0,
            Self::F16 | Self::Bf16 => 0.5,
            // A scale of 4 bytes and 32 of one.
            Self::Q8 => 36.0 / 128.0,
        }
    }
}

crate::keys! {
    /// How the model is cut and in what order it runs.
    pub struct PipelineSection in "pipeline", check = check_pipeline {
        /// The pipeline schedule; with auto the planner picks.
        schedule: String = "auto".into(), one_of(schedules);
        /// Keep activations for the backward, or compute them again.
        recompute: RecomputeChoice = RecomputeChoice::Auto;
        /// A schedule of your own, a CSV file as PyTorch's pipelining writes it, instead of
        /// `schedule`.
        schedule_file: Option<PathBuf>;
        /// Slices along the context into which every micro-batch's rows are cut, for causal models: a long
        /// context then fills a pipeline that few rows do not; with auto the planner picks. A schedule of your
        /// own counts each slice as a micro-batch.
        slices: SliceCount = SliceCount::default();
        /// Layers that must lie on a device, each as LAYERS=DEVICE; layers by name, number, range
        /// such as 0-5, pattern such as block*, or several of these with commas.
        lock: Vec<String>;
        /// Devices that are left out.
        exclude: Vec<String>;
        /// Layers of each stage, in the order of the pipeline, on the devices in the order of the run
        /// file; 0 leaves a device idle. Without it the planner splits.
        split: Vec<u32>;
        /// The numbers in which tensors travel from a device to another. Where one of the two computes in
        /// fewer bits, they travel in no more.
        wire: WireFormat = WireFormat::F32;
        /// Links on which they travel in others, each as FROM>TO=FORMAT, by the ids of devices, such as
        /// left>right=q8. Gradients go the other way.
        wires: Vec<String>;
        /// A plan made before; without one the planner makes it.
        plan: Option<PathBuf>;
    }
}

fn check_pipeline(pipeline: &PipelineSection) -> Result<(), BadKey> {
    let PipelineSection { schedule, schedule_file, plan, split, .. } = pipeline;
    let both = "left out where pipeline.plan is given: the plan says it";
    let file = schedule_file.as_ref().map(|file| format!("'{}'", file.display()));
    let file = file.unwrap_or_default();
    must(plan.is_none() || schedule_file.is_none(), "schedule_file", &file, both)?;
    let is_whole = pipeline.slices == SliceCount::default();
    must(plan.is_none() || is_whole, "slices", &pipeline.slices.show(), both)?;
    let numbers = format!("{split:?}");
    must(plan.is_none() || split.is_empty(), "split", &numbers, both)?;
    let words = "left out where pipeline.schedule is given: only one of them can be run";
    must(schedule == "auto" || schedule_file.is_none(), "schedule_file", &file, words)
}

/// What `schedule` can be: every registered one, or the planner's choice.
fn schedules() -> Vec<String> {
    std::iter::once("auto").chain(Schedule::names()).map(str::to_owned).collect()
}
