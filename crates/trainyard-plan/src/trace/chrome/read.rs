//! Reads the Chrome traces that [`write_chrome`](super::write_chrome) writes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::{Lane, MemorySample, Trace, TraceDevice, TraceEvent};
use super::{lane_name, tid_of};
use crate::PlanError;

/// The name of such a file in messages.
const FORMAT: &str = "trainyard trace";

/// A trace file, with its items still as they are: most are of a known shape, but a file may have
/// been through another program that added some.
#[derive(Deserialize)]
struct File {
    metadata: Option<Metadata>,
    #[serde(rename = "traceEvents")]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Metadata {
    program: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    ph: String,
    #[serde(default)]
    pid: usize,
    #[serde(default)]
    tid: usize,
    #[serde(default)]
    name: String,
    #[serde(default)]
    ts: f64,
    #[serde(default)]
    dur: f64,
    #[serde(default)]
    args: Value,
}

/// Reads a trace that [`write_chrome`](super::write_chrome) wrote. Marks and arrows are left out:
/// they follow from the events. What memory is for is not in such a file.
///
/// # Errors
/// [`PlanError::BadFile`] for what is no trace, was written by another program, or names an action
/// that does not exist.
pub fn from_json(text: &str) -> Result<Trace, PlanError> {
    let bad = |line: usize, field: String, reason: String| PlanError::BadFile {
        format: FORMAT.to_owned(),
        line,
        field,
        reason,
    };
    let file: File = serde_json::from_str(text)
        .map_err(|error| bad(error.line(), String::new(), error.to_string()))?;
    let program = file.metadata.and_then(|metadata| metadata.program);
    if program.as_deref() != Some("trainyard") {
        let reason = "the trace was not written by trainyard, whose events alone are understood";
        return Err(bad(0, "metadata.program".to_owned(), reason.to_owned()));
    }
    let mut reading = Reading::default();
    for (index, item) in file.items.iter().enumerate() {
        let known = reading.take(item);
        known.map_err(|reason| bad(0, format!("traceEvents[{index}]"), reason))?;
    }
    Ok(reading.finish())
}

/// The state of reading, by `pid`.
#[derive(Default)]
struct Reading {
    names: BTreeMap<usize, String>,
    budgets: BTreeMap<usize, u64>,
    lanes: BTreeMap<(usize, usize), Lane>,
    /// With `pid` and `tid`: names may come after the events that lie on them.
    events: Vec<((usize, usize), TraceEvent)>,
    memory: Vec<(usize, MemorySample)>,
}

impl Reading {
    fn take(&mut self, item: &Item) -> Result<(), String> {
        let number = |key: &str| item.args.get(key).and_then(Value::as_u64);
        match (item.ph.as_str(), item.name.as_str()) {
            ("M", "process_name") => {
                let name = item.args.get("name").and_then(Value::as_str).unwrap_or_default();
                self.names.insert(item.pid, name.to_owned());
            }
            ("M", "thread_name") => {
                let name = item.args.get("name").and_then(Value::as_str);
                let lanes = [Lane::Compute, Lane::TransferOut, Lane::TransferIn];
                let lane = lanes.into_iter().find(|lane| Some(lane_name(*lane)) == name);
                self.lanes.extend(lane.map(|lane| ((item.pid, item.tid), lane)));
            }
            ("X", name) => {
                let action = name.parse().map_err(|error: PlanError| error.to_string())?;
                let (start_ns, length_ns) = (nanos(item.ts)?, nanos(item.dur)?);
                let event = TraceEvent {
                    step: number("step").ok_or("its args have no step")?,
                    device: 0,
                    lane: Lane::Compute,
                    action,
                    start_ns,
                    end_ns: start_ns.saturating_add(length_ns),
                    bytes: number("bytes").unwrap_or(0),
                    peer: number("peer").and_then(|peer| usize::try_from(peer).ok()),
                };
                self.events.push(((item.pid, item.tid), event));
            }
            ("C", "memory") => {
                let in_use_bytes = number("in_use").ok_or("its args have no in_use")?;
                self.budgets.extend(number("budget").map(|budget| (item.pid, budget)));
                let sample = MemorySample {
                    at_ns: nanos(item.ts)?,
                    device: 0,
                    in_use_bytes,
                    by_category: None,
                };
                self.memory.push((item.pid, sample));
            }
            _ => {}
        }
        Ok(())
    }

    /// The trace. Devices are in the order of their `pid`.
    fn finish(mut self) -> Trace {
        for ((pid, _), _) in &self.events {
            self.names.entry(*pid).or_default();
        }
        let pids: Vec<usize> = self.names.keys().copied().collect();
        let index = |pid: &usize| pids.iter().position(|known| known == pid);
        let lane = |thread: &(usize, usize)| {
            let lanes = [Lane::Compute, Lane::TransferOut, Lane::TransferIn];
            let by_number = || lanes.into_iter().find(|lane| tid_of(*lane) == thread.1);
            self.lanes.get(thread).copied().or_else(by_number).unwrap_or(Lane::Compute)
        };
        let events = self.events.iter().filter_map(|(thread, event)| {
            let (device, lane) = (index(&thread.0)?, lane(thread));
            Some(TraceEvent { device, lane, ..event.clone() })
        });
        let memory = self.memory.iter().filter_map(|(pid, sample)| {
            Some(MemorySample { device: index(pid)?, ..sample.clone() })
        });
        let device = |(pid, name): (&usize, &String)| {
            let (id, name) = id_and_name(name);
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

/// A process is called `id (name)`, or `id` where the device has no name.
fn id_and_name(process: &str) -> (String, String) {
    let parts = process.strip_suffix(')').and_then(|process| process.split_once(" ("));
    let (id, name) = parts.unwrap_or((process, ""));
    (id.to_owned(), name.to_owned())
}

/// Microseconds with decimals as nanoseconds.
fn nanos(micros: f64) -> Result<u64, String> {
    // Three years; beyond that a nanosecond has no place in a float.
    if (0.0..=1e14).contains(&micros) {
        Ok((micros * 1000.0).round() as u64)
    } else {
        Err(format!("{micros} is not a time from 0 to 1e14 µs"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::to_string;
    use super::*;

    fn trace() -> Trace {
        let device = |id: &str, name: &str| TraceDevice {
            id: id.into(),
            name: name.into(),
            budget_bytes: 1000,
        };
        let event = |device, lane, action: &str, start_ns, end_ns| TraceEvent {
            step: 3,
            device,
            lane,
            action: action.parse().unwrap(),
            start_ns,
            end_ns,
            bytes: if lane == Lane::Compute { 0 } else { 64 },
            peer: None,
        };
        let sample =
            |at_ns, device| MemorySample { at_ns, device, in_use_bytes: 500, by_category: None };
        Trace {
            devices: vec![device("dgpu", "Arc (TM) A770"), device("cpu", "")],
            events: vec![
                event(0, Lane::Compute, "0F0", 1_000_001, 2_000_000),
                // Two at once: the second gets a thread of its own.
                event(0, Lane::TransferOut, "0SEND_F0", 2_000_000, 3_000_000),
                event(0, Lane::TransferOut, "0SEND_F1", 2_000_000, 3_500_000),
                // The same output to another stage.
                TraceEvent {
                    peer: Some(3),
                    ..event(0, Lane::TransferOut, "0SEND_F1", 3_500_000, 4_500_000)
                },
                event(1, Lane::TransferIn, "1RECV_F0", 2_000_000, 3_000_000),
                event(1, Lane::Compute, "1B0", 3_000_000, 5_000_000),
            ],
            memory: vec![sample(1_000_001, 0), sample(2_000_000, 1)],
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let read = from_json(&to_string(&trace())).unwrap();
        assert_eq!(read.devices, trace().devices);
        assert_eq!(read.memory, trace().memory);
        let sorted = |mut trace: Trace| {
            trace.events.sort_by_key(|event| (event.start_ns, event.end_ns, event.device));
            trace.events
        };
        assert_eq!(sorted(read), sorted(trace()));
    }

    #[test]
    fn what_another_program_wrote_is_refused_in_words() {
        for (text, part) in [
            ("{", "line 1"),
            (r#"{"traceEvents": []}"#, "not written by trainyard"),
            (
                r#"{"metadata": {"program": "trainyard"}, "traceEvents": [{"ph": "X", "name": "work"}]}"#,
                "'work' is not an action",
            ),
            (
                r#"{"metadata": {"program": "trainyard"}, "traceEvents": [{"ph": "X", "name": "0F0", "ts": -1}]}"#,
                "-1 is not a time",
            ),
        ] {
            let error = from_json(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
