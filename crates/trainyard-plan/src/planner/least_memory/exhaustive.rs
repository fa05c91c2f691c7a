//! Every partition on every order of every subset of the devices, with every choice of recompute,
//! under every schedule that may be used: for small cases.

use super::super::candidate::{Candidate, CandidateSchedule};
use super::super::evaluate::Evaluator;
use super::super::goal::Goal;
use super::super::memo::Memo;
use super::super::space::Space;
use super::super::validated::ValidatedRequest;
use super::{Least, schedules};
use crate::memory::StageMemory;
use crate::simulate::score;
use crate::{Profile, ScheduleKind};

/// Most actions of all candidates. Few of these are simulated where memory is short: it takes some tenths
/// of a second at most.
const MOST_ACTIONS: u64 = 1 << 22;

/// The least of each device; `None` where there is too much to try it all.
pub(super) fn search(profile: &Profile, request: &ValidatedRequest) -> Option<Vec<Least>> {
    let space = Space::new(profile, request, Goal::Share);
    let schedules = schedules(request);
    let actions = schedules.iter().map(|(_, chunks)| actions(&space, *chunks));
    if actions.fold(0, u64::saturating_add) > MOST_ACTIONS {
        return None;
    }
    let mut memo = Memo::default();
    let mut search = Exhaustive {
        evaluator: Evaluator::new(profile, request, &mut memo, 0),
        bytes: (0..space.device_count()).map(|device| bytes_before(&space, device)).collect(),
        space,
        least: Vec::new(),
    };
    for (kind, chunks) in schedules {
        search.orders(&mut Vec::new(), kind, chunks);
    }
    Some(search.least)
}

/// Actions of all candidates with this number of stages a rank.
fn actions(space: &Space, chunks: usize) -> u64 {
    let mut all: u64 = 0;
    let mut orders: u64 = 1;
    for ranks in 1..=space.device_count() {
        orders = orders.saturating_mul((space.device_count() - ranks + 1) as u64);
        let stages = ranks * chunks;
        if stages > space.layer_count() {
            break;
        }
        let modes = (space.recompute.len() as u64).saturating_pow(stages as u32);
        let cuts = ways_to_choose(space.layer_count() - 1, stages - 1);
        let of_one = (2 * stages).saturating_mul(space.profile.micro_batches) as u64;
        let of_all = [modes, cuts, of_one].into_iter().fold(orders, u64::saturating_mul);
        all = all.saturating_add(of_all);
    }
    all
}

/// Binomial coefficient.
fn ways_to_choose(of: usize, count: usize) -> u64 {
    let step = |ways: u64, at: usize| ways.saturating_mul((of - at) as u64) / (at as u64 + 1);
    (0..count).fold(1, step)
}

/// Weights, gradients and optimizer state of the layers before each on a device. What several stages of
/// a rank keep beside them, they need not keep at the same time.
fn bytes_before(space: &Space, device: usize) -> Vec<u128> {
    let mut sums = vec![0];
    for layer in 0..space.layer_count() {
        let index = space.index(device);
        let memory =
            StageMemory::with_tensors(space.profile, &space.tensors, index, layer..layer + 1);
        sums.push(sums[layer] + u128::from(memory.fixed.total()));
    }
    sums
}

struct Exhaustive<'e> {
    evaluator: Evaluator<'e>,
    space: Space<'e>,
    /// By device: bytes that the layers before each take all the time.
    bytes: Vec<Vec<u128>>,
    least: Vec<Least>,
}

impl Exhaustive<'_> {
    /// Tries all orders that begin with `order`.
    fn orders(&mut self, order: &mut Vec<usize>, kind: &'static dyn ScheduleKind, chunks: usize) {
        if !order.is_empty() {
            let owners = kind.placement(order.len(), chunks);
            if owners.len() > self.space.layer_count() {
                return;
            }
            let empty = Candidate {
                ranks: order.iter().map(|device| self.space.index(*device)).collect(),
                firsts: vec![0],
                recompute: Vec::new(),
                schedule: CandidateSchedule::Named(kind, chunks),
            };
            self.cuts(empty, order, &owners);
        }
        for device in 0..self.space.device_count() {
            if !order.contains(&device) {
                order.push(device);
                self.orders(order, kind, chunks);
                order.pop();
            }
        }
    }

    /// Tries all cuts after those of a candidate.
    fn cuts(&mut self, candidate: Candidate, order: &[usize], owners: &[usize]) {
        if candidate.firsts.len() == owners.len() {
            if self.can_help(&candidate, order, owners) && self.evaluator.is_allowed(&candidate) {
                self.modes(candidate, owners.len());
            }
            return;
        }
        let last = candidate.firsts.last().copied().unwrap_or(0);
        let to_come = owners.len() - candidate.firsts.len();
        for first in last + 1..=self.space.layer_count() - to_come {
            let mut candidate = candidate.clone();
            candidate.firsts.push(first);
            self.cuts(candidate, order, owners);
        }
    }

    /// Whether a candidate may need less of a device than all so far, by what its layers take all the time:
    /// no two devices are over budget by that alone.
    fn can_help(&self, candidate: &Candidate, order: &[usize], owners: &[usize]) -> bool {
        let mut needs = vec![0_u128; order.len()];
        for ((first, end), rank) in candidate.layers(self.space.layer_count()).zip(owners) {
            let before = &self.bytes[order[*rank]];
            needs[*rank] += before[end] - before[first];
        }
        let is_over = |rank: usize| needs[rank] > self.space.budget(order[rank]).into();
        let is_less = |rank: usize| {
            let device = candidate.ranks[rank];
            let least = self.least.iter().find(|least| least.device == device);
            least.is_none_or(|least| needs[rank] < least.need_bytes.into())
        };
        let mut over = (0..order.len()).filter(|rank| is_over(*rank));
        match (over.next(), over.next()) {
            (None, _) => (0..order.len()).any(is_less),
            (Some(rank), None) => is_less(rank),
            (Some(_), Some(_)) => false,
        }
    }

    /// Tries all choices of recompute.
    fn modes(&mut self, mut candidate: Candidate, stages: usize) {
        if candidate.recompute.len() == stages {
            self.note(&candidate);
            return;
        }
        for mode in self.space.recompute {
            candidate.recompute.push(*mode);
            self.modes(candidate.clone(), stages);
            candidate.recompute.pop();
        }
    }

    /// Simulates a candidate, and notes what it needs of a device where no other is over budget.
    fn note(&mut self, candidate: &Candidate) {
        let Ok(sized) = self.evaluator.schedule(candidate) else { return };
        let Ok(costs) = self.evaluator.costs(candidate) else { return };
        let Ok(score) = score(&costs, &sized.schedule, self.space.profile.micro_batches) else {
            return;
        };
        let budgets = costs.ranks.iter().map(|rank| rank.budget_bytes);
        let over = score.peak_bytes.iter().zip(budgets).map(|(peak, budget)| *peak > budget);
        let over: Vec<bool> = over.collect();
        for (rank, need_bytes) in score.peak_bytes.iter().copied().enumerate() {
            let others_fit = over.iter().enumerate().all(|(other, over)| other == rank || !over);
            if !others_fit {
                continue;
            }
            let device = candidate.ranks[rank];
            let found = Least { device, need_bytes, candidate: candidate.clone(), is_proven: true };
            match self.least.iter_mut().find(|least| least.device == device) {
                None => self.least.push(found),
                Some(least) if need_bytes < least.need_bytes => *least = found,
                Some(_) => {}
            }
        }
    }
}
