//! The trace of a run's newest steps: a training goes on for longer than a memory lasts.

use trainyard_plan::journal::Record;
use trainyard_plan::{Trace, TraceBuilder};

/// Number of newest steps whose events are kept.
pub const TRACED_STEPS: u64 = 64;
/// At times some more are, up to these: older ones are forgotten in one go, which is cheaper.
pub(super) const MOST_TRACED_STEPS: u64 = TRACED_STEPS + 16;
/// But never more events and memory samples than these, about 100 MB.
const MOST_EVENTS: usize = 1_000_000;

/// Events and memory samples of the newest steps.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentTrace {
    builder: TraceBuilder,
    /// The first step whose events are still there; `None` before the first step.
    from: Option<u64>,
}

impl RecentTrace {
    /// Takes the next record of a run that has made so many steps.
    pub(super) fn push(&mut self, record: &Record, step: u64) {
        self.builder.push(record);
        match record {
            Record::Header(header) => {
                self.from = self.from.filter(|&from| from <= header.first_step);
            }
            Record::Step { step, .. } => {
                self.from.get_or_insert(*step);
            }
            _ => {}
        }
        self.bound(step);
    }

    pub(super) fn trace(&self) -> &Trace {
        self.builder.trace()
    }

    /// How many steps were done whose events are no longer kept. Steps made twice count once.
    pub(super) fn forgotten_steps(&self) -> u64 {
        self.from.map_or(0, |from| from.saturating_sub(1))
    }

    /// The last step whose events are not there. Before the first step that is any.
    pub(super) fn last_forgotten(&self) -> u64 {
        self.from.map_or(u64::MAX, |from| from.saturating_sub(1))
    }

    /// Forgets the events of old steps, once there are too many of either.
    fn bound(&mut self, step: u64) {
        let Some(from) = self.from else {
            // A first step too big to keep: nothing of it is.
            if self.events() > MOST_EVENTS {
                self.builder.forget_before(u64::MAX);
            }
            return;
        };
        let kept = (step + 1).saturating_sub(from);
        let keep = if kept >= MOST_TRACED_STEPS {
            TRACED_STEPS
        } else if self.events() > MOST_EVENTS {
            kept / 2
        } else {
            return;
        };
        let first = (step + 1).saturating_sub(keep).max(from);
        self.from = Some(first);
        self.builder.forget_before(first);
        // One step alone may be too big.
        if self.events() > MOST_EVENTS {
            self.builder.forget_before(u64::MAX);
        }
    }

    fn events(&self) -> usize {
        let trace = self.builder.trace();
        trace.events.len() + trace.memory.len()
    }
}
