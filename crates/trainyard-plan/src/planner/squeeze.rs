//! A quick look at whether anything fits: the partition that takes the smallest share of memory.

use super::contest::space;
use super::draft::{Draft, Judge, Kind, Verdict};
use super::explore::glance;
use super::refine::{keeps_locks, refine};
use super::space::Goal;
use crate::Schedule;

/// The best draft of a few that take little memory, by the judge; none for schedules with several
/// stages a rank, and where locks leave nothing.
pub(super) fn squeeze(judge: &mut Judge) -> Option<(Draft, Verdict)> {
    let name = Schedule::names().find(|known| *known == judge.ask.schedule).unwrap_or("1f1b");
    if Schedule::default_chunks(name) != Ok(1) {
        return None;
    }
    let mut best: Option<(Draft, Verdict)> = None;
    for buffers in [0, 1, 2] {
        let mut space = space(judge.profile, judge.ask, Goal::Share);
        space.buffers = buffers;
        let partition = glance(&space)?;
        let draft = Draft::of(&space, &partition, Kind::Named(name, 1));
        if !keeps_locks(judge, &draft) {
            return None;
        }
        let mut entry = (draft.clone(), judge.verdict(&draft).ok()?);
        // Far from fitting, no small change helps.
        if !entry.1.fits() && partition.cost < 1.1 {
            let reserve = judge.work / 2;
            entry = refine(judge, &space, entry, reserve);
        }
        if best.as_ref().is_none_or(|best| entry.1.beats(&best.1)) {
            best = Some(entry);
        }
        if partition.cost > 1.0 || best.as_ref().is_some_and(|(_, verdict)| verdict.fits()) {
            break;
        }
    }
    best
}
