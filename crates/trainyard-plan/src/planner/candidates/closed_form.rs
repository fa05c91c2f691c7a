//! Partitions with the least of the closed form, and every device alone.

use super::super::candidate::{Candidate, CandidateSchedule};
use super::super::partition::Partition;
use super::context::Context;

/// Partitions of a round: with 10 to 20 actions a stage they take about a third of its budget.
pub(super) const MOST_PARTITIONS: usize = 80;

/// Partitions of least cost, but first the best of every order of devices.
pub(super) fn closed_form(context: &mut Context) -> Vec<Candidate> {
    let Some(schedule) = first_schedule(context) else { return Vec::new() };
    let chosen = diverse(context.partitions, MOST_PARTITIONS).into_iter();
    chosen.map(|partition| Candidate::of(context.space, partition, schedule.clone())).collect()
}

/// Every device alone: no transfer, of tied weights least of all, keeps it waiting.
pub(super) fn single_device(context: &mut Context) -> Vec<Candidate> {
    let Some(schedule) = first_schedule(context) else { return Vec::new() };
    let space = context.space;
    let on = |device| {
        let schedule = &schedule;
        space.recompute.iter().map(move |recompute| Candidate {
            ranks: vec![space.index(device)],
            firsts: vec![0],
            recompute: vec![*recompute],
            schedule: schedule.clone(),
        })
    };
    (0..space.device_count()).flat_map(on).collect()
}

/// The schedule under which partitions are compared.
fn first_schedule(context: &Context) -> Option<CandidateSchedule> {
    Some(CandidateSchedule::Named(context.evaluator.request.first_kind()?, 1))
}

/// The best of every order of devices, up to half of them, then the best of the rest.
pub(super) fn diverse(partitions: &[Partition], most: usize) -> Vec<&Partition> {
    let mut seen = std::collections::BTreeSet::new();
    let (firsts, others): (Vec<_>, Vec<_>) =
        partitions.iter().partition(|partition| seen.insert(partition.stage_devices()));
    let half = firsts.len().min(most / 2);
    let mut chosen: Vec<&Partition> = firsts.iter().take(half).copied().collect();
    chosen.extend(others.iter().take(most - half));
    chosen.extend(firsts.iter().skip(half).take(most - chosen.len()));
    chosen
}
