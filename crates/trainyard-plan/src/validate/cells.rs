//! Checks that every action is there once, on its stage's rank and in its cell's order. A cell is a
//! (stage, micro-batch).

use std::collections::BTreeSet;

use super::bad;
use crate::schedule::transfers_of;
use crate::{Action, ActionKind, PlanError, Schedule};

/// Checks everything but the order across ranks. Returns the rank of every stage.
pub(super) fn check(
    schedule: &Schedule,
    stages: usize,
    micro_batches: usize,
) -> Result<Vec<usize>, PlanError> {
    check_bounds(schedule, stages, micro_batches)?;
    check_count(schedule, stages, micro_batches)?;
    let owners = check_owners(schedule, stages)?;
    let cells = check_order(schedule, &owners, micro_batches)?;
    check_missing(schedule, &owners, micro_batches, &cells)?;
    Ok(owners)
}

fn check_bounds(schedule: &Schedule, stages: usize, micro_batches: usize) -> Result<(), PlanError> {
    for (rank, row) in schedule.ranks.iter().enumerate() {
        if row.is_empty() {
            let reason = "the rank has no actions; leave it out";
            return Err(bad(schedule, rank, 0, &"nothing", reason));
        }
        for (position, action) in row.iter().enumerate() {
            let refuse = |reason: &str| Err(bad(schedule, rank, position, action, reason));
            if action.stage >= stages {
                return refuse(&format!("stages run from 0 to {}", stages - 1));
            }
            if action.micro_batch >= micro_batches {
                return refuse(&format!("micro-batches run from 0 to {}", micro_batches - 1));
            }
        }
    }
    Ok(())
}

/// Refuses a schedule with fewer actions than cells, so that from here on tables of all cells are
/// no larger than the schedule itself.
fn check_count(schedule: &Schedule, stages: usize, micro_batches: usize) -> Result<(), PlanError> {
    let actions = schedule.ranks.iter().map(Vec::len).sum();
    if stages.saturating_mul(micro_batches) <= actions {
        return Ok(());
    }
    let there: BTreeSet<(usize, usize)> =
        schedule.ranks.iter().flatten().map(|a| (a.stage, a.micro_batch)).collect();
    // Ends after as many turns as there are actions, as it stops at the first cell without one.
    let mut cells = (0..stages).flat_map(|s| (0..micro_batches).map(move |m| (s, m)));
    match cells.find(|cell| !there.contains(cell)) {
        Some((stage, micro_batch)) => {
            let owner = schedule.ranks.iter().position(|row| row.iter().any(|a| a.stage == stage));
            Err(missing(schedule, owner.unwrap_or(0), &Action::forward(stage, micro_batch)))
        }
        None => Ok(()),
    }
}

fn check_owners(schedule: &Schedule, stages: usize) -> Result<Vec<usize>, PlanError> {
    let mut owners = vec![None; stages];
    for (rank, row) in schedule.ranks.iter().enumerate() {
        for (position, action) in row.iter().enumerate() {
            let owner = *owners[action.stage].get_or_insert(rank);
            if owner != rank {
                let reason = format!("the stage is on rank {owner} already; keep it on one");
                return Err(bad(schedule, rank, position, action, &reason));
            }
        }
    }
    let owned = |(stage, owner): (usize, Option<usize>)| {
        owner.ok_or_else(|| missing(schedule, 0, &Action::forward(stage, 0)))
    };
    owners.into_iter().enumerate().map(owned).collect()
}

/// The kinds that a cell has had so far.
#[derive(Clone, Copy, Default)]
struct Seen(u16);

impl Seen {
    fn has(self, kind: ActionKind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }

    fn add(&mut self, kind: ActionKind) {
        self.0 |= 1 << kind as u16;
    }
}

fn check_order(
    schedule: &Schedule,
    owners: &[usize],
    micro_batches: usize,
) -> Result<Vec<Seen>, PlanError> {
    let transfers = schedule.has_transfers();
    let mut cells = vec![Seen::default(); owners.len() * micro_batches];
    for (rank, row) in schedule.ranks.iter().enumerate() {
        for (position, action) in row.iter().enumerate() {
            let cell = &mut cells[action.stage * micro_batches + action.micro_batch];
            if let Err(reason) = may_follow(*cell, *action, owners, transfers) {
                return Err(bad(schedule, rank, position, action, &reason));
            }
            cell.add(action.kind);
        }
    }
    Ok(cells)
}

/// Checks that an action may come after those its cell has had; an error has the reason.
fn may_follow(seen: Seen, action: Action, owners: &[usize], transfers: bool) -> Result<(), String> {
    use ActionKind as K;
    let refuse = |reason: &str| Err(reason.to_owned());
    if action.kind == K::Optimizer {
        return refuse("only F, B, I, W and transfers belong here; the optimizer is implied");
    }
    if seen.has(action.kind) {
        return refuse("it is there twice");
    }
    let mixed = match action.kind {
        K::Backward => seen.has(K::InputGrad) || seen.has(K::WeightGrad),
        K::InputGrad | K::WeightGrad => seen.has(K::Backward),
        _ => false,
    };
    if mixed {
        return refuse("a micro-batch has either a full B, or an I and a W");
    }
    match action.kind {
        K::Backward | K::InputGrad if !seen.has(K::Forward) => {
            return refuse("it comes before its forward");
        }
        K::WeightGrad if !seen.has(K::InputGrad) => return refuse("it comes before its I"),
        kind if kind.is_transfer() => return check_transfer(seen, action, owners),
        _ => {}
    }
    match transfers_of(action, owners)[0] {
        Some(receive) if transfers && !seen.has(receive.kind) => {
            Err(format!("{receive} has to come before it, as its input is made on another rank"))
        }
        _ => Ok(()),
    }
}

fn check_transfer(seen: Seen, action: Action, owners: &[usize]) -> Result<(), String> {
    use ActionKind as K;
    let of = |kind| transfers_of(Action { kind, ..action }, owners);
    let (wanted, done) = match action.kind {
        K::SendForward => (of(K::Forward)[1], seen.has(K::Forward)),
        K::SendBackward => (of(K::Backward)[1], seen.has(K::Backward) || seen.has(K::InputGrad)),
        K::RecvForward => (of(K::Forward)[0], true),
        _ => (of(K::Backward)[0], true),
    };
    if wanted.is_none() {
        return Err("there is no other rank at its other end; leave it out".to_owned());
    }
    if !done {
        return Err("it comes before what it sends is computed".to_owned());
    }
    Ok(())
}

fn check_missing(
    schedule: &Schedule,
    owners: &[usize],
    micro_batches: usize,
    cells: &[Seen],
) -> Result<(), PlanError> {
    use ActionKind as K;
    let transfers = schedule.has_transfers();
    for (index, seen) in cells.iter().enumerate() {
        let (stage, micro_batch) = (index / micro_batches, index % micro_batches);
        let action = |kind| Action::new(stage, kind, micro_batch);
        let wanted = if !seen.has(K::Forward) {
            Some(action(K::Forward))
        } else if !seen.has(K::Backward) && !seen.has(K::InputGrad) {
            Some(action(K::Backward))
        } else if seen.has(K::InputGrad) && !seen.has(K::WeightGrad) {
            Some(action(K::WeightGrad))
        } else if transfers {
            [K::Forward, K::Backward]
                .into_iter()
                .flat_map(|kind| transfers_of(action(kind), owners))
                .flatten()
                .find(|transfer| !seen.has(transfer.kind))
        } else {
            None
        };
        if let Some(wanted) = wanted {
            return Err(missing(schedule, owners[stage], &wanted));
        }
    }
    Ok(())
}

fn missing(schedule: &Schedule, rank: usize, action: &Action) -> PlanError {
    let position = schedule.ranks.get(rank).map_or(0, Vec::len);
    bad(schedule, rank, position, action, "it is missing")
}
