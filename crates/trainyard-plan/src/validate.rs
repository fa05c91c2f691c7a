//! Whether a schedule does the whole step, once, in an order that can run.
//!
//! A schedule may come from a file that anybody edited, so nothing here trusts a number in it:
//! memory grows with the actions that are there, never with the counts somebody claims.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

use crate::{Action, ActionKind, PlanError, Schedule};

/// How far one (stage, micro-batch) has come in the walk over its rank's actions.
#[derive(Clone, Copy, Default)]
enum Progress {
    #[default]
    Nothing,
    Forward,
    /// Done, by a full backward.
    Backward,
    InputGrad,
    /// Done, by an I and a W.
    WeightGrad,
}

/// Checks a compute-only schedule of `stages` stages and `micro_batches` micro-batches:
///
/// - every stage lives on one rank, and no rank is empty;
/// - every (stage, micro-batch) has one F, and after it one B, or one I and after it one W;
/// - nothing else is in it: transfers and the optimizer step are implied;
/// - it runs to its end when each rank does its next action as soon as its input exists: F needs
///   the F of the stage before; B and I need the B or I of the stage after.
///
/// # Errors
/// [`PlanError::BadSchedule`] with the place and the first thing that is wrong there;
/// [`PlanError::BadNumber`] if either count is 0.
pub fn validate(schedule: &Schedule, stages: usize, micro_batches: usize) -> Result<(), PlanError> {
    for (what, value) in [("the number of stages", stages), ("micro_batches", micro_batches)] {
        if value == 0 {
            return Err(PlanError::BadNumber {
                what: what.into(),
                value: "0".into(),
                must: "at least 1".into(),
            });
        }
    }
    let owners = check_each_action(schedule, stages, micro_batches)?;
    dry_run(schedule, &owners, micro_batches)
}

/// Everything but the order across ranks. Returns the rank of every stage.
fn check_each_action(
    schedule: &Schedule,
    stages: usize,
    micro_batches: usize,
) -> Result<Vec<usize>, PlanError> {
    let mut seen: BTreeMap<(usize, usize), Progress> = BTreeMap::new();
    let mut owners: BTreeMap<usize, usize> = BTreeMap::new();
    for (rank, row) in schedule.ranks.iter().enumerate() {
        if row.is_empty() {
            return Err(bad(
                schedule,
                rank,
                0,
                &"nothing",
                "the rank has no actions; leave it out",
            ));
        }
        for (position, action) in row.iter().enumerate() {
            let refuse = |reason: &str| Err(bad(schedule, rank, position, action, reason));
            if action.stage >= stages {
                return refuse(&format!("stages run from 0 to {}", stages - 1));
            }
            if action.micro_batch >= micro_batches {
                return refuse(&format!("micro-batches run from 0 to {}", micro_batches - 1));
            }
            let owner = *owners.entry(action.stage).or_insert(rank);
            if owner != rank {
                return refuse(&format!("the stage is on rank {owner} already; keep it on one"));
            }
            let cell = seen.entry((action.stage, action.micro_batch)).or_default();
            match advance(*cell, action.kind) {
                Ok(progress) => *cell = progress,
                Err(reason) => return refuse(reason),
            }
        }
    }
    // Each hit below is a cell of its own, so this ends after as many turns as there are actions.
    for stage in 0..stages {
        for micro_batch in 0..micro_batches {
            let cell = seen.get(&(stage, micro_batch)).copied().unwrap_or_default();
            if let Some(kind) = missing(cell) {
                let rank = owners.get(&stage).copied().unwrap_or(0);
                let position = schedule.ranks.get(rank).map_or(0, Vec::len);
                let action = Action::new(stage, kind, micro_batch);
                return Err(bad(schedule, rank, position, &action, "it is missing"));
            }
        }
    }
    Ok(owners.into_values().collect())
}

/// The progress after an action, or why the action may not come now.
fn advance(progress: Progress, kind: ActionKind) -> Result<Progress, &'static str> {
    use Progress as P;
    const TWICE: &str = "it is there twice";
    const MIXED: &str = "a micro-batch has either a full B, or an I and a W";
    const EARLY: &str = "it comes before its forward";
    match (kind, progress) {
        (ActionKind::Forward, P::Nothing) => Ok(P::Forward),
        (ActionKind::Backward, P::Forward) => Ok(P::Backward),
        (ActionKind::InputGrad, P::Forward) => Ok(P::InputGrad),
        (ActionKind::WeightGrad, P::InputGrad) => Ok(P::WeightGrad),
        (ActionKind::Backward | ActionKind::InputGrad, P::Nothing) => Err(EARLY),
        (ActionKind::WeightGrad, P::Nothing | P::Forward) => Err("it comes before its I"),
        (ActionKind::Backward, P::InputGrad | P::WeightGrad)
        | (ActionKind::InputGrad | ActionKind::WeightGrad, P::Backward) => Err(MIXED),
        (
            ActionKind::Forward
            | ActionKind::Backward
            | ActionKind::InputGrad
            | ActionKind::WeightGrad,
            _,
        ) => Err(TWICE),
        _ => Err("only F, B, I and W belong here; transfers and optimizer are implied"),
    }
}

/// The next action that a cell lacks.
fn missing(progress: Progress) -> Option<ActionKind> {
    match progress {
        Progress::Nothing => Some(ActionKind::Forward),
        Progress::Forward => Some(ActionKind::Backward),
        Progress::InputGrad => Some(ActionKind::WeightGrad),
        Progress::Backward | Progress::WeightGrad => None,
    }
}

/// Runs every rank as far as it gets. Every cell is known to be there by now, so tables of
/// stages × micro-batches are no larger than the schedule itself.
fn dry_run(schedule: &Schedule, owners: &[usize], micro_batches: usize) -> Result<(), PlanError> {
    let stages = owners.len();
    let cell = |stage: usize, micro_batch: usize| stage * micro_batches + micro_batch;
    let mut forward_done = vec![false; stages * micro_batches];
    let mut backward_done = forward_done.clone();
    let mut next = vec![0; schedule.ranks.len()];
    let mut to_try: VecDeque<usize> = (0..schedule.ranks.len()).collect();
    while let Some(rank) = to_try.pop_front() {
        while let Some(&action) = schedule.ranks[rank].get(next[rank]) {
            let Action { stage, kind, micro_batch } = action;
            let ready = match input_of(action, stages) {
                None => true,
                Some(Action { kind: ActionKind::Forward, stage, .. }) => {
                    forward_done[cell(stage, micro_batch)]
                }
                Some(Action { stage, .. }) => backward_done[cell(stage, micro_batch)],
            };
            if !ready {
                break;
            }
            next[rank] += 1;
            // Only a neighbour can have waited for this; a rank that is tried in vain costs nothing.
            match kind {
                ActionKind::Forward => {
                    forward_done[cell(stage, micro_batch)] = true;
                    to_try.extend(owners.get(stage + 1));
                }
                ActionKind::Backward | ActionKind::InputGrad => {
                    backward_done[cell(stage, micro_batch)] = true;
                    to_try.extend(stage.checked_sub(1).map(|before| owners[before]));
                }
                _ => {}
            }
        }
    }
    for (rank, row) in schedule.ranks.iter().enumerate() {
        let position = next[rank];
        if let Some(&action) = row.get(position) {
            let wanted = input_of(action, stages).unwrap_or(action);
            let maker = owners[wanted.stage];
            let stuck = match schedule.ranks[maker].get(next[maker]) {
                Some(_) if maker == rank => "comes later on this very rank".to_owned(),
                Some(stuck) => format!("is on rank {maker}, which is stuck at {stuck}"),
                None => format!("is on rank {maker}"),
            };
            let reason = format!("deadlock: it waits for {wanted}, which {stuck}");
            return Err(bad(schedule, rank, position, &action, &reason));
        }
    }
    Ok(())
}

/// What an action waits for from another stage: the forward before it or the backward after it
/// (named B, though it may be an I).
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

fn bad(
    schedule: &Schedule,
    rank: usize,
    position: usize,
    action: &impl ToString,
    reason: &str,
) -> PlanError {
    PlanError::BadSchedule {
        rank,
        position,
        action: action.to_string(),
        reason: reason.to_owned(),
        grid: grid(schedule, rank, position),
    }
}

/// The schedule around a place: two ranks and four actions to each side, the place marked by `>`.
fn grid(schedule: &Schedule, rank: usize, position: usize) -> String {
    let first = position.saturating_sub(4);
    let rows = schedule.ranks.iter().enumerate().skip(rank.saturating_sub(2)).take(5);
    let cells: Vec<(usize, Vec<String>)> = rows
        .filter(|(index, _)| *index <= rank.saturating_add(2))
        .map(|(index, row)| {
            (index, row.iter().skip(first).take(9).map(Action::to_string).collect())
        })
        .collect();
    let width = cells.iter().flat_map(|(_, row)| row).map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for (index, row) in cells {
        let mark = if index == rank { '>' } else { ' ' };
        let dots = if first > 0 { " …" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{mark} rank {index}:{dots}");
        for column in 0..row.len().max(position - first + 1) {
            let mark = if index == rank && first + column == position { '>' } else { ' ' };
            let _ = write!(text, " {mark}{:<width$}", row.get(column).map_or("", String::as_str));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}
