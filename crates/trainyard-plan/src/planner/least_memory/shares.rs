//! Partitions with several stages a rank that fill all devices but one.
//!
//! No search is exact here, as what a rank holds is the sum of its stages. So each device gets as many
//! bytes of layers as its budget has, the device in question the rest, all in equal parts for its
//! stages; moving the cuts does what is left to do.

use super::super::candidate::{Candidate, CandidateSchedule};
use super::super::space::Space;
use crate::{Recompute, ScheduleKind};

/// Shares of a budget that are filled: whole, and with room for what is kept beside and for a layer
/// that is too large.
const FILLED: [f64; 2] = [1.0, 0.8];

/// Candidates for a device under a kind of schedule, in a few orders of the devices.
pub(super) fn starts(
    space: &Space,
    device: usize,
    kind: &'static dyn ScheduleKind,
    chunks: usize,
) -> Vec<Candidate> {
    let mut starts = Vec::new();
    for order in orders(space, device) {
        let owners = kind.placement(order.len(), chunks);
        for filled in FILLED {
            let Some(firsts) = firsts(space, device, &order, &owners, filled) else { continue };
            let candidate = |mode: &Recompute| Candidate {
                ranks: order.iter().map(|device| space.index(*device)).collect(),
                firsts: firsts.clone(),
                recompute: vec![*mode; owners.len()],
                schedule: CandidateSchedule::Named(kind, chunks),
            };
            starts.extend(space.recompute.iter().map(candidate));
        }
    }
    starts
}

/// Orders of the devices: as they are; the device in question first or last, with the others from the
/// largest to the smallest; and it alone.
fn orders(space: &Space, device: usize) -> Vec<Vec<usize>> {
    let all: Vec<usize> = (0..space.device_count()).collect();
    let mut others: Vec<usize> = all.iter().copied().filter(|other| *other != device).collect();
    others.sort_by_key(|other| std::cmp::Reverse(space.budget(*other)));
    let first = [&[device], others.as_slice()].concat();
    let last = [others.as_slice(), &[device]].concat();
    vec![all, first, last, vec![device]]
}

/// First layers of the stages; `None` for more stages than layers.
fn firsts(
    space: &Space,
    device: usize,
    order: &[usize],
    owners: &[usize],
    filled: f64,
) -> Option<Vec<usize>> {
    let layers = space.layer_count();
    if owners.len() > layers {
        return None;
    }
    let bytes: Vec<f64> =
        (0..layers).map(|layer| space.layer_bytes(device, layer) as f64).collect();
    let all: f64 = bytes.iter().sum();
    let others = order.iter().filter(|other| **other != device);
    let room = |other: usize| space.budget(other) as f64 * filled;
    let others: f64 = others.map(|other| room(*other)).sum();
    let chunks = owners.len() as f64 / order.len() as f64;
    let share = |rank: &usize| match order[*rank] {
        own if own == device => (all - others).max(0.0) / chunks,
        other => room(other) / chunks,
    };
    let mut firsts = vec![0];
    let (mut layer, mut placed, mut target) = (0, 0.0, 0.0);
    for (stage, rank) in owners.iter().enumerate().take(owners.len() - 1) {
        target += share(rank);
        // Every stage has a layer, this one and those to come.
        let least = firsts[stage] + 1;
        let most = layers - (owners.len() - 1 - stage);
        while layer < most && (layer < least || placed + bytes[layer] <= target) {
            placed += bytes[layer];
            layer += 1;
        }
        firsts.push(layer);
    }
    Some(firsts)
}
