//! The events of a Chrome trace that this crate writes, made into a trace of devices.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Event;
use super::{lane_name, tid_of};
use crate::trace::foreign::Clock;
use crate::trace::{Lane, MemorySample, Trace, TraceDevice, TraceEvent};

/// A process in the file. Numbers come before words, by their size.
type Pid<'a> = (bool, u64, &'a str);

/// The events so far. Names may come after the events that lie on them.
#[derive(Default)]
pub(super) struct Ours<'a> {
    names: BTreeMap<Pid<'a>, String>,
    budgets: BTreeMap<Pid<'a>, u64>,
    lanes: BTreeMap<(Pid<'a>, &'a str), Lane>,
    /// With process, thread and start, which is a time of the file's.
    events: Vec<(Pid<'a>, &'a str, i64, TraceEvent)>,
    memory: Vec<(Pid<'a>, i64, MemorySample)>,
}

const LANES: [Lane; 3] = [Lane::Compute, Lane::TransferOut, Lane::TransferIn];

impl<'a> Ours<'a> {
    /// Takes an action of a device or its memory; whether the event is one.
    pub(super) fn take(&mut self, event: &Event<'a>) -> bool {
        match event.ph {
            "X" => self.take_action(event).is_some(),
            "C" if event.name == "\"memory\"" => self.take_memory(event).is_some(),
            _ => false,
        }
    }

    /// Takes what a device or a lane of it is called.
    pub(super) fn take_name(&mut self, event: &Event<'a>) {
        let pid = pid_of(event);
        let name = event.text("name").unwrap_or_default();
        if event.name == "\"process_name\"" {
            self.names.insert(pid, name);
        } else if let Some(lane) = LANES.into_iter().find(|lane| lane_name(*lane) == name) {
            self.lanes.insert((pid, event.tid), lane);
        }
    }

    fn take_action(&mut self, event: &Event<'a>) -> Option<()> {
        let action = crate::json_walk::unquoted(event.name).parse().ok()?;
        let (step, at) = (event.whole("step")?, event.at()?);
        let action = TraceEvent {
            step,
            device: 0,
            lane: Lane::Compute,
            action,
            start_ns: 0,
            end_ns: u64::try_from(event.length()).unwrap_or(0),
            bytes: event.whole("bytes").unwrap_or(0),
            peer: event.whole("peer").and_then(|peer| usize::try_from(peer).ok()),
        };
        self.events.push((pid_of(event), event.tid, at, action));
        Some(())
    }

    fn take_memory(&mut self, event: &Event<'a>) -> Option<()> {
        let (in_use_bytes, at, pid) = (event.whole("in_use")?, event.at()?, pid_of(event));
        self.budgets.extend(event.whole("budget").map(|budget| (pid, budget)));
        let padding_bytes = event.whole("padding");
        let sample = MemorySample { in_use_bytes, padding_bytes, ..MemorySample::default() };
        self.memory.push((pid, at, sample));
        Some(())
    }

    /// Whether a process is a device of these.
    pub(super) fn devices(&self) -> BTreeSet<&'a str> {
        let events = self.events.iter().map(|(pid, ..)| pid.2);
        events.chain(self.memory.iter().map(|(pid, ..)| pid.2)).collect()
    }

    /// The trace. Devices are in the order of their `pid`; `keeps_idle` keeps those that did
    /// nothing.
    pub(super) fn finish(mut self, clock: &Clock, keeps_idle: bool) -> Trace {
        let used = self.devices();
        self.names.retain(|pid, _| keeps_idle || used.contains(pid.2));
        for pid in self.events.iter().map(|it| it.0).chain(self.memory.iter().map(|it| it.0)) {
            self.names.entry(pid).or_default();
        }
        let indices: BTreeMap<Pid<'_>, usize> = self.names.keys().copied().zip(0..).collect();
        let lane = |pid: Pid<'a>, tid: &'a str| {
            let by_number = || LANES.into_iter().find(|lane| tid_of(*lane).to_string() == tid);
            self.lanes.get(&(pid, tid)).copied().or_else(by_number).unwrap_or(Lane::Compute)
        };
        let events = self.events.iter().filter_map(|(pid, tid, at, event)| {
            let start_ns = clock.ns(*at);
            Some(TraceEvent {
                device: *indices.get(pid)?,
                lane: lane(*pid, tid),
                start_ns,
                end_ns: start_ns.saturating_add(event.end_ns),
                ..event.clone()
            })
        });
        let memory = self.memory.iter().filter_map(|(pid, at, sample)| {
            let at_ns = clock.ns(*at);
            Some(MemorySample { at_ns, device: *indices.get(pid)?, ..sample.clone() })
        });
        let device = |(pid, name): (&Pid<'_>, &String)| {
            let (id, name) = id_and_name(name);
            let id = if id.is_empty() { format!("process {}", pid.2) } else { id };
            let budget_bytes = self.budgets.get(pid).copied().unwrap_or(0);
            TraceDevice { id, name, budget_bytes }
        };
        Trace {
            devices: self.names.iter().map(device).collect(),
            events: events.collect(),
            memory: memory.collect(),
        }
    }
}

fn pid_of<'a>(event: &Event<'a>) -> Pid<'a> {
    let number = event.pid.parse();
    (number.is_err(), number.unwrap_or(0), event.pid)
}

/// A process is called `id (name)`, or `id` where the device has no name.
fn id_and_name(process: &str) -> (String, String) {
    let parts = process.strip_suffix(')').and_then(|process| process.split_once(" ("));
    let (id, name) = parts.unwrap_or((process, ""));
    (id.to_owned(), name.to_owned())
}
