//! One case: a plan, devices and a fault, drawn from a seed.

use trainyard_plan::{Action, ActionKind, Plan, Recompute, Schedule, Stage};

use super::draw::Draw;
use super::model::Chain;
use super::queue::{FakeQueue, QueueFault};
use crate::mix;

/// What goes wrong in a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Nothing,
    /// Of the device of a rank.
    Queue(usize, QueueFault),
    /// A rank's budget is too small.
    NoBudget(usize),
    /// A layer's weights cannot be made.
    NoWeights(usize),
    /// There are only so many threads.
    NoThread(usize),
    /// A feature of the step is not a number.
    NotFinite(u64),
    /// Nobody wants the answer any more, after so many turns.
    Cancelled(u64),
    /// A link holds a message back.
    HeldBack(usize),
}

impl Fault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Queue(_, QueueFault::Nothing) => "no queue",
            Self::Queue(_, QueueFault::RefusesAction(_)) => "an action refused",
            Self::Queue(_, QueueFault::IsLostAt(_)) => "a device lost",
            Self::Queue(_, QueueFault::FailsToCopy(_)) => "a copy failed",
            Self::Queue(_, QueueFault::HangsAt(_)) => "an action hangs",
            Self::Queue(_, QueueFault::HangsBeforeCopy(_)) => "a copy hangs",
            Self::NoBudget(_) => "a budget too small",
            Self::NoWeights(_) => "no memory for weights",
            Self::NoThread(_) => "no thread",
            Self::NotFinite(_) => "not a number",
            Self::Cancelled(_) => "cancelled",
            Self::HeldBack(_) => "a message held back",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) seed: u64,
    pub(super) chain: Chain,
    schedule: &'static str,
    pub(super) ranks: usize,
    pub(super) micro_batches: usize,
    recompute: Recompute,
    /// By rank, whether the device computes beside the host.
    pub(super) beside: Vec<bool>,
    pub(super) steps: u64,
    pub(super) fault: Fault,
}

impl Case {
    /// The case of a seed, in which something goes wrong if `faulty`.
    pub(super) fn drawn(seed: u64, is_faulty: bool) -> Self {
        let draw = &mut Draw::new(seed);
        let names: Vec<&'static str> = Schedule::names().collect();
        let schedule = *draw.of(&names);
        let ranks = 2 + draw.below(2) as usize;
        let stages = ranks * Schedule::default_chunks(schedule).unwrap();
        let (skips, is_tied) = (draw.is_one_in(2), draw.is_one_in(2));
        let mut case = Self {
            seed,
            chain: Chain { layers: stages, skips, is_tied, refused: None },
            schedule,
            ranks,
            micro_batches: 1 + draw.below(3) as usize,
            recompute: if draw.is_one_in(3) { Recompute::Full } else { Recompute::None },
            beside: (0..ranks).map(|_| draw.is_one_in(2)).collect(),
            steps: 1 + draw.below(if is_faulty { 6 } else { 2 }),
            fault: Fault::Nothing,
        };
        if is_faulty {
            case.fault = case.draw_fault(draw);
        }
        case
    }

    pub(super) fn with(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }

    fn draw_fault(&mut self, draw: &mut Draw) -> Fault {
        let rank = draw.below(self.ranks as u64) as usize;
        let actions = self.steps as usize * actions_of_step(&self.plan(), rank).len();
        let action = draw.below(actions as u64) as usize;
        let copies = 4 * self.steps as usize * self.micro_batches;
        let copy = draw.below(copies as u64) as usize;
        let step = 1 + draw.below(self.steps);
        match draw.below(12) {
            0 | 1 => Fault::Queue(rank, QueueFault::RefusesAction(action)),
            2 => Fault::Queue(rank, QueueFault::IsLostAt(action)),
            3 | 4 => {
                self.beside[rank] = true;
                Fault::Queue(rank, QueueFault::FailsToCopy(copy))
            }
            5 => Fault::Queue(rank, QueueFault::HangsAt(action)),
            6 => {
                self.beside[rank] = true;
                Fault::Queue(rank, QueueFault::HangsBeforeCopy(copy))
            }
            7 => match draw.below(3) {
                0 => Fault::NoBudget(rank),
                1 => Fault::NoWeights(draw.below(self.chain.layers as u64) as usize),
                _ => Fault::NoThread(draw.below(self.ranks as u64 + 1) as usize),
            },
            8 | 9 => Fault::NotFinite(step),
            _ => Fault::Cancelled(draw.below(400)),
        }
    }

    pub(super) fn plan(&self) -> Plan {
        let chunks = Schedule::default_chunks(self.schedule).unwrap();
        let rank_of_stage = Schedule::placement(self.schedule, self.ranks, chunks).unwrap();
        let stage = |(stage, rank): (usize, &usize)| Stage {
            device: format!("d{rank}"),
            layers: (stage, stage + 1),
            recompute: self.recompute,
        };
        let stages = rank_of_stage.iter().enumerate().map(stage).collect();
        let schedule = Schedule::named(self.schedule, self.ranks, self.micro_batches).unwrap();
        Plan::new("chain", stages, schedule, self.micro_batches)
    }

    pub(super) fn queue(&self, rank: usize) -> FakeQueue {
        let fault = match self.fault {
            Fault::Queue(faulty, fault) if faulty == rank => fault,
            _ => QueueFault::Nothing,
        };
        let mut draw = Draw::new(mix(&[self.seed, rank as u64]));
        let delay = *draw.of(&[0, 1, 5]);
        FakeQueue::new(fault, delay, draw.next())
    }
}

/// What a rank does in a step, one after the other.
pub(super) fn actions_of_step(plan: &Plan, rank: usize) -> Vec<Action> {
    let actions = &plan.schedule.ranks[rank];
    let first = actions.iter().map(|action| action.stage).min().unwrap();
    actions.iter().copied().chain([Action::new(first, ActionKind::Optimizer, 0)]).collect()
}
