//! What a rank did and held in a step, and when.
//!
//! A CPU device has done an action when it is over. A wgpu device is asked to do it and goes on to the
//! next: moments of it are marked in its queue, and their times, by its own clock or as a thread of the
//! host's noticed them, are read once a step, when the device is waited for anyway. What was marked after
//! that comes with the next step.

use std::time::Instant;

use trainyard_plan::{Action, Lane, MemorySample, TraceEvent};

use super::Recorded;
use crate::gpu::{Clock, Reading};
use crate::link::{Transfer, elapsed_ns};
use crate::memory::Usage;
use crate::{DeviceClock, EngineError};

/// A moment of a device.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// Known, ns.
    At(u64),
    /// A mark in the device's queue, whose time is still to be read.
    Marked(usize),
}

/// An event whose times may still be marks; `start_ns` and `end_ns` are not set before.
struct Marked {
    event: TraceEvent,
    start: Moment,
    end: Moment,
}

pub(super) struct Timeline {
    rank: usize,
    origin: Instant,
    /// Of a device that computes beside the host and is not waited for.
    clock: Option<Clock>,
    /// Whether anything is kept.
    is_on: bool,
    events: Vec<Marked>,
    memory: Vec<(MemorySample, Moment)>,
    /// Bytes in use at the last look, and the most so far.
    usage: Option<(u64, u64)>,
}

impl Timeline {
    pub(super) fn new(rank: usize, origin: Instant, clock: Option<Clock>) -> Self {
        let (events, memory) = (Vec::new(), Vec::new());
        Self { rank, origin, clock, is_on: true, events, memory, usage: None }
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    pub(super) fn turn(&mut self, is_on: bool) {
        self.is_on = is_on;
    }

    /// By which clock the device's times are.
    pub(super) fn clock(&self) -> DeviceClock {
        self.clock.as_ref().map_or(DeviceClock::Host, Clock::kind)
    }

    /// Marks the moment in the device's queue, where it computes beside the host.
    pub(super) fn mark(&mut self) -> Result<Option<Moment>, EngineError> {
        let clock = self.clock.as_mut().filter(|_| self.is_on);
        clock.map(|clock| clock.mark().map(Moment::Marked)).transpose()
    }

    pub(super) fn now(&self) -> Moment {
        Moment::At(elapsed_ns(self.origin))
    }

    /// A compute action of a step.
    pub(super) fn computed(&mut self, step: u64, action: Action, start: Moment, end: Moment) {
        self.push(step, (Lane::Compute, action, None, 0), start, end);
    }

    /// A transfer to or from another stage.
    pub(super) fn moved(
        &mut self,
        step: u64,
        (lane, action, peer): (Lane, Action, usize),
        Transfer { start_ns, end_ns, bytes }: Transfer,
    ) {
        let (start, end) = (Moment::At(start_ns), Moment::At(end_ns));
        self.push(step, (lane, action, Some(peer), bytes), start, end);
    }

    fn push(
        &mut self,
        step: u64,
        (lane, action, peer, bytes): (Lane, Action, Option<usize>, u64),
        start: Moment,
        end: Moment,
    ) {
        if self.is_on {
            let (device, start_ns, end_ns) = (self.rank, 0, 0);
            let event = TraceEvent { step, device, lane, action, start_ns, end_ns, bytes, peer };
            self.events.push(Marked { event, start, end });
        }
    }

    /// What the device said that it holds, and the most so far.
    pub(super) fn held(&mut self, moment: Moment, usage: Option<Usage>) {
        let Some(Usage { in_use, peak, padding, reserved }) = usage else { return };
        let peak_so_far = self.usage.map_or(0, |(_, peak)| peak);
        self.usage = Some((in_use, peak.max(peak_so_far)));
        let sample = MemorySample {
            at_ns: 0,
            device: self.rank,
            in_use_bytes: in_use,
            by_category: None,
            padding_bytes: padding,
            reserved_bytes: reserved,
        };
        self.memory.push((sample, moment));
    }

    /// Forgets what is left of a step that was given up.
    pub(super) fn begin_step(&mut self) {
        self.events.retain(Marked::is_marked);
        self.memory.retain(|(_, moment)| matches!(moment, Moment::Marked(_)));
    }

    /// Asks the device for the times of all marks.
    pub(super) fn begin_read(&mut self) -> Option<Reading> {
        self.clock.as_mut().filter(|_| self.is_on).map(Clock::begin_read)
    }

    /// Puts in the times that were asked for.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    pub(super) fn finish_read(&mut self, reading: Option<&Reading>) -> Result<(), EngineError> {
        let (Some(clock), Some(reading)) = (&mut self.clock, reading) else { return Ok(()) };
        let times = clock.finish_read(reading)?;
        let known = |moment: &mut Moment| {
            if let Moment::Marked(mark) = *moment {
                *moment = Moment::At(times.get(mark).copied().unwrap_or_default());
            }
        };
        for event in &mut self.events {
            known(&mut event.start);
            known(&mut event.end);
        }
        self.memory.iter_mut().for_each(|(_, moment)| known(moment));
        Ok(())
    }

    /// All whose times are known.
    pub(super) fn take(&mut self) -> Recorded {
        let mut recorded = Recorded { usage: self.usage, ..Recorded::default() };
        self.events.retain(|Marked { event, start, end }| {
            let (Moment::At(start_ns), Moment::At(end_ns)) = (*start, *end) else { return true };
            recorded.events.push(TraceEvent { start_ns, end_ns, ..event.clone() });
            false
        });
        self.memory.retain(|(sample, moment)| {
            let Moment::At(at_ns) = *moment else { return true };
            recorded.memory.push(MemorySample { at_ns, ..sample.clone() });
            false
        });
        recorded
    }
}

impl Marked {
    fn is_marked(&self) -> bool {
        matches!(self.start, Moment::Marked(_)) || matches!(self.end, Moment::Marked(_))
    }
}
