//! The state of the event loop: past actions and transfers, and inputs that are still to come.

use crate::idle::IdleTime;
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
    /// The node it started right after: the one that kept it waiting longest.
    pub(super) cause: Option<usize>,
}

/// A tensor on a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    pub(super) link: usize,
    pub(super) bytes: u64,
    pub(super) cargo: Cargo,
    /// Time on the link, µs.
    pub(super) takes_us: f64,
    /// Time at which it had been computed, µs.
    pub(super) made_us: f64,
}

/// The content of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cargo {
    /// An activation or a gradient for a stage.
    ForStage(usize),
    /// A gradient for the owner of tied weights.
    TiedGradient,
    /// Tied weights on their way back.
    TiedWeights,
}

impl Cargo {
    /// The receiving stage; `None` for tied weights, which a rank exchanges.
    pub(super) fn stage(self) -> Option<usize> {
        match self {
            Self::ForStage(stage) => Some(stage),
            _ => None,
        }
    }
}

/// The state of one rank.
#[derive(Clone, Debug, Default)]
pub(super) struct RankState {
    pub(super) next: usize,
    pub(super) busy: bool,
    pub(super) done: bool,
    /// Time at which it last became free, µs, and the node that ended then.
    pub(super) free_us: f64,
    pub(super) last: Option<usize>,
    /// The last that came of its named receives since it last began to compute.
    pub(super) received: Ready,
    /// Set once it has sent the gradients of weights tied to another rank's.
    pub(super) ties_sent: bool,
    /// Gradients of tied weights that its optimizer step still waits for.
    pub(super) ties_missing: usize,
    pub(super) tie_ready: Ready,
    pub(super) busy_us: f64,
    pub(super) optimizer_us: f64,
    pub(super) idle: IdleTime,
    pub(super) ledger: Ledger,
}

/// Time and source of the last of an action's inputs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ready {
    /// Time at which the last input came, µs.
    pub(super) at_us: f64,
    /// Time at which it had been computed, µs.
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
    /// Number of inputs that have come over a link, and the last of those.
    pub(super) received: usize,
    pub(super) received_ready: Ready,
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
    /// Time each link was in use, µs.
    pub(super) link_busy_us: Vec<f64>,
    pub(super) memory: Vec<MemorySample>,
}
