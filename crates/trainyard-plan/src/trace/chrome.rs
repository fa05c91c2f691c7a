//! The Chrome trace format, as Perfetto reads it: open the file at <https://ui.perfetto.dev>.
//!
//! A device is a process (`pid` = its index + 1) and its lanes are threads (`tid` 1 computes, 2
//! sends, 3 receives). Slices of one thread must not overlap, so transfers that do get threads of
//! their own from 100 up. Memory is a counter of the process, since counters have no threads. An
//! arrow joins each send to the receive it feeds; `peer` in the `args` of either is the stage at the
//! other end. Times are µs with three decimals, which keeps
//! every nanosecond.

mod event;
mod ours;
mod read;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt::{self, Write};

use serde_json::json;

use super::{Lane, Trace, TraceDevice, TraceEvent};
use crate::ActionKind;

pub use read::{TraceFile, from_json};

/// The trace as one JSON text.
#[must_use]
pub fn to_string(trace: &Trace) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_chrome(trace, &mut text);
    text
}

/// Writes the trace piece by piece, so that a long one need not be in memory twice. Events and
/// samples of devices that the trace does not list are left out.
///
/// # Errors
/// Whatever `out` fails with.
pub fn write_chrome(trace: &Trace, out: &mut impl Write) -> fmt::Result {
    let slices = place(trace);
    out.write_str("{\"displayTimeUnit\":\"ms\",\"metadata\":{\"program\":\"trainyard\"},")?;
    out.write_str("\"traceEvents\":[")?;
    let mut items = Items { out, first: true };
    write_names(trace, &slices, &mut items)?;
    for slice in &slices {
        write_slice(slice, &mut items)?;
    }
    write_memory(trace, &mut items)?;
    write_steps(&slices, &mut items)?;
    write_arrows(&slices, &mut items)?;
    out.write_str("\n]}\n")
}

/// The elements of the event array, with the commas between them.
struct Items<'a, W: Write> {
    out: &'a mut W,
    first: bool,
}

impl<W: Write> Items<'_, W> {
    fn push(&mut self, item: fmt::Arguments<'_>) -> fmt::Result {
        self.out.write_str(if self.first { "\n" } else { ",\n" })?;
        self.first = false;
        self.out.write_fmt(item)
    }
}

/// An event and the thread it is drawn on.
struct Slice<'a> {
    event: &'a TraceEvent,
    pid: usize,
    tid: usize,
}

/// Threads of one lane, by when they become free (ns), the soonest on top.
type FreeThreads = BinaryHeap<Reverse<(u64, usize)>>;

/// Gives every event a thread on which it overlaps no other, and sorts them by start.
fn place(trace: &Trace) -> Vec<Slice<'_>> {
    let mut events: Vec<&TraceEvent> =
        trace.events.iter().filter(|event| event.device < trace.devices.len()).collect();
    events.sort_by_key(|event| (event.start_ns, event.end_ns));
    let mut threads: BTreeMap<(usize, Lane), FreeThreads> = BTreeMap::new();
    // Counts each device's threads beyond the three.
    let mut extra = vec![0; trace.devices.len()];
    let mut slices = Vec::with_capacity(events.len());
    for event in events {
        let lane = threads
            .entry((event.device, event.lane))
            .or_insert_with(|| FreeThreads::from([Reverse((0, tid_of(event.lane)))]));
        let free = lane.peek().is_some_and(|Reverse((end, _))| *end <= event.start_ns);
        let tid = match lane.pop() {
            Some(Reverse((_, tid))) if free => tid,
            busy => {
                lane.extend(busy);
                extra[event.device] += 1;
                99 + extra[event.device]
            }
        };
        lane.push(Reverse((event.end_ns.max(event.start_ns), tid)));
        slices.push(Slice { event, pid: event.device + 1, tid });
    }
    slices
}

fn tid_of(lane: Lane) -> usize {
    match lane {
        Lane::Compute => 1,
        Lane::TransferOut => 2,
        Lane::TransferIn => 3,
    }
}

fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Compute => "compute",
        Lane::TransferOut => "transfers out",
        Lane::TransferIn => "transfers in",
    }
}

fn write_names<W: Write>(
    trace: &Trace,
    slices: &[Slice<'_>],
    items: &mut Items<'_, W>,
) -> fmt::Result {
    let mut threads: BTreeMap<(usize, usize), Lane> = BTreeMap::new();
    for (index, TraceDevice { id, name, .. }) in trace.devices.iter().enumerate() {
        let pid = index + 1;
        let name = json!(if name.is_empty() { id.clone() } else { format!("{id} ({name})") });
        items.push(format_args!(
            r#"{{"ph":"M","pid":{pid},"name":"process_name","args":{{"name":{name}}}}}"#
        ))?;
        items.push(format_args!(
            r#"{{"ph":"M","pid":{pid},"name":"process_sort_index","args":{{"sort_index":{pid}}}}}"#
        ))?;
        let lanes = [Lane::Compute, Lane::TransferOut, Lane::TransferIn];
        threads.extend(lanes.map(|lane| ((pid, tid_of(lane)), lane)));
    }
    threads.extend(slices.iter().map(|slice| ((slice.pid, slice.tid), slice.event.lane)));
    for ((pid, tid), lane) in threads {
        let name = lane_name(lane);
        // A lane's further threads lie right below its first.
        let sort_index = tid_of(lane) * 1000 + tid;
        items.push(format_args!(
            r#"{{"ph":"M","pid":{pid},"tid":{tid},"name":"thread_name","args":{{"name":"{name}"}}}}"#
        ))?;
        items.push(format_args!(
            r#"{{"ph":"M","pid":{pid},"tid":{tid},"name":"thread_sort_index","args":{{"sort_index":{sort_index}}}}}"#
        ))?;
    }
    Ok(())
}

fn write_slice<W: Write>(slice: &Slice<'_>, items: &mut Items<'_, W>) -> fmt::Result {
    let Slice { event, pid, tid } = slice;
    let TraceEvent { action, step, bytes, peer, .. } = event;
    let peer = peer.map_or_else(String::new, |peer| format!(r#","peer":{peer}"#));
    let category = match action.kind {
        ActionKind::Forward => "forward",
        ActionKind::Backward => "backward",
        ActionKind::InputGrad => "input_grad",
        ActionKind::WeightGrad => "weight_grad",
        ActionKind::Optimizer => "optimizer",
        ActionKind::SendForward | ActionKind::RecvForward => "activation",
        ActionKind::SendBackward | ActionKind::RecvBackward => "gradient",
    };
    let (ts, dur) = (Micros(event.start_ns), Micros(event.duration_ns()));
    let (stage, micro_batch) = (action.stage, action.micro_batch);
    items.push(format_args!(
        r#"{{"ph":"X","pid":{pid},"tid":{tid},"ts":{ts},"dur":{dur},"name":"{action}","cat":"{category}","args":{{"stage":{stage},"microbatch":{micro_batch},"step":{step},"bytes":{bytes}{peer}}}}}"#
    ))
}

fn write_memory<W: Write>(trace: &Trace, items: &mut Items<'_, W>) -> fmt::Result {
    let mut samples: Vec<_> = trace.memory.iter().collect();
    samples.sort_by_key(|sample| sample.at_ns);
    for sample in samples {
        let Some(device) = trace.devices.get(sample.device) else { continue };
        let (pid, ts) = (sample.device + 1, Micros(sample.at_ns));
        let (in_use, budget) = (sample.in_use_bytes, device.budget_bytes);
        let padding =
            sample.padding_bytes.map_or_else(String::new, |bytes| format!(r#","padding":{bytes}"#));
        items.push(format_args!(
            r#"{{"ph":"C","pid":{pid},"ts":{ts},"name":"memory","args":{{"in_use":{in_use}{padding},"budget":{budget}}}}}"#
        ))?;
    }
    Ok(())
}

/// A mark across all rows where each step starts.
fn write_steps<W: Write>(slices: &[Slice<'_>], items: &mut Items<'_, W>) -> fmt::Result {
    let mut starts: BTreeMap<u64, &Slice<'_>> = BTreeMap::new();
    for slice in slices {
        starts.entry(slice.event.step).or_insert(slice);
    }
    for (step, Slice { event, pid, tid }) in starts {
        let ts = Micros(event.start_ns);
        items.push(format_args!(
            r#"{{"ph":"i","s":"g","pid":{pid},"tid":{tid},"ts":{ts},"name":"step {step}"}}"#
        ))?;
    }
    Ok(())
}

/// Joins each send to its receive. An end of an arrow belongs to the slice it lies in, so it
/// starts with the send and ends when both are under way; a receive that was over before its send
/// began (clocks of two machines) gets no arrow, for time must not run backwards in it.
fn write_arrows<W: Write>(slices: &[Slice<'_>], items: &mut Items<'_, W>) -> fmt::Result {
    let mut receives: BTreeMap<_, Vec<&Slice<'_>>> = BTreeMap::new();
    for slice in slices {
        let TraceEvent { step, action, .. } = *slice.event;
        if matches!(action.kind, ActionKind::RecvForward | ActionKind::RecvBackward)
            && let Some(send) = slice.event.other_end()
        {
            receives.entry((step, action, send.stage)).or_default().push(slice);
        }
    }
    let mut id = 0;
    for send in slices {
        let TraceEvent { step, action, .. } = *send.event;
        let name = match action.kind {
            ActionKind::SendForward => "activation",
            ActionKind::SendBackward => "gradient",
            _ => continue,
        };
        // Skips make several between two stages: then the one that took place at the same time.
        let receive = send.event.other_end();
        let named = receive.and_then(|receive| receives.get_mut(&(step, receive, action.stage)));
        let Some(named) = named.filter(|named| !named.is_empty()) else { continue };
        let span = |slice: &Slice<'_>| (slice.event.start_ns, slice.event.end_ns);
        let index = named.iter().position(|receive| span(receive) == span(send)).unwrap_or(0);
        let receive = named.remove(index);
        if receive.event.end_ns < send.event.start_ns {
            continue;
        }
        id += 1;
        let (from, to) = (send.event.start_ns, send.event.start_ns.max(receive.event.start_ns));
        let ends = [("s", send, from, ""), ("f", receive, to, r#","bp":"e""#)];
        for (ph, Slice { pid, tid, .. }, ns, binding) in ends {
            let ts = Micros(ns);
            items.push(format_args!(
                r#"{{"ph":"{ph}","id":{id},"pid":{pid},"tid":{tid},"ts":{ts},"name":"{name}","cat":"transfer"{binding}}}"#
            ))?;
        }
    }
    Ok(())
}

/// Nanoseconds, written as µs.
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
