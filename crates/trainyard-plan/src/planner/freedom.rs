//! Less freedom can lead further: the contest is held again with a kind of it given up.

use super::contest::{Outcome, contest_at_any_size, free_contest};
use super::{Ask, RecomputeChoice};
use crate::{Profile, Schedule};

/// Planning is quick with so many layers × devices.
const SMALL: usize = 128;

/// Runs the contest. Freedom can lead it astray: what promises most is tried first, and the work may
/// be spent before what is best in the end has had its turn. So where planning is quick, or nothing
/// fits, each kind of freedom is given up once, in a contest of its own.
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

/// The same request with one kind of freedom less: no stage or every one recomputes, a device stays
/// idle, the schedule is a certain one.
fn with_less_freedom(profile: &Profile, ask: &Ask) -> Vec<Ask> {
    let mut all = Vec::new();
    if ask.recompute == RecomputeChoice::Auto {
        let recompute = [RecomputeChoice::None, RecomputeChoice::Full];
        all.extend(recompute.map(|recompute| Ask { recompute, ..ask.clone() }));
    }
    let locked = |device: &usize| ask.locks.iter().any(|(_, owner)| owner == device);
    let usable = (0..profile.devices.len()).filter(|device| !ask.excluded.contains(device));
    if usable.clone().count() > 1 {
        all.extend(usable.filter(|device| !locked(device)).map(|device| {
            let excluded = ask.excluded.iter().copied().chain([device]).collect();
            Ask { excluded, ..ask.clone() }
        }));
    }
    if ask.schedule == "auto" {
        let named = |name: &str| Ask { schedule: name.to_owned(), ..ask.clone() };
        all.extend(Schedule::names().map(named));
    }
    all
}
