//! `[pipeline]`: how the model is cut and in what order it runs.

use std::path::PathBuf;

use trainyard_plan::Schedule;

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

crate::keys! {
    /// How the model is cut and in what order it runs.
    pub struct PipelineSection in "pipeline" {
        /// The pipeline schedule; with auto the planner picks.
        schedule: String = "auto".into(), one_of(schedules);
        /// Keep activations for the backward, or compute them again.
        recompute: RecomputeChoice = RecomputeChoice::Auto;
        /// Layers that must lie on a device, each as LAYER=DEVICE; a layer by name or number.
        lock: Vec<String>;
        /// A plan made before; without one the planner makes it.
        plan: Option<PathBuf>;
    }
}

/// What `schedule` can be: every registered one, or the planner's choice.
fn schedules() -> Vec<String> {
    std::iter::once("auto").chain(Schedule::names()).map(str::to_owned).collect()
}
