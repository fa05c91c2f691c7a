//! The routes between the stages of a partition.

use super::{PipelineCosts, Route, StageCosts, TieCosts};
use crate::model::Crossing;
use crate::validate::StageLink;
use crate::{Profile, Stage, Tensors};

impl PipelineCosts {
    /// The pairs of stages that wait for each other, the earlier first, with whether the earlier
    /// waits in the backward; a pair with a skip may be there twice.
    #[must_use]
    pub fn stage_links(&self) -> Vec<StageLink> {
        let of_stage = |(from, stage): (usize, &StageCosts)| {
            let links = stage.outputs.iter().map(move |route| {
                let mut back = self.stages[route.stage].input_grads.iter();
                let has_gradient = back.any(|back| back.stage == from);
                StageLink { from, to: route.stage, has_gradient }
            });
            links.collect::<Vec<_>>()
        };
        self.stages.iter().enumerate().flat_map(of_stage).collect()
    }

    /// Lays the routes between stages and between tied weights.
    pub(super) fn connect(&mut self, profile: &Profile, tensors: &Tensors, stages: &[Stage]) {
        let layers: Vec<(usize, usize)> = stages.iter().map(|stage| stage.layers).collect();
        for link in tensors.links(&profile.model, &layers) {
            self.route(profile, &link);
        }
        self.keep_order();
        let ties = profile.model.ties();
        if ties.is_empty() {
            return;
        }
        let holder = |layer: usize| {
            stages.iter().position(|stage| stage.layers.0 <= layer && layer < stage.layers.1)
        };
        for (follower, owner) in ties {
            let bytes = [follower, owner].map(|layer| profile.model.layers[layer].param_bytes);
            let bytes = bytes[0].min(bytes[1]);
            let (Some(from), Some(to)) = (holder(follower), holder(owner)) else { continue };
            let (follower, owner) = (self.stages[from].rank, self.stages[to].rank);
            // Frozen weights stay what they are.
            if follower != owner && bytes > 0 {
                let gradient = self.transfer(profile, follower, owner, bytes);
                let weights = self.transfer(profile, owner, follower, bytes);
                self.ties.push(TieCosts { follower, owner, bytes, gradient, weights });
            }
        }
    }

    /// A route from one stage to a later one, and back where there are gradients.
    fn route(&mut self, profile: &Profile, link: &Crossing) {
        let Crossing { from, to, bytes, gradient_bytes } = *link;
        let there = self.way(profile, from, to, bytes);
        self.stages[from].outputs.push(there);
        self.stages[to].inputs += 1;
        self.stages[to].linked_inputs += usize::from(there.link.is_some());
        if let Some(bytes) = gradient_bytes {
            let back = self.way(profile, to, from, bytes);
            self.stages[to].input_grads.push(back);
            self.stages[from].output_grads += 1;
            self.stages[from].linked_output_grads += usize::from(back.link.is_some());
        }
    }

    /// Stages run a micro-batch in the order of the layers, and back: where nothing goes between two
    /// neighbours, the one still waits for the other, as in every schedule.
    fn keep_order(&mut self) {
        let order = |stage| Route { stage, bytes: 0, transfer_us: 0.0, link: None };
        for stage in 1..self.stages.len() {
            let leads_to = |routes: &[Route], to| routes.iter().any(|route| route.stage == to);
            if !leads_to(&self.stages[stage - 1].outputs, stage) {
                self.stages[stage - 1].outputs.push(order(stage));
                self.stages[stage].inputs += 1;
            }
            if !leads_to(&self.stages[stage].input_grads, stage - 1) {
                self.stages[stage].input_grads.push(order(stage - 1));
                self.stages[stage - 1].output_grads += 1;
            }
        }
    }

    fn way(&mut self, profile: &Profile, from: usize, to: usize, bytes: u64) -> Route {
        let ranks = (self.stages[from].rank, self.stages[to].rank);
        if ranks.0 == ranks.1 {
            return Route { stage: to, bytes, transfer_us: 0.0, link: None };
        }
        let (link, transfer_us) = self.transfer(profile, ranks.0, ranks.1, bytes);
        Route { stage: to, bytes, transfer_us, link: Some(link) }
    }

    /// The link between two ranks, and the time of a transfer, µs.
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
