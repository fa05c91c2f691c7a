//! A trace made ready to be drawn: everything that does not depend on zoom or time is done once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use trainyard_plan::{ActionKind, Lane, MemorySample, Trace, TraceDevice, TraceEvent};

use super::idle::{self, Around, IdleTime};
use super::{Curve, Slice, Step, Track, transfers};
use crate::theme::Idle;

/// Where a trace comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The simulator.
    Predicted,
    /// The devices.
    Measured,
}

impl Source {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Predicted => "predicted",
            Self::Measured => "measured",
        }
    }
}

/// A device of a scene.
#[derive(Clone, Debug)]
pub struct SceneDevice {
    /// Its id, hardware and budget.
    pub info: TraceDevice,
    /// Forwards, backwards, optimizer steps.
    pub compute: Track,
    /// Receives.
    pub transfers_in: Track,
    /// Sends.
    pub transfers_out: Track,
    /// Why it computed nothing.
    pub idle: Track,
    /// What it held.
    pub memory: Curve,
}

impl SceneDevice {
    fn new(info: &TraceDevice) -> Self {
        Self {
            info: info.clone(),
            compute: Track::default(),
            transfers_in: Track::default(),
            transfers_out: Track::default(),
            idle: Track::default(),
            memory: Curve::default(),
        }
    }

    /// The row of a lane.
    #[must_use]
    pub fn lane(&self, lane: Lane) -> &Track {
        match lane {
            Lane::Compute => &self.compute,
            Lane::TransferIn => &self.transfers_in,
            Lane::TransferOut => &self.transfers_out,
        }
    }

    fn lane_mut(&mut self, lane: Lane) -> &mut Track {
        match lane {
            Lane::Compute => &mut self.compute,
            Lane::TransferIn => &mut self.transfers_in,
            Lane::TransferOut => &mut self.transfers_out,
        }
    }
}

/// No partner.
const NONE: u32 = u32::MAX;

/// A trace, ready to be drawn.
#[derive(Clone, Debug)]
pub struct Scene {
    source: Source,
    devices: Vec<SceneDevice>,
    events: Vec<TraceEvent>,
    /// By event: the other end of its transfer.
    partners: Vec<u32>,
    steps: Vec<Step>,
    revision: u64,
}

/// Tells one content of a scene from another.
pub(super) fn next_revision() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

impl Scene {
    /// Makes a trace ready.
    #[must_use]
    pub fn new(trace: &Trace, source: Source) -> Self {
        let mut scene = Self {
            source,
            devices: trace.devices.iter().map(SceneDevice::new).collect(),
            events: Vec::with_capacity(trace.events.len()),
            partners: Vec::with_capacity(trace.events.len()),
            steps: Vec::new(),
            revision: next_revision(),
        };
        scene.extend(&trace.events, &trace.memory);
        scene
    }

    /// Adds what a running pipeline has done since. Only the steps that it belongs to are worked out
    /// anew. What is of a device that the scene does not have is left out.
    pub fn extend(&mut self, events: &[TraceEvent], memory: &[MemorySample]) {
        self.revision = next_revision();
        let mut touched = BTreeSet::new();
        let mut by_step: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let mut by_lane: BTreeMap<(usize, Lane), Vec<Slice>> = BTreeMap::new();
        for event in events.iter().filter(|event| event.device < self.devices.len()) {
            let Ok(index) = u32::try_from(self.events.len()) else { break };
            let slice =
                Slice::new(event.start_ns, event.end_ns, index, class_of(event.action.kind));
            by_lane.entry((event.device, event.lane)).or_default().push(slice);
            by_step.entry(event.step).or_default().push(index);
            self.events.push(event.clone());
            self.partners.push(NONE);
            touched.insert(event.step);
        }
        for ((device, lane), slices) in by_lane {
            if let Some(device) = self.devices.get_mut(device) {
                device.lane_mut(lane).extend(slices);
            }
        }
        for (number, indices) in by_step {
            self.add_to_step(number, &indices);
        }
        for (index, device) in self.devices.iter_mut().enumerate() {
            device.memory.extend(memory.iter().filter(|sample| sample.device == index));
        }
        if let Some(&first) = touched.first() {
            self.explain_from(first);
        }
    }

    fn add_to_step(&mut self, number: u64, indices: &[u32]) {
        let at = self.steps.partition_point(|step| step.number < number);
        if self.steps.get(at).is_none_or(|step| step.number != number) {
            self.steps.insert(at, Step::empty(number));
        }
        let Some(step) = self.steps.get_mut(at) else { return };
        for &index in indices {
            if let Some(event) = self.events.get(index as usize) {
                step.add(index, event);
            }
        }
        step.close(&self.events, self.devices.len());
    }

    /// Works out flows and idle times from a step on; of the step before too, whose end shows only
    /// now.
    fn explain_from(&mut self, number: u64) {
        let first = self.steps.partition_point(|step| step.number < number).saturating_sub(1);
        let skipped = first.saturating_sub(1);
        let bounds: Vec<_> =
            self.steps.iter().skip(skipped).map(|step| self.bounds(step)).collect();
        let bound = |row: Option<usize>, device: usize| *bounds.get(row?)?.get(device)?;
        let mut idle: Vec<Vec<Slice>> = vec![Vec::new(); self.devices.len()];
        let mut from = vec![u64::MAX; self.devices.len()];
        let mut before_end_ns =
            first.checked_sub(1).and_then(|at| self.steps.get(at)).map_or(0, |s| s.end_ns);
        for (index, step) in self.steps.iter().enumerate().skip(first) {
            let pairs = transfers::pairs(&step.events, &self.events);
            for &(send, receive) in &pairs {
                for (one, other) in [(send, receive), (receive, send)] {
                    if let Some(partner) = self.partners.get_mut(one as usize) {
                        *partner = other;
                    }
                }
            }
            let row = index - skipped;
            let around = |device| {
                let first_ns = bound(Some(row), device).map_or(u64::MAX, |(start, _)| start);
                let last_ns = bound(row.checked_sub(1), device).map_or(0, |(_, end)| end);
                let next_ns = bound(Some(row + 1), device).map_or(u64::MAX, |(start, _)| start);
                Around { free_ns: last_ns.max(before_end_ns.min(first_ns)), next_ns }
            };
            let around: Vec<Around> = (0..self.devices.len()).map(around).collect();
            let of_step = idle::of_step(step, &self.events, &pairs, &around);
            let rows = idle.iter_mut().zip(&mut from).zip(of_step.iter().zip(&around));
            for ((slices, from), (intervals, around)) in rows {
                *from = (*from).min(around.free_ns.max(step.start_ns));
                let slice = |interval: &IdleTime| {
                    Slice::new(interval.start_ns, interval.end_ns, NONE, interval.cause as u8)
                };
                slices.extend(intervals.iter().map(slice));
            }
            before_end_ns = step.end_ns;
        }
        for ((device, slices), from) in self.devices.iter_mut().zip(idle).zip(from) {
            device.idle.replace_from(from, slices);
        }
    }

    /// By device: when it first and last computed in a step.
    fn bounds(&self, step: &Step) -> Vec<Option<(u64, u64)>> {
        let mut bounds: Vec<Option<(u64, u64)>> = vec![None; self.devices.len()];
        for event in step.events(&self.events).filter(|event| event.lane == Lane::Compute) {
            if let Some(bound) = bounds.get_mut(event.device) {
                let (start, end) = bound.unwrap_or((event.start_ns, event.end_ns));
                *bound = Some((start.min(event.start_ns), end.max(event.end_ns)));
            }
        }
        bounds
    }

    /// Where it comes from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// A number that no other content of a scene has.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The devices, in the plan's order.
    #[must_use]
    pub fn devices(&self) -> &[SceneDevice] {
        &self.devices
    }

    /// The device of an id.
    #[must_use]
    pub fn device(&self, id: &str) -> Option<(usize, &SceneDevice)> {
        self.devices.iter().enumerate().find(|(_, device)| device.info.id == id)
    }

    /// All events, as they came.
    #[must_use]
    pub fn events(&self) -> &[TraceEvent] {
        &self.events
    }

    /// An event.
    #[must_use]
    pub fn event(&self, index: u32) -> Option<&TraceEvent> {
        self.events.get(index as usize)
    }

    /// The other end of a transfer.
    #[must_use]
    pub fn partner(&self, index: u32) -> Option<u32> {
        self.partners.get(index as usize).copied().filter(|partner| *partner != NONE)
    }

    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The step of a number.
    #[must_use]
    pub fn step(&self, number: u64) -> Option<&Step> {
        let at = self.steps.partition_point(|step| step.number < number);
        self.steps.get(at).filter(|step| step.number == number)
    }

    /// The newest step that is all there, or the newest of all.
    #[must_use]
    pub fn newest_step(&self) -> Option<&Step> {
        self.steps.iter().rev().find(|step| step.whole).or(self.steps.last())
    }

    /// Start of the first event and end of the last, ns.
    #[must_use]
    pub fn extent_ns(&self) -> (u64, u64) {
        let start = self.steps.iter().map(|step| step.start_ns).min().unwrap_or(0);
        let end = self.steps.iter().map(|step| step.end_ns).max().unwrap_or(0);
        (start, end)
    }
}

/// What a slice of a lane shows, by its class.
pub(super) const KINDS: [ActionKind; 9] = [
    ActionKind::Forward,
    ActionKind::Backward,
    ActionKind::InputGrad,
    ActionKind::WeightGrad,
    ActionKind::SendForward,
    ActionKind::RecvForward,
    ActionKind::SendBackward,
    ActionKind::RecvBackward,
    ActionKind::Optimizer,
];

fn class_of(kind: ActionKind) -> u8 {
    KINDS.iter().position(|known| *known == kind).unwrap_or(0) as u8
}

/// Why a slice of the idle row is.
pub(super) fn cause_of(class: u8) -> Idle {
    Idle::ALL.into_iter().find(|cause| *cause as u8 == class).unwrap_or(Idle::Neighbour)
}
