//! The costs of a partition: stages on devices, with everything the simulator needs looked up.

use crate::memory::{Footprint, MemoryUse, StageMemory};
use crate::{ActionKind, OptimizerTime, PlanError, Profile, Recompute, Stage};

/// What a partition costs on a profile's devices, whatever the schedule.
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

/// What a rank has beside its stages.
#[derive(Clone, Debug, Default)]
pub struct RankCosts {
    /// Index of its device in the profile.
    pub device: usize,
    /// What it may hold, in bytes.
    pub budget_bytes: u64,
    /// What its stages hold all the time.
    pub fixed: MemoryUse,
    /// Its optimizer step, µs.
    pub optimizer_us: f64,
}

/// What a stage costs on its device, for one micro-batch.
#[derive(Clone, Debug, Default)]
pub struct StageCosts {
    /// The rank that runs it.
    pub rank: usize,
    /// Whether it recomputes.
    pub recompute: Recompute,
    /// F, µs.
    pub forward_us: f64,
    /// I, µs; the forward once more under recompute.
    pub input_grad_us: f64,
    /// W, µs.
    pub weight_grad_us: f64,
    /// What it holds.
    pub memory: StageMemory,
    /// Where its output goes: the next stage, and the targets of skips.
    pub outputs: Vec<Route>,
    /// Where the gradient of its input goes: the stage before, and the sources of skips.
    pub input_grads: Vec<Route>,
    /// How many outputs of other stages its F waits for.
    pub inputs: usize,
    /// How many gradients of other stages its B or I waits for.
    pub output_grads: usize,
}

/// A tensor's way to another stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Route {
    /// The stage it goes to.
    pub stage: usize,
    /// Its size.
    pub bytes: u64,
    /// How long it takes on its link, µs.
    pub transfer_us: f64,
    /// Index in [`PipelineCosts::links`]; `None` on the same rank, where nothing has to move.
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

    /// What an action of this stage adds to memory and frees, for one micro-batch: see
    /// [`StageMemory::footprint`].
    #[must_use]
    pub fn footprint(&self, kind: ActionKind) -> Footprint {
        self.memory.footprint(kind, self.recompute)
    }
}

impl PipelineCosts {
    /// Looks up what stages cost. `owners` gives the rank of each stage.
    ///
    /// # Errors
    /// [`PlanError::BadPlan`] when a stage names a device or layers that the profile does not
    /// have, when a rank's stages lie on different devices, or two ranks on the same one.
    pub fn of(profile: &Profile, stages: &[Stage], owners: &[usize]) -> Result<Self, PlanError> {
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
            costs.push_stage(profile, rank, device, stage);
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
        costs.connect(profile, stages);
        Ok(costs)
    }

    fn push_stage(&mut self, profile: &Profile, rank: usize, device: usize, stage: &Stage) {
        let (first, end) = stage.layers;
        let on = &profile.devices[device];
        let sum = |times: &[f64]| times.get(first..end).unwrap_or_default().iter().sum::<f64>();
        let forward_us = sum(&on.forward_us);
        let again = if stage.recompute == Recompute::Full { forward_us } else { 0.0 };
        let memory = StageMemory::of(profile, device, first..end);
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

    /// Lays the ways between stages: to the next one, along skips, and between tied weights.
    fn connect(&mut self, profile: &Profile, stages: &[Stage]) {
        for stage in 1..stages.len() {
            let bytes = self.stages[stage - 1].memory.output;
            let gradient = self.stages[stage].memory.input;
            self.route(profile, (stage - 1, stage), bytes, gradient);
        }
        let (skips, ties) = (profile.model.skips(), profile.model.ties());
        if skips.is_empty() && ties.is_empty() {
            return;
        }
        let mut holders = vec![None; profile.model.layers.len()];
        for (index, stage) in stages.iter().enumerate() {
            holders[stage.layers.0..stage.layers.1].fill(Some(index));
        }
        let holder = |layer: usize| holders.get(layer).copied().flatten();
        for (source, target) in skips {
            let (Some(from), Some(to)) = (holder(source), holder(target)) else { continue };
            if from != to {
                let bytes = profile.model.layers[source].output_bytes;
                self.route(profile, (from, to), bytes, bytes);
            }
        }
        for (follower, owner) in ties {
            let bytes = [follower, owner].map(|layer| profile.model.layers[layer].param_bytes);
            let bytes = bytes[0].min(bytes[1]);
            let (Some(from), Some(to)) = (holder(follower), holder(owner)) else { continue };
            let (follower, owner) = (self.stages[from].rank, self.stages[to].rank);
            if follower != owner {
                let gradient = self.transfer(profile, follower, owner, bytes);
                let weights = self.transfer(profile, owner, follower, bytes);
                self.ties.push(TieCosts { follower, owner, bytes, gradient, weights });
            }
        }
    }

    /// A way from one stage to a later one and back.
    fn route(&mut self, profile: &Profile, ends: (usize, usize), bytes: u64, gradient: u64) {
        let (from, to) = ends;
        let mut way = |from: usize, to: usize, bytes| {
            let ranks = (self.stages[from].rank, self.stages[to].rank);
            if ranks.0 == ranks.1 {
                return Route { stage: to, bytes, transfer_us: 0.0, link: None };
            }
            let (link, transfer_us) = self.transfer(profile, ranks.0, ranks.1, bytes);
            Route { stage: to, bytes, transfer_us, link: Some(link) }
        };
        let (there, back) = (way(from, to, bytes), way(to, from, gradient));
        self.stages[from].outputs.push(there);
        self.stages[from].output_grads += 1;
        self.stages[to].input_grads.push(back);
        self.stages[to].inputs += 1;
    }

    /// The link between two ranks, and how long it takes.
    fn transfer(&mut self, profile: &Profile, from: usize, to: usize, bytes: u64) -> (usize, f64) {
        let known = self.links.iter().position(|link| *link == (from, to));
        let link = known.unwrap_or_else(|| {
            self.links.push((from, to));
            self.links.len() - 1
        });
        let cost = profile.link(self.ranks[from].device, self.ranks[to].device);
        (link, cost.transfer_us(bytes))
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
