//! The costs of a partition: stages on devices, with everything the simulator needs looked up.

mod routes;

use crate::memory::{Footprint, MemoryUse, StageMemory};
use crate::{ActionKind, OptimizerTime, PlanError, Profile, Recompute, Slice, Stage, Tensors};

/// Costs of a partition on a profile's devices, whatever the schedule.
#[derive(Clone, Debug, Default)]
pub struct PipelineCosts {
    /// A row a rank.
    pub ranks: Vec<RankCosts>,
    /// A row a stage.
    pub stages: Vec<StageCosts>,
    /// The links in use, from rank to rank, one direction each.
    pub links: Vec<(usize, usize)>,
    /// Exchanges of tied gradients between ranks.
    pub ties: Vec<TieCosts>,
}

/// Costs of a rank beside those of its stages.
#[derive(Clone, Debug, Default)]
pub struct RankCosts {
    /// Index of its device in the profile.
    pub device: usize,
    /// Its budget, in bytes.
    pub budget_bytes: u64,
    /// Memory its stages hold all the time.
    pub fixed: MemoryUse,
    /// Its optimizer step, µs.
    pub optimizer_us: f64,
}

/// Costs of a stage on its device, for one micro-batch.
#[derive(Clone, Debug, Default)]
pub struct StageCosts {
    /// The rank that runs it.
    pub rank: usize,
    /// Keep or recompute activations.
    pub recompute: Recompute,
    /// F, µs.
    pub forward_us: f64,
    /// I, µs; the forward once more under recompute.
    pub input_grad_us: f64,
    /// W, µs.
    pub weight_grad_us: f64,
    /// Its memory.
    pub memory: StageMemory,
    /// One route to each later stage that takes any of its tensors, in order of the stages; then
    /// the targets of skips; then the next stage, where nothing goes there.
    pub outputs: Vec<Route>,
    /// One route to each earlier stage that takes gradients from it, in order of the stages; then the
    /// sources of skips; then the stage before, where nothing goes there.
    pub input_grads: Vec<Route>,
    /// Number of other stages' outputs its F waits for.
    pub inputs: usize,
    /// Those of `inputs` that come over a link.
    pub linked_inputs: usize,
    /// Number of other stages' gradients its B or I waits for.
    pub output_grads: usize,
    /// Those of `output_grads` that come over a link.
    pub linked_output_grads: usize,
}

/// The way of one stage's tensors, or of their gradients, to another stage: one message a
/// micro-batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Route {
    /// The stage it goes to.
    pub stage: usize,
    /// Size of all tensors it carries, in bytes.
    pub bytes: u64,
    /// Time it takes on its link, µs.
    pub transfer_us: f64,
    /// Index in [`PipelineCosts::links`]; `None` where nothing has to move: on the same rank, or to
    /// a neighbour that only waits.
    pub link: Option<usize>,
}

/// Tied weights whose layers lie on two ranks: the follower's gradient goes to the owner before
/// the owner's optimizer step, and the weights come back after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TieCosts {
    /// The rank of the layer that follows.
    pub follower: usize,
    /// The rank of the layer that owns the weights.
    pub owner: usize,
    /// Size of the weights.
    pub bytes: u64,
    /// Gradient, follower to owner: index of the link and µs.
    pub gradient: (usize, f64),
    /// Weights, owner to follower: index of the link and µs.
    pub weights: (usize, f64),
}

impl StageCosts {
    /// Full backward, µs.
    #[must_use]
    pub fn backward_us(&self) -> f64 {
        self.input_grad_us + self.weight_grad_us
    }

    /// Time of an action of this stage for one micro-batch, µs. Transfers take their link's time,
    /// not the rank's, and the optimizer step is a rank's: both are 0 here.
    #[must_use]
    pub fn duration_us(&self, kind: ActionKind) -> f64 {
        match kind {
            ActionKind::Forward => self.forward_us,
            ActionKind::Backward => self.backward_us(),
            ActionKind::InputGrad => self.input_grad_us,
            ActionKind::WeightGrad => self.weight_grad_us,
            _ => 0.0,
        }
    }

    /// Memory that an action of this stage adds and frees, for one micro-batch: see
    /// [`StageMemory::footprint`]. The sums of gradients are there, and nothing is cut into slices.
    #[must_use]
    pub fn footprint(&self, kind: ActionKind) -> Footprint {
        self.memory.footprint(kind, self.recompute, false, Slice::default())
    }
}

impl PipelineCosts {
    /// Looks up the costs of stages. `owners` gives the rank of each stage.
    ///
    /// # Errors
    /// [`PlanError::BadPlan`] when a stage names a device or layers that the profile does not
    /// have, when a rank's stages lie on different devices, or two ranks on the same one.
    pub fn of(profile: &Profile, stages: &[Stage], owners: &[usize]) -> Result<Self, PlanError> {
        let tensors = Tensors::of(&profile.model);
        let mut costs = Self::default();
        let rank_count = owners.iter().max().map_or(0, |rank| rank + 1).min(stages.len());
        costs.ranks.resize_with(rank_count, RankCosts::default);
        let mut device_of_rank = vec![None; rank_count];
        for (index, stage) in stages.iter().enumerate() {
            let rank = owners.get(index).copied().filter(|rank| *rank < rank_count);
            let rank = rank.ok_or_else(|| bad(format!("no rank runs stage {index}")))?;
            let device = device_of(profile, index, stage)?;
            match device_of_rank[rank] {
                None => device_of_rank[rank] = Some(device),
                Some(other) if other == device => {}
                Some(_) => {
                    let reason = format!("the stages of rank {rank} lie on different devices");
                    return Err(bad(format!("{reason}; give each rank one device")));
                }
            }
            costs.push_stage(profile, &tensors, (rank, device), stage);
        }
        for (rank, device) in device_of_rank.iter().enumerate() {
            let device = device.ok_or_else(|| bad(format!("rank {rank} has no stage")))?;
            if let Some(other) = device_of_rank[..rank].iter().position(|d| *d == Some(device)) {
                let id = &profile.devices[device].id;
                return Err(bad(format!(
                    "ranks {other} and {rank} are both on device '{id}'; join their stages on one \
                     rank"
                )));
            }
            costs.ranks[rank].device = device;
            costs.ranks[rank].budget_bytes = profile.devices[device].budget_bytes();
            let working = &mut costs.ranks[rank].fixed.activations;
            *working = working.saturating_add(profile.devices[device].overhead_bytes);
        }
        costs.connect(profile, &tensors, stages);
        Ok(costs)
    }

    fn push_stage(
        &mut self,
        profile: &Profile,
        tensors: &Tensors,
        (rank, device): (usize, usize),
        stage: &Stage,
    ) {
        let (first, end) = stage.layers;
        let on = &profile.devices[device];
        let sum = |times: &[f64]| times.get(first..end).unwrap_or_default().iter().sum::<f64>();
        let forward_us = sum(&on.forward_us);
        let memory = StageMemory::with_tensors(profile, tensors, device, first..end);
        let recomputes = stage.recompute == Recompute::Full && memory.goes_back;
        let again = if recomputes { forward_us } else { 0.0 };
        let of_rank = &mut self.ranks[rank];
        of_rank.fixed = of_rank.fixed + memory.fixed;
        match &on.optimizer_us {
            OptimizerTime::Device(time) => of_rank.optimizer_us = *time,
            OptimizerTime::Layers(times) => of_rank.optimizer_us += sum(times),
        }
        self.stages.push(StageCosts {
            rank,
            recompute: stage.recompute,
            forward_us,
            input_grad_us: sum(&on.input_grad_us) + again,
            weight_grad_us: sum(&on.weight_grad_us),
            memory,
            ..StageCosts::default()
        });
    }
}

fn device_of(profile: &Profile, index: usize, stage: &Stage) -> Result<usize, PlanError> {
    let layers = profile.model.layers.len();
    let (first, end) = stage.layers;
    if first >= end || end > layers {
        return Err(bad(format!(
            "stage {index} holds layers [{first}, {end}), the model has {layers}"
        )));
    }
    profile.device_index(&stage.device).ok_or_else(|| {
        let known: Vec<_> = profile.devices.iter().map(|device| device.id.as_str()).collect();
        bad(format!(
            "stage {index} is on device '{}', which is not among the devices: {}",
            stage.device,
            known.join(", ")
        ))
    })
}

fn bad(reason: String) -> PlanError {
    PlanError::BadPlan { reason }
}
