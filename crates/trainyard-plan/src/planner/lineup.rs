//! What enters the contest: which schedules, and which of the search's partitions.

use super::draft::{Draft, Kind};
use super::search::Partition;
use super::space::Space;
use crate::Schedule;

/// The name of a kind of schedule.
pub(super) fn name(kind: &Kind) -> &str {
    match kind {
        Kind::Named(name, _) => name,
        Kind::Made(schedule) => &schedule.name,
    }
}

/// How many stages a rank has under it; made ones are as they are.
pub(super) fn chunks(kind: &Kind) -> usize {
    match kind {
        Kind::Named(_, chunks) => *chunks,
        Kind::Made(_) => 1,
    }
}

/// The schedules that a name stands for, 1F1B first.
pub(super) fn kinds(schedule: &str) -> Vec<Kind> {
    let wanted = |name: &&str| schedule == "auto" || schedule == *name;
    let of_name = |name: &'static str| match Schedule::default_chunks(name) {
        Ok(1) | Err(_) => vec![Kind::Named(name, 1)],
        Ok(_) if name == "interleaved" => (2..=4).map(|chunks| Kind::Named(name, chunks)).collect(),
        Ok(chunks) => vec![Kind::Named(name, chunks)],
    };
    let mut kinds: Vec<Kind> = Schedule::names().filter(wanted).flat_map(of_name).collect();
    kinds.sort_by_key(|kind| !matches!(kind, Kind::Named("1f1b", _)));
    kinds
}

/// The best partitions, but first the best of every order of devices.
pub(super) fn diverse(partitions: &[Partition], most: usize) -> Vec<&Partition> {
    let order = |partition: &Partition| -> Vec<usize> {
        partition.stages.iter().map(|stage| stage.device).collect()
    };
    let mut seen = std::collections::BTreeSet::new();
    let (firsts, others): (Vec<_>, Vec<_>) =
        partitions.iter().partition(|partition| seen.insert(order(partition)));
    let half = firsts.len().min(most / 2);
    let mut chosen: Vec<&Partition> = firsts.iter().take(half).copied().collect();
    chosen.extend(others.iter().take(most - half));
    chosen.extend(firsts.iter().skip(half).take(most - chosen.len()));
    chosen
}

/// Every device alone: what no transfer, of tied weights least of all, keeps waiting.
pub(super) fn alone(space: &Space, kind: &Kind) -> Vec<Draft> {
    let on = |device| {
        let recompute = space.recompute.modes().iter();
        recompute.map(move |recompute| Draft {
            ranks: vec![space.index(device)],
            firsts: vec![0],
            recompute: vec![*recompute],
            kind: kind.clone(),
        })
    };
    (0..space.device_count()).flat_map(on).collect()
}
