//! Which layers lie where.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trainyard_plan::{Plan, PlanError, Profile, Recompute, Schedule, Stage};

/// What a person arranges: layers on devices, and everything else that a plan follows from.
/// Devices and layers are named by their index in the profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrangement {
    /// The stages in the order of the layers. They cover all layers.
    pub stages: Vec<Placed>,
    /// Which schedule is wished.
    pub schedule: ScheduleChoice,
    /// The schedule that was made for exactly these stages, where there is one.
    pub made: Option<Arc<Schedule>>,
    /// Micro-batches a step, before their rows are cut into slices.
    pub micro_batches: usize,
    /// Slices along the context of the rows of a micro-batch; 1 where they are whole.
    pub slices: usize,
    /// Whether backwards may be split into I and W.
    pub split_backward: bool,
    /// The memory of every device, bytes.
    pub memory_bytes: Vec<u64>,
    /// Layers that must stay on a device.
    pub locks: BTreeMap<usize, usize>,
    /// Devices that stay idle.
    pub excluded: BTreeSet<usize>,
}

/// A stage on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The device.
    pub device: usize,
    /// Its first layer.
    pub first: usize,
    /// One more than its last layer.
    pub end: usize,
    /// Whether it recomputes.
    pub recompute: Recompute,
}

/// Which schedule is wished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleChoice {
    /// One made for these stages.
    Auto,
    /// One of [`Schedule::names`], where the stages lie as it wants them.
    Named(String),
}

impl ScheduleChoice {
    /// Its name: `auto`, `1f1b`, ….
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Auto => "auto",
            Self::Named(name) => name,
        }
    }

    /// The choice of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        if Schedule::names().any(|known| known == name) {
            Self::Named(name.to_owned())
        } else {
            Self::Auto
        }
    }
}

impl Placed {
    /// Whether it holds a layer.
    #[must_use]
    pub fn holds(&self, layer: usize) -> bool {
        self.first <= layer && layer < self.end
    }
}

impl Arrangement {
    /// The arrangement of a plan.
    ///
    /// # Errors
    /// [`PlanError::BadPlan`] for a plan whose stages do not go with the profile.
    pub fn of_plan(profile: &Profile, plan: &Plan) -> Result<Self, PlanError> {
        plan.check(profile.model.layers.len())?;
        let place = |stage: &Stage| {
            let device = profile.device_index(&stage.device).ok_or_else(|| PlanError::BadPlan {
                reason: format!("the profile has no device '{}'", stage.device),
            })?;
            let (first, end) = stage.layers;
            Ok(Placed { device, first, end, recompute: stage.recompute })
        };
        let stages = plan.stages.iter().map(place).collect::<Result<Vec<_>, PlanError>>()?;
        Ok(Self {
            stages,
            schedule: ScheduleChoice::of_name(&plan.schedule.name),
            made: Some(Arc::new(plan.schedule.clone())),
            micro_batches: plan.micro_batches / plan.schedule.slices,
            slices: plan.schedule.slices,
            // A kind that splits them does so unless that was not wished.
            split_backward: plan.schedule.splits_backward()
                || !Schedule::named(&plan.schedule.name, plan.schedule.ranks.len(), 1)
                    .is_ok_and(|of_kind| of_kind.splits_backward()),
            ..Self::nothing(profile)
        })
    }

    /// Every device gets layers in proportion to its budget: the start where there is no plan.
    #[must_use]
    pub fn by_memory(profile: &Profile) -> Self {
        let layers = profile.model.layers.len();
        let budgets: Vec<f64> =
            profile.devices.iter().map(|device| device.budget_bytes() as f64).collect();
        let all = budgets.iter().sum::<f64>().max(1.0);
        let mut stages: Vec<Placed> = Vec::new();
        let (mut first, mut share) = (0, 0.0);
        for (device, budget) in budgets.iter().enumerate() {
            share += budget / all;
            let last_device = device + 1 == budgets.len();
            let end = if last_device { layers } else { (share * layers as f64).round() as usize };
            if first < end.min(layers) {
                let end = end.min(layers);
                stages.push(Placed { device, first, end, recompute: Recompute::None });
                first = end;
            }
        }
        Self { stages, ..Self::nothing(profile) }
    }

    fn nothing(profile: &Profile) -> Self {
        Self {
            stages: Vec::new(),
            schedule: ScheduleChoice::Auto,
            made: None,
            micro_batches: profile.micro_batches,
            slices: 1,
            split_backward: true,
            memory_bytes: profile.devices.iter().map(|device| device.memory_bytes).collect(),
            locks: BTreeMap::new(),
            excluded: BTreeSet::new(),
        }
    }

    /// The stage that holds a layer.
    #[must_use]
    pub fn stage_of(&self, layer: usize) -> Option<usize> {
        self.stages.iter().position(|stage| stage.holds(layer))
    }

    /// The device that holds a layer.
    #[must_use]
    pub fn device_of(&self, layer: usize) -> Option<usize> {
        self.stage_of(layer).and_then(|stage| self.stages.get(stage)).map(|stage| stage.device)
    }

    /// The devices in the order of the pipeline, that of their first stages. Those that are idle
    /// are not among them.
    #[must_use]
    pub fn ranks(&self) -> Vec<usize> {
        let mut ranks = Vec::new();
        for stage in &self.stages {
            if !ranks.contains(&stage.device) {
                ranks.push(stage.device);
            }
        }
        ranks
    }

    /// The rank of every stage.
    #[must_use]
    pub fn owners(&self) -> Vec<usize> {
        let ranks = self.ranks();
        let rank = |stage: &Placed| ranks.iter().position(|device| *device == stage.device);
        self.stages.iter().filter_map(rank).collect()
    }

    /// The stages as a plan has them.
    #[must_use]
    pub fn plan_stages(&self, profile: &Profile) -> Vec<Stage> {
        let id = |device: usize| {
            profile.devices.get(device).map_or_else(String::new, |device| device.id.clone())
        };
        let stage = |placed: &Placed| Stage {
            device: id(placed.device),
            layers: (placed.first, placed.end),
            recompute: placed.recompute,
        };
        self.stages.iter().map(stage).collect()
    }
}
