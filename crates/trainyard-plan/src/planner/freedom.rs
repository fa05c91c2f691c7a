//! Less freedom can lead further: the contest is held again with a kind of it given up.

use super::contest::{Outcome, contest_at_any_size, free_contest};
use super::{Ask, RecomputeChoice};
use crate::{Profile, Schedule};

/// Planning is quick with so many layers × devices.
const SMALL: usize = 128;

/// Runs the contest. Freedom can lead it astray: what promises most is tried first, and the work may
/// be spent before what is best in the end has had its turn. So where planning is quick, or nothing
/// fits, each kind of freedom is given up, in a contest of its own.
pub(super) fn contest(profile: &Profile, ask: &Ask) -> Outcome {
    let mut outcome = free_contest(profile, ask);
    let small = profile.model.layers.len() * profile.devices.len() <= SMALL;
    if small || !outcome.fits() {
        for less in with_less_freedom(profile, ask) {
            outcome.entries.extend(contest_at_any_size(profile, &less, 1).entries);
        }
        outcome.entries.sort_by(|a, b| a.1.compare(&b.1));
    }
    outcome
}

/// The same request with less freedom: no stage or every one recomputes, the schedule is a certain
/// one, both, or a device stays idle.
fn with_less_freedom(profile: &Profile, ask: &Ask) -> Vec<Ask> {
    let recomputes = match ask.recompute {
        RecomputeChoice::Auto => {
            vec![RecomputeChoice::Auto, RecomputeChoice::None, RecomputeChoice::Full]
        }
        told => vec![told],
    };
    let mut schedules = vec![ask.schedule.clone()];
    if ask.schedule == "auto" {
        schedules.extend(Schedule::names().map(str::to_owned));
    }
    let mut all = Vec::new();
    for recompute in recomputes {
        let with = |schedule: &String| Ask { schedule: schedule.clone(), recompute, ..ask.clone() };
        all.extend(schedules.iter().map(with));
    }
    let locked = |device: &usize| ask.locks.iter().any(|(_, owner)| owner == device);
    let usable = (0..profile.devices.len()).filter(|device| !ask.excluded.contains(device));
    if usable.clone().count() > 1 {
        all.extend(usable.filter(|device| !locked(device)).map(|device| {
            let excluded = ask.excluded.iter().copied().chain([device]).collect();
            Ask { excluded, ..ask.clone() }
        }));
    }
    all.retain(|less| less != ask);
    all
}
