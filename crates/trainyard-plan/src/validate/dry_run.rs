//! Runs a schedule without doing anything: every rank goes as far as it gets.
//!
//! By now every action is known to be there once, so tables of all cells are no larger than the
//! schedule itself.

use std::collections::VecDeque;

use super::bad;
use crate::schedule::transfers_of;
use crate::{Action, ActionKind, PlanError, Schedule};

/// Runs it with so much room on each link. Returns when each action starts, in units of time.
pub(super) fn run(
    schedule: &Schedule,
    owners: &[usize],
    micro_batches: usize,
    capacity: usize,
) -> Result<Vec<Vec<usize>>, PlanError> {
    let mut run = Run {
        schedule,
        owners,
        capacity,
        micro_batches,
        explicit: schedule.has_transfers(),
        computed: vec![[false; 2]; owners.len() * micro_batches],
        links: vec![VecDeque::new(); owners.len() * 2],
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

/// How far a rank has come: the actions it has started, and what it has done of the next.
#[derive(Clone, Default)]
struct Progress {
    starts: Vec<usize>,
    phase: Phase,
    clock: usize,
}

/// An action receives its input, computes, and sends its output. One of explicit transfers does
/// only one of these.
#[derive(Clone, Copy, Default, PartialEq)]
enum Phase {
    #[default]
    Receive,
    Compute,
    Send,
}

/// Why an action cannot go on.
enum Blocked {
    /// This is not done yet.
    Waits(Action),
    /// Another micro-batch comes first over this link.
    Order { sender: Action },
    /// There is no room on the link; its receiver would have to take this.
    Full { sender: Action, receiver: Action },
}

struct Run<'a> {
    schedule: &'a Schedule,
    owners: &'a [usize],
    capacity: usize,
    micro_batches: usize,
    /// Transfers are actions of their own.
    explicit: bool,
    /// Of every cell: its forward, and its B or I.
    computed: Vec<[bool; 2]>,
    /// What was sent and not yet received, each with its time: of every stage, the link to the
    /// next and the link to the one before.
    links: Vec<VecDeque<(usize, usize)>>,
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
            if self.act(rank, action).is_err() {
                return;
            }
        }
    }

    /// Does what is left to do of a rank's next action.
    fn act(&mut self, rank: usize, action: Action) -> Result<(), Blocked> {
        let [receive, send] = self.transfers(action);
        if self.ranks[rank].phase == Phase::Receive {
            if let Some(receive) = receive {
                self.receive(rank, receive)?;
            }
            self.ranks[rank].phase = Phase::Compute;
        }
        if self.ranks[rank].phase == Phase::Compute {
            self.compute(action)?;
            self.ranks[rank].clock += 1;
            self.ranks[rank].phase = Phase::Send;
        }
        if let Some(send) = send {
            self.send(rank, send)?;
        }
        let progress = &mut self.ranks[rank];
        progress.starts.push(progress.clock - 1);
        progress.phase = Phase::Receive;
        Ok(())
    }

    /// What an action receives and what it sends.
    fn transfers(&self, action: Action) -> [Option<Action>; 2] {
        match action.kind {
            ActionKind::RecvForward | ActionKind::RecvBackward => [Some(action), None],
            ActionKind::SendForward | ActionKind::SendBackward => [None, Some(action)],
            _ if self.explicit => [None, None],
            _ => transfers_of(action, self.owners),
        }
    }

    fn receive(&mut self, rank: usize, receive: Action) -> Result<(), Blocked> {
        let sender = sender_of(receive);
        match self.links[link_of(sender)].front() {
            None => return Err(Blocked::Waits(sender)),
            Some(&(micro_batch, _)) if micro_batch != receive.micro_batch => {
                return Err(Blocked::Order { sender: Action { micro_batch, ..sender } });
            }
            Some(&(_, time)) => {
                self.links[link_of(sender)].pop_front();
                self.ranks[rank].clock = self.ranks[rank].clock.max(time);
                self.to_try.push_back(self.owners[sender.stage]);
            }
        }
        Ok(())
    }

    fn compute(&mut self, action: Action) -> Result<(), Blocked> {
        if let Some(input) = input_of(action, self.owners.len())
            && self.owners[input.stage] == self.owners[action.stage]
            && !self.computed[self.cell(input)][half(input)]
        {
            return Err(Blocked::Waits(input));
        }
        if matches!(action.kind, ActionKind::Forward | ActionKind::Backward | ActionKind::InputGrad)
        {
            let cell = self.cell(action);
            self.computed[cell][half(action)] = true;
        }
        Ok(())
    }

    fn send(&mut self, rank: usize, send: Action) -> Result<(), Blocked> {
        let link = &mut self.links[link_of(send)];
        match link.front() {
            Some(&(micro_batch, _)) if link.len() >= self.capacity => {
                let receiver = Action { micro_batch, ..receiver_of(send) };
                Err(Blocked::Full { sender: send, receiver })
            }
            _ => {
                link.push_back((send.micro_batch, self.ranks[rank].clock));
                self.to_try.push_back(self.owners[receiver_of(send).stage]);
                Ok(())
            }
        }
    }

    fn cell(&self, action: Action) -> usize {
        action.stage * self.micro_batches + action.micro_batch
    }

    /// The error for a rank that cannot go on.
    fn deadlock(&mut self, rank: usize) -> PlanError {
        let position = self.ranks[rank].starts.len();
        let Some(action) = self.next(rank) else {
            return bad(self.schedule, rank, position, &"nothing", "deadlock");
        };
        let reason = match self.act(rank, action) {
            Ok(()) => "deadlock".to_owned(),
            Err(Blocked::Waits(wanted)) => {
                let wanted = if self.explicit { wanted } else { computation_of(wanted) };
                let maker = self.owners[wanted.stage];
                let place = match self.next(maker) {
                    Some(_) if maker == rank => "comes later on this very rank".to_owned(),
                    Some(stuck) => format!("is on rank {maker}, which is stuck at {stuck}"),
                    None => format!("is on rank {maker}"),
                };
                format!("deadlock: it waits for {wanted}, which {place}")
            }
            Err(Blocked::Order { sender }) => {
                let Action { stage, micro_batch, .. } = sender;
                let maker = self.owners[stage];
                format!(
                    "deadlock: transfers arrive in the order in which they were sent, and rank \
                     {maker} sends micro-batch {micro_batch} of stage {stage} first; keep to one \
                     order"
                )
            }
            Err(Blocked::Full { sender, receiver }) => {
                let (taker, capacity) = (self.owners[receiver.stage], self.capacity);
                let stuck =
                    self.next(taker).map_or_else(|| "its end".to_owned(), |a| a.to_string());
                format!(
                    "deadlock: {sender} has to wait until {receiver} makes room, as the link \
                     between them holds {capacity}, and rank {taker} is stuck at {stuck}; let it \
                     hold more, or receive earlier"
                )
            }
        };
        bad(self.schedule, rank, position, &action, &reason)
    }
}

/// What an action needs of another stage: the forward before it or the backward after it (named B,
/// though it may be an I).
fn input_of(action: Action, stages: usize) -> Option<Action> {
    let Action { stage, kind, micro_batch } = action;
    match kind {
        ActionKind::Forward => stage.checked_sub(1).map(|s| Action::forward(s, micro_batch)),
        ActionKind::Backward | ActionKind::InputGrad => {
            (stage + 1 < stages).then(|| Action::backward(stage + 1, micro_batch))
        }
        _ => None,
    }
}

fn half(action: Action) -> usize {
    usize::from(action.kind != ActionKind::Forward)
}

/// The other end of a receive.
fn sender_of(receive: Action) -> Action {
    match receive.kind {
        ActionKind::RecvForward => {
            Action { stage: receive.stage - 1, kind: ActionKind::SendForward, ..receive }
        }
        _ => Action { stage: receive.stage + 1, kind: ActionKind::SendBackward, ..receive },
    }
}

/// The other end of a send.
fn receiver_of(send: Action) -> Action {
    match send.kind {
        ActionKind::SendForward => {
            Action { stage: send.stage + 1, kind: ActionKind::RecvForward, ..send }
        }
        _ => Action { stage: send.stage - 1, kind: ActionKind::RecvBackward, ..send },
    }
}

/// What a send sends.
fn computation_of(send: Action) -> Action {
    match send.kind {
        ActionKind::SendForward => Action { kind: ActionKind::Forward, ..send },
        ActionKind::SendBackward => Action { kind: ActionKind::Backward, ..send },
        _ => send,
    }
}

/// The index of the link that a send uses.
fn link_of(send: Action) -> usize {
    2 * send.stage + usize::from(send.kind != ActionKind::SendForward)
}
