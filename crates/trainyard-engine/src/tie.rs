//! Tied weights: gradients to the owner before the update, new values to the followers after it.
//!
//! The two layers may live on different ranks or on one; the exchange is the same, so that the sum
//! has the same order on every partition.

use burn::tensor::{Device, Tensor, TensorData};

use crate::EngineError;
use crate::activity::Activity;
use crate::concurrency::{Receiver, Sender, bounded};
use crate::stage::{Stage, StageLayer};
use crate::tensor::copied_data;
use crate::wiring::Tie;

/// Which weights are given to those that follow them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shared {
    /// All that are not built with the value of those that they follow.
    All,
    /// Those that an update changes.
    Trained,
}

/// The ends of all ties that concern one rank.
#[derive(Default)]
pub(crate) struct TieEnds {
    followers: Vec<FollowerEnd>,
    owners: Vec<OwnerEnd>,
    /// Whether frozen followers are built with their owners' values.
    builds_frozen: bool,
}

struct FollowerEnd {
    tie: Tie,
    /// Whether the owner is on another rank.
    crosses: bool,
    gradient: Sender<TensorData>,
    weight: Receiver<TensorData>,
}

struct OwnerEnd {
    tie: Tie,
    /// Whether the follower is on another rank.
    crosses: bool,
    gradient: Receiver<TensorData>,
    weight: Sender<TensorData>,
}

/// Makes the ends for every rank, from the rank of each layer. `builds_frozen` is what the model says by
/// [`builds_tied_frozen`](crate::Model::builds_tied_frozen).
pub(crate) fn tie_ends(
    ties: &[Tie],
    ranks: usize,
    rank_of_layer: impl Fn(usize) -> usize,
    builds_frozen: bool,
) -> Vec<TieEnds> {
    let of_rank = |_| TieEnds { builds_frozen, ..TieEnds::default() };
    let mut ends: Vec<TieEnds> = (0..ranks).map(of_rank).collect();
    for tie in ties {
        // Room for one: each side sends once a step, before it waits.
        let (gradient, gradient_in) = bounded(1);
        let (weight_out, weight) = bounded(1);
        let ranks = [tie.follower_layer, tie.owner_layer].map(&rank_of_layer);
        let crosses = ranks[0] != ranks[1];
        let follower = FollowerEnd { tie: tie.clone(), crosses, gradient, weight };
        ends[ranks[0]].followers.push(follower);
        let (gradient, weight) = (gradient_in, weight_out);
        ends[ranks[1]].owners.push(OwnerEnd { tie: tie.clone(), crosses, gradient, weight });
    }
    ends
}

impl TieEnds {
    /// Adds the followers' gradients to the owners'.
    pub(crate) fn exchange_gradients(
        &self,
        stages: &mut [Stage],
        device: &Device,
        activity: &Activity,
    ) -> Result<(), EngineError> {
        for end in &self.followers {
            let layer = find(stages, end.tie.follower_layer)?;
            let weight = layer.weight(&end.tie.follower_weight)?;
            if !layer.weights[weight].trains() {
                continue;
            }
            let Some(sum) = layer.weights[weight].sum.take() else {
                let reason =
                    format!("the tied weight '{}' got no gradient", end.tie.follower_weight);
                return Err(EngineError::Layer { layer: layer.name.clone(), reason });
            };
            let data = sum.try_into_data().map_err(EngineError::driver)?;
            end.gradient.send(data).map_err(|_| EngineError::NeighbourStopped)?;
        }
        for end in &self.owners {
            let layer = find(stages, end.tie.owner_layer)?;
            let weight = layer.weight(&end.tie.owner_weight)?;
            if !layer.weights[weight].trains() {
                continue;
            }
            let data = activity.waiting(|| end.gradient.recv());
            let data = data.map_err(|_| EngineError::NeighbourStopped)?;
            let theirs = Tensor::<1>::from_data(own(data, end.crosses), device);
            let trained = &mut layer.weights[weight];
            trained.sum = Some(match trained.sum.take() {
                Some(own) => own + theirs,
                None => theirs,
            });
        }
        Ok(())
    }

    fn shares(&self, which: Shared, trains: bool) -> bool {
        trains || which == Shared::All && !self.builds_frozen
    }

    /// Gives the followers the owners' values.
    pub(crate) fn share_weights(
        &self,
        which: Shared,
        stages: &mut [Stage],
        device: &Device,
        activity: &Activity,
    ) -> Result<(), EngineError> {
        for end in &self.owners {
            let layer = find(stages, end.tie.owner_layer)?;
            let weight = layer.weight(&end.tie.owner_weight)?;
            if !self.shares(which, layer.weights[weight].trains()) {
                continue;
            }
            let value = layer.layer.weight_values().swap_remove(weight);
            let data = value.try_into_data().map_err(EngineError::driver)?;
            let shape = layer.weights[weight].spec.shape.clone();
            let (dtype, bytes) = (data.dtype(), data.into_bytes());
            let data = TensorData::from_bytes(bytes, shape, dtype);
            end.weight.send(data).map_err(|_| EngineError::NeighbourStopped)?;
        }
        for end in &self.followers {
            let layer = find(stages, end.tie.follower_layer)?;
            let weight = layer.weight(&end.tie.follower_weight)?;
            if !self.shares(which, layer.weights[weight].trains()) {
                continue;
            }
            let data = activity.waiting(|| end.weight.recv());
            let data = data.map_err(|_| EngineError::NeighbourStopped)?;
            let spec = &layer.weights[weight].spec;
            if data.shape().as_slice() != spec.shape {
                return Err(EngineError::Layer {
                    layer: layer.name.clone(),
                    reason: format!(
                        "'{}' is {:?} and follows a weight that is {:?}; give both one shape",
                        spec.path,
                        spec.shape,
                        data.shape().as_slice()
                    ),
                });
            }
            let (flat, dtype) = ([spec.elements()], data.dtype());
            let bytes = own(data, end.crosses).into_bytes();
            let data = TensorData::from_bytes(bytes, flat, dtype);
            layer.set_weight(weight, Tensor::from_data(data, device))?;
        }
        Ok(())
    }
}

/// In the memory of this rank's device.
fn own(data: TensorData, crosses: bool) -> TensorData {
    if crosses { copied_data(&data) } else { data }
}

fn find(stages: &mut [Stage], layer: usize) -> Result<&mut StageLayer, EngineError> {
    stages
        .iter_mut()
        .find_map(|stage| stage.layer_mut(layer))
        .ok_or_else(|| EngineError::internal(format!("layer {layer} is not on this rank")))
}
