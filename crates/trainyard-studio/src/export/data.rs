//! A trace and a simulation as tables and JSON.

use std::fmt;
use std::io::{self, Write};

use trainyard_plan::simulate::Simulation;
use trainyard_plan::{Lane, Trace};

use super::csv;

/// Writes a trace's events in the order of their starts:
/// `step,device,lane,action,start_us,end_us,bytes`. Events of devices that the trace does not list
/// are left out.
///
/// # Errors
/// Whatever `out` fails with.
pub fn events_csv(trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"step,device,lane,action,start_us,end_us,bytes\n")?;
    let ids = device_fields(trace);
    let mut events: Vec<_> = trace.events.iter().collect();
    events.sort_by_key(|event| (event.start_ns, event.end_ns, event.device));
    for event in events {
        let Some(device) = ids.get(event.device) else { continue };
        let lane = match event.lane {
            Lane::Compute => "compute",
            Lane::TransferOut => "transfer_out",
            Lane::TransferIn => "transfer_in",
        };
        let (start, end) = (Micros(event.start_ns), Micros(event.end_ns));
        let (step, action, bytes) = (event.step, event.action, event.bytes);
        writeln!(out, "{step},{device},{lane},{action},{start},{end},{bytes}")?;
    }
    Ok(())
}

/// Writes a trace's memory samples in the order of time: `at_us,device,in_use_bytes`, the five
/// categories and the padding of the device's pools, which are empty where they are unknown.
///
/// # Errors
/// Whatever `out` fails with.
pub fn memory_csv(trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(
        b"at_us,device,in_use_bytes,weights_bytes,gradients_bytes,optimizer_bytes,\
          activations_bytes,buffers_bytes,padding_bytes\n",
    )?;
    let ids = device_fields(trace);
    let mut samples: Vec<_> = trace.memory.iter().collect();
    samples.sort_by_key(|sample| (sample.at_ns, sample.device));
    for sample in samples {
        let Some(device) = ids.get(sample.device) else { continue };
        write!(out, "{},{device},{}", Micros(sample.at_ns), sample.in_use_bytes)?;
        match sample.by_category {
            Some(part) => write!(
                out,
                ",{},{},{},{},{}",
                part.weights, part.gradients, part.optimizer, part.activations, part.buffers
            )?,
            None => out.write_all(b",,,,,")?,
        }
        let padding = sample.padding_bytes.map_or_else(String::new, |bytes| bytes.to_string());
        writeln!(out, ",{padding}")?;
    }
    Ok(())
}

/// Writes a trace as it is in memory, without spaces: there can be much of it.
///
/// # Errors
/// Whatever `out` fails with.
pub fn trace_json(trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
    Ok(serde_json::to_writer(out, trace)?)
}

/// Writes a simulation as `trainyard simulate --json` prints it, indented.
///
/// # Errors
/// Whatever `out` fails with.
pub fn simulation_json(simulation: &Simulation, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, simulation)?;
    out.write_all(b"\n")
}

/// The devices' ids as fields of a table: quoted once, and not for every one of a million events.
fn device_fields(trace: &Trace) -> Vec<String> {
    trace.devices.iter().map(|device| csv::field(&device.id).into_owned()).collect()
}

/// Nanoseconds, written as µs without loss.
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

#[cfg(test)]
mod tests {
    use trainyard_plan::{Action, MemorySample, MemoryUse, TraceDevice, TraceEvent};

    use super::*;

    fn trace() -> Trace {
        let device = |id: &str| TraceDevice { id: id.into(), name: id.into(), budget_bytes: 9 };
        let event = |device, start_ns, action| TraceEvent {
            step: 3,
            device,
            lane: Lane::Compute,
            action,
            start_ns,
            end_ns: start_ns + 1,
            bytes: 0,
            peer: None,
        };
        let sample = |by_category| MemorySample {
            at_ns: 5,
            device: 0,
            in_use_bytes: 7,
            by_category,
            ..MemorySample::default()
        };
        Trace {
            devices: vec![device("a, \"big\"\ncard"), device("層")],
            events: vec![
                event(1, 1_234_567, Action::backward(1, 0)),
                event(0, 0, Action::forward(0, 2)),
                event(7, 0, Action::forward(0, 0)),
            ],
            memory: vec![
                MemorySample { padding_bytes: Some(2), ..sample(None) },
                sample(Some(MemoryUse { weights: 4, buffers: 3, ..MemoryUse::default() })),
                MemorySample { device: 9, ..sample(None) },
            ],
        }
    }

    fn table(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Vec<Vec<String>> {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        csv::parse(&String::from_utf8(out).unwrap())
    }

    #[test]
    fn events_come_sorted_with_any_names_and_exact_times() {
        let rows = table(|out| events_csv(&trace(), out));
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|row| row.len() == 7));
        assert_eq!(rows[1], ["3", "a, \"big\"\ncard", "compute", "0F2", "0.000", "0.001", "0"]);
        assert_eq!(rows[2], ["3", "層", "compute", "1B0", "1234.567", "1234.568", "0"]);
    }

    #[test]
    fn memory_has_its_categories_where_they_are_known() {
        let rows = table(|out| memory_csv(&trace(), out));
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|row| row.len() == 9));
        assert_eq!(rows[1][2..], ["7", "", "", "", "", "", "2"]);
        assert_eq!(rows[2][2..], ["7", "4", "0", "0", "0", "3", ""]);
    }
}
