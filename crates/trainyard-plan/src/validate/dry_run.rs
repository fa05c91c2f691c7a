//! Runs a schedule without computing anything: every rank goes as far as it gets.
//!
//! By now every action is known to be there once, so tables of all cells are no larger than the
//! schedule itself.

use std::collections::VecDeque;

use super::{StageLink, bad};
use crate::schedule::transfers_of;
use crate::{Action, ActionKind, PlanError, Schedule};

/// Runs it with messages between the stages of `links`. Returns when each action starts, in units
/// of time.
pub(super) fn run(
    schedule: &Schedule,
    owners: &[usize],
    micro_batches: usize,
    links: &[StageLink],
) -> Result<Vec<Vec<usize>>, PlanError> {
    let mut inputs = vec![[Vec::new(), Vec::new()]; owners.len()];
    let mut outputs = inputs.clone();
    let mut ways = 0;
    let mut lay = |from: usize, to: usize, half: usize| {
        outputs[from][half].push(Way { index: ways, other: to });
        inputs[to][half].push(Way { index: ways, other: from });
        ways += 1;
    };
    for &StageLink { from, to, has_gradient } in links {
        lay(from, to, FORWARD);
        if has_gradient {
            lay(to, from, BACKWARD);
        }
    }
    let mut run = Run {
        schedule,
        owners,
        micro_batches,
        explicit: schedule.has_transfers(),
        inputs,
        outputs,
        computed: vec![[false; 2]; owners.len() * micro_batches],
        sent: vec![VecDeque::new(); ways],
        ranks: vec![Progress::default(); schedule.ranks.len()],
        to_try: (0..schedule.ranks.len()).collect(),
    };
    while let Some(rank) = run.to_try.pop_front() {
        run.go_on(rank);
    }
    match (0..schedule.ranks.len()).find(|&rank| run.next(rank).is_some()) {
        Some(rank) => Err(run.deadlock(rank)),
        None => Ok(run.ranks.into_iter().map(|progress| progress.starts).collect()),
    }
}

const FORWARD: usize = 0;
const BACKWARD: usize = 1;

/// One direction of a link between stages, as seen from one of them.
#[derive(Clone, Copy)]
struct Way {
    index: usize,
    /// The stage at its other end.
    other: usize,
}

/// The actions that a rank has started, and the time at which the last ends.
#[derive(Clone, Default)]
struct Progress {
    starts: Vec<usize>,
    clock: usize,
}

/// Why an action cannot go on.
enum Blocked {
    /// This is not done yet.
    Waits(Action),
    /// Another micro-batch comes first over this link.
    Order { sender: Action },
}

struct Run<'a> {
    schedule: &'a Schedule,
    owners: &'a [usize],
    micro_batches: usize,
    /// Transfers are actions of their own.
    explicit: bool,
    /// Of every stage, forward and backward: where its inputs come from.
    inputs: Vec<[Vec<Way>; 2]>,
    /// Of every stage, forward and backward: where its outputs go.
    outputs: Vec<[Vec<Way>; 2]>,
    /// Of every cell: its forward, and its B or I.
    computed: Vec<[bool; 2]>,
    /// By way: the micro-batches sent and not yet received, each with its time.
    sent: Vec<VecDeque<(usize, usize)>>,
    ranks: Vec<Progress>,
    /// Ranks that may be able to go on.
    to_try: VecDeque<usize>,
}

impl Run<'_> {
    fn next(&self, rank: usize) -> Option<Action> {
        self.schedule.ranks[rank].get(self.ranks[rank].starts.len()).copied()
    }

    /// Does a rank's actions up to the first that has to wait. A rank that is tried in vain costs
    /// nothing.
    fn go_on(&mut self, rank: usize) {
        while let Some(action) = self.next(rank) {
            if self.blocked(action).is_some() {
                return;
            }
            self.act(rank, action);
        }
    }

    /// Two flags of an action: it receives what other ranks send its stage; it sends what its stage
    /// makes to other ranks.
    fn moves(&self, action: Action) -> (bool, bool) {
        match action.kind {
            ActionKind::RecvForward | ActionKind::RecvBackward => (true, false),
            ActionKind::SendForward | ActionKind::SendBackward => (false, true),
            ActionKind::WeightGrad | ActionKind::Optimizer => (false, false),
            _ if self.explicit => {
                let [receive, send] = transfers_of(action, self.owners);
                (receive.is_none(), send.is_none())
            }
            _ => (true, true),
        }
    }

    fn crosses(&self, action: Action, way: Way) -> bool {
        self.owners[way.other] != self.owners[action.stage]
    }

    /// The reason why an action cannot run now, if any.
    fn blocked(&self, action: Action) -> Option<Blocked> {
        let half = half(action);
        let inputs = &self.inputs[action.stage][half];
        if self.moves(action).0 {
            for way in inputs.iter().filter(|way| self.crosses(action, **way)) {
                let sender = Action::new(way.other, send_kind(half), action.micro_batch);
                match self.sent[way.index].front() {
                    None => return Some(Blocked::Waits(sender)),
                    Some(&(micro_batch, _)) if micro_batch != action.micro_batch => {
                        return Some(Blocked::Order { sender: Action { micro_batch, ..sender } });
                    }
                    Some(_) => {}
                }
            }
        }
        if !computes(action) {
            return None;
        }
        let here = inputs.iter().filter(|way| !self.crosses(action, **way));
        let mut wanted = here.map(|way| Action { stage: way.other, ..whole(action) });
        wanted.find(|wanted| !self.computed[self.cell(*wanted)][half]).map(Blocked::Waits)
    }

    /// Does an action that nothing keeps waiting.
    fn act(&mut self, rank: usize, action: Action) {
        let (half, cell) = (half(action), self.cell(action));
        let (receives, sends) = self.moves(action);
        // By index, as the ways stay where they are while ranks and messages change.
        if receives {
            for at in 0..self.inputs[action.stage][half].len() {
                let way = self.inputs[action.stage][half][at];
                if self.crosses(action, way)
                    && let Some((_, time)) = self.sent[way.index].pop_front()
                {
                    self.ranks[rank].clock = self.ranks[rank].clock.max(time);
                }
            }
        }
        let progress = &mut self.ranks[rank];
        progress.starts.push(progress.clock);
        progress.clock += 1;
        if computes(action) {
            self.computed[cell][half] = true;
        }
        if sends {
            for at in 0..self.outputs[action.stage][half].len() {
                let way = self.outputs[action.stage][half][at];
                if self.crosses(action, way) {
                    self.sent[way.index].push_back((action.micro_batch, self.ranks[rank].clock));
                    self.to_try.push_back(self.owners[way.other]);
                }
            }
        }
    }

    fn cell(&self, action: Action) -> usize {
        action.stage * self.micro_batches + action.micro_batch
    }

    /// The error for a rank that cannot go on.
    fn deadlock(&self, rank: usize) -> PlanError {
        let position = self.ranks[rank].starts.len();
        let Some(action) = self.next(rank) else {
            return bad(self.schedule, rank, position, &"nothing", "deadlock");
        };
        let reason = match self.blocked(action) {
            None => "deadlock".to_owned(),
            Some(Blocked::Waits(wanted)) => {
                let wanted = if self.explicit { wanted } else { whole(wanted) };
                let maker = self.owners[wanted.stage];
                let place = match self.next(maker) {
                    Some(_) if maker == rank => {
                        "comes later on this very rank: move it before this".to_owned()
                    }
                    Some(stuck) => format!("is on rank {maker}, which is stuck at {stuck}"),
                    None => format!("is on rank {maker}"),
                };
                format!("deadlock: it waits for {wanted}, which {place}")
            }
            Some(Blocked::Order { sender }) => {
                let Action { stage, micro_batch, .. } = sender;
                let maker = self.owners[stage];
                format!(
                    "deadlock: transfers arrive in the order in which they were sent, and rank \
                     {maker} sends micro-batch {micro_batch} of stage {stage} first; keep to one \
                     order"
                )
            }
        };
        bad(self.schedule, rank, position, &action, &reason)
    }
}

/// True for F, B and I, whose results other stages wait for.
fn computes(action: Action) -> bool {
    matches!(action.kind, ActionKind::Forward | ActionKind::Backward | ActionKind::InputGrad)
}

/// [`FORWARD`] or [`BACKWARD`], as an action belongs to.
fn half(action: Action) -> usize {
    let forward = [ActionKind::Forward, ActionKind::SendForward, ActionKind::RecvForward];
    if forward.contains(&action.kind) { FORWARD } else { BACKWARD }
}

fn send_kind(half: usize) -> ActionKind {
    if half == FORWARD { ActionKind::SendForward } else { ActionKind::SendBackward }
}

/// The computation that an action belongs to: F, or B, though it may be an I.
fn whole(action: Action) -> Action {
    let forward = half(action) == FORWARD;
    Action { kind: if forward { ActionKind::Forward } else { ActionKind::Backward }, ..action }
}
