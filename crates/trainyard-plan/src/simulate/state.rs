//! What the event loop keeps: what has happened, and what is waited for.

use super::IdleTime;
use crate::memory::Ledger;
use crate::{Action, MemorySample};

/// Something that took time: an action, a transfer or an optimizer step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) action: Action,
    /// The rank that computes or sends.
    pub(super) rank: usize,
    pub(super) transfer: Option<Transfer>,
    pub(super) start_us: f64,
    pub(super) end_us: f64,
    /// What it started right after: the node that kept it waiting longest.
    pub(super) cause: Option<usize>,
}

/// A tensor on a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    pub(super) link: usize,
    pub(super) bytes: u64,
    pub(super) cargo: Cargo,
    /// How long it takes once the link is free, µs.
    pub(super) takes_us: f64,
    /// When it had been computed, µs.
    pub(super) made_us: f64,
}

/// What is on its way, and whether anybody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cargo {
    /// An activation or a gradient for a stage.
    ForStage(usize),
    /// A gradient for the owner of tied weights.
    TiedGradient,
    /// Tied weights on their way back.
    TiedWeights,
}

/// What became of one rank.
#[derive(Clone, Debug, Default)]
pub(super) struct RankState {
    pub(super) next: usize,
    pub(super) busy: bool,
    pub(super) done: bool,
    /// When it last became free, µs, and with which node.
    pub(super) free_us: f64,
    pub(super) last: Option<usize>,
    /// The last that came of what it has received by name since it last began to compute.
    pub(super) received: Ready,
    /// Whether it has sent the gradients of weights tied to another rank's.
    pub(super) ties_sent: bool,
    /// Gradients of tied weights that its optimizer step still waits for.
    pub(super) ties_missing: usize,
    pub(super) tie_ready: Ready,
    pub(super) busy_us: f64,
    pub(super) optimizer_us: f64,
    pub(super) idle: IdleTime,
    pub(super) ledger: Ledger,
}

/// When and from where the last of an action's inputs came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ready {
    /// When the last input came, µs.
    pub(super) at_us: f64,
    /// When it had been computed, µs.
    pub(super) made_us: f64,
    /// The node that brought it.
    pub(super) node: Option<usize>,
}

impl Ready {
    /// The later of two. Of those that come at the same time it is the one computed last, so that
    /// the order of events at an instant does not matter.
    pub(super) fn latest(self, other: Self) -> Self {
        let later = (other.at_us, other.made_us) >= (self.at_us, self.made_us);
        if later { other } else { self }
    }
}

/// Inputs of one action of one micro-batch that are still to come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waiting {
    pub(super) missing: usize,
    pub(super) ready: Ready,
    /// Bytes that have arrived and are not used yet.
    pub(super) arrived_bytes: u64,
    /// How many of them came from the stage next to it, and the last of those.
    pub(super) from_neighbour: usize,
    pub(super) neighbour_ready: Ready,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A rank's action has ended.
    Done { rank: usize },
    /// A transfer has arrived.
    Arrived { node: usize },
}

/// Everything that happened in one step.
pub(super) struct Outcome {
    pub(super) step_us: f64,
    pub(super) nodes: Vec<Node>,
    pub(super) ranks: Vec<RankState>,
    /// How long each link was in use, µs.
    pub(super) link_busy_us: Vec<f64>,
    pub(super) memory: Vec<MemorySample>,
}
