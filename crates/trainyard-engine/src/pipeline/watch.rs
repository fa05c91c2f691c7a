//! Notices that no thread of a pipeline comes further, and says which one stands still.

use std::time::Duration;

use super::{Pipeline, worker_pool::WorkerPool};
use crate::EngineError;
use crate::activity::{Doing, Seen};
use crate::concurrency::Instant;

/// How long nothing may happen, unless the pipeline is told otherwise. Kernels are compiled within an
/// action, which takes many minutes on some drivers.
const PATIENCE: Duration = Duration::from_mins(30);
/// And how many times as long as nothing happened before, and then did.
const TIMES_LONGEST: u32 = 10;

/// What was seen while the pipeline waited.
pub(super) struct Watch {
    /// None where it waits for ever.
    patience: Option<Duration>,
    seen: Vec<Seen>,
    /// When something was seen to happen.
    since: Instant,
    /// The longest that nothing happened before something did.
    longest: Duration,
}

impl Watch {
    pub(super) fn new() -> Self {
        let (seen, since) = (Vec::new(), Instant::now());
        Self { patience: Some(PATIENCE), seen, since, longest: Duration::ZERO }
    }

    /// The pipeline begins to wait.
    pub(super) fn begin(&mut self) {
        self.since = Instant::now();
    }

    /// Whether all stand still for too long, and for how long. Threads that are at no action are not
    /// counted: to make weights, to save and to load takes as long as it takes.
    fn stand_still(&mut self, now: Vec<Seen>) -> Option<Duration> {
        let still = self.since.elapsed();
        if now != self.seen || now.iter().all(|seen| seen.doing.is_none()) {
            if self.seen.iter().any(|seen| seen.doing.is_some()) {
                self.longest = self.longest.max(still);
            }
            self.seen = now;
            self.since = Instant::now();
            return None;
        }
        let patience = self.patience?.max(self.longest * TIMES_LONGEST);
        (still >= patience).then_some(still)
    }
}

impl WorkerPool {
    /// Looks whether the threads come further.
    ///
    /// # Errors
    /// [`EngineError::Stalled`] where they have not for too long: of one that waits for no other, if there
    /// is one.
    pub(super) fn look(&mut self) -> Result<(), EngineError> {
        // A link's thread first: its device's own may have gone on to wait for another's.
        let of_links = self.link_threads.iter().map(|link| (&link.device, link.activity.seen()));
        let of_ranks = self.ranks.iter().map(|rank| (&rank.device, rank.activity.seen()));
        let (devices, now): (Vec<_>, Vec<_>) = of_links.chain(of_ranks).unzip();
        let doing = |(device, seen): (_, &Seen)| seen.doing.map(|doing| (device, doing));
        let mut doing: Vec<(&String, Doing)> =
            devices.into_iter().zip(&now).filter_map(doing).collect();
        doing.sort_by_key(|(_, doing)| doing.waits);
        let stalled = doing.first().map(|(device, doing)| {
            let rank = self.ranks.iter().position(|rank| rank.device == **device);
            ((*device).clone(), rank.unwrap_or_default(), *doing)
        });
        let (Some(waited), Some((device, rank, Doing { step, action, waits }))) =
            (self.watch.stand_still(now), stalled)
        else {
            return Ok(());
        };
        let (stage, action) = (action.stage, action.to_string());
        Err(EngineError::Stalled { device, rank, stage, action, step, waits, waited })
    }
}

impl Pipeline {
    /// How long no device may come further in a step or an evaluation before the call returns
    /// [`EngineError::Stalled`]; None waits for ever. Half an hour unless it is said. A pipeline in which
    /// nothing happened for long, and then did, waits ten times as long if that is more.
    pub fn stall_after(&mut self, patience: Option<Duration>) {
        self.workers.watch.patience = patience;
    }
}
