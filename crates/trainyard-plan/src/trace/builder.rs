//! A journal's records, as they come, made into a trace.

use super::{MemorySample, Trace, TraceDevice, TraceEvent};
use crate::journal::{Header, HeaderDevice, Record};

/// Makes a [`Trace`] of a journal's records, one after the other, on the clock of the first header.
///
/// A resumed run has a header for each part. Later parts are moved by the difference of the
/// wall-clock starts, and never begin before the part before has ended. Steps that a part does
/// again (those beyond its header's `first_step`) replace the ones done before. Records of devices
/// that the header does not list are left out, as is everything before a header.
#[derive(Clone, Debug, Default)]
pub struct TraceBuilder {
    trace: Trace,
    /// Start of the first part, ms since 1970; `None` before any header.
    started_unix_ms: Option<u64>,
    /// Added to the times of the present part, ns.
    offset_ns: u64,
    /// From the present header's device indices to the trace's.
    devices: Vec<usize>,
    /// The latest time so far, ns.
    end_ns: u64,
}

impl Trace {
    /// The events and memory samples of a journal, on the clock of its first header:
    /// [`TraceBuilder`] over all of its records.
    pub fn from_journal<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut builder = TraceBuilder::default();
        for record in records {
            builder.push(record);
        }
        builder.into_trace()
    }
}

impl TraceBuilder {
    /// Takes the next record.
    pub fn push(&mut self, record: &Record) {
        match record {
            Record::Header(header) => self.begin_part(header),
            Record::Action(event) => {
                if let Some(&device) = self.devices.get(event.device) {
                    let (start_ns, end_ns) = (self.at(event.start_ns), self.at(event.end_ns));
                    self.end_ns = self.end_ns.max(end_ns);
                    self.trace.events.push(TraceEvent {
                        device,
                        start_ns,
                        end_ns,
                        ..event.clone()
                    });
                }
            }
            &Record::Memory {
                at_ns, device, in_use_bytes, padding_bytes, reserved_bytes, ..
            } => {
                if let Some(&device) = self.devices.get(device) {
                    let at_ns = self.at(at_ns);
                    self.end_ns = self.end_ns.max(at_ns);
                    self.trace.memory.push(MemorySample {
                        at_ns,
                        device,
                        in_use_bytes,
                        by_category: None,
                        padding_bytes,
                        reserved_bytes,
                    });
                }
            }
            _ => {}
        }
    }

    /// Forgets the steps before `step`, and the memory samples from before its first event: a
    /// training goes on for longer than a memory lasts.
    pub fn forget_before(&mut self, step: u64) {
        self.trace.events.retain(|event| event.step >= step);
        let start = self.trace.events.iter().map(|event| event.start_ns).min();
        let start = start.unwrap_or(self.end_ns);
        self.trace.memory.retain(|sample| sample.at_ns >= start);
    }

    /// The trace so far.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The trace.
    #[must_use]
    pub fn into_trace(self) -> Trace {
        self.trace
    }

    fn begin_part(&mut self, header: &Header) {
        let started_unix_ms = *self.started_unix_ms.get_or_insert(header.started_unix_ms);
        let passed_ms = header.started_unix_ms.saturating_sub(started_unix_ms);
        self.offset_ns = passed_ms.saturating_mul(1_000_000).max(self.end_ns);
        self.trace.events.retain(|event| event.step <= header.first_step);
        let devices = &mut self.trace.devices;
        let mut index_of = |device: &HeaderDevice| {
            let known = devices.iter().position(|known| known.id == device.id);
            known.unwrap_or_else(|| {
                devices.push(TraceDevice {
                    id: device.id.clone(),
                    name: name_with_clock(device),
                    budget_bytes: device.budget_bytes,
                });
                devices.len() - 1
            })
        };
        self.devices = header.devices.iter().map(&mut index_of).collect();
    }

    fn at(&self, ns: u64) -> u64 {
        ns.saturating_add(self.offset_ns)
    }
}

/// The device's name, in what it computes, and whose times those of it are, where the host neither computes nor waits.
fn name_with_clock(device: &HeaderDevice) -> String {
    let HeaderDevice { name, precision, .. } = device;
    let name =
        if precision.is_f32() { name.clone() } else { format!("{name}, {}", precision.text()) };
    match device.clock_error_ns {
        Some(ns) => format!("{name}, by its own clock ±{} µs", ns.div_ceil(1000)),
        None if device.times_noticed => format!("{name}, as the host noticed"),
        None => name,
    }
}
