//! A run beside its prediction, by hand: medians, matching by id, memory, deviations.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "the same number, worked out the same way")]

use Lane::{Compute, TransferIn, TransferOut};
use trainyard_plan::compare::{Comparison, Measured, Pair, Prediction, compare};
use trainyard_plan::journal::Record;
use trainyard_plan::simulate::{CriticalAction, IdleTime, SimulatedDevice, Simulation};
use trainyard_plan::{
    DeviceProfile, Lane, LayerProfile, LinkCost, MemoryUse, ModelProfile, OptimizerTime, Plan,
    Profile, Recompute, Schedule, Stage, Trace, TraceDevice, TraceEvent,
};

fn event(step: u64, device: usize, lane: Lane, action: &str, us: u64) -> TraceEvent {
    let (start_ns, end_ns) = (7000, 7000 + 1000 * us);
    let action = action.parse().unwrap();
    TraceEvent { step, device, lane, action, start_ns, end_ns, bytes: 0, peer: None }
}

fn trace(devices: &[&str], events: Vec<TraceEvent>) -> Trace {
    let device = |id: &&str| TraceDevice { id: (*id).into(), name: String::new(), budget_bytes: 0 };
    Trace { devices: devices.iter().map(device).collect(), events, memory: Vec::new() }
}

const PEAK: MemoryUse =
    MemoryUse { weights: 100, gradients: 200, optimizer: 300, activations: 50, buffers: 7 };

/// A step of 100 µs: `a` computes 70 and 5 for its optimizer step, `b` 60. The bubble is 0.325.
fn simulation() -> Simulation {
    let device = |id: &str, busy_us, optimizer_us| SimulatedDevice {
        id: id.into(),
        busy_us,
        optimizer_us,
        idle_us: IdleTime::default(),
        budget_bytes: 1000,
        peak_bytes: PEAK,
        peak_at_us: 0.0,
    };
    Simulation {
        format: Simulation::FORMAT.into(),
        version: Simulation::VERSION,
        schedule: "1f1b".into(),
        step_us: 100.0,
        bubble_fraction: 0.325,
        devices: vec![device("a", 70.0, 5.0), device("b", 60.0, 0.0)],
        links: Vec::new(),
        critical_path: Vec::<CriticalAction>::new(),
    }
}

/// What messages may take on device `a` beyond its peak.
const WAITING: u64 = 5;

fn prediction(simulation: Simulation, trace: Trace) -> Prediction {
    let most_held = vec![MemoryUse { buffers: PEAK.buffers + WAITING, ..PEAK }, PEAK];
    Prediction { simulation, trace, most_held, estimated: false, noise: None }
}

fn pair(predicted: f64, measured: f64) -> Pair {
    Pair { predicted, measured }
}

/// Against [`simulation`] with no events of its own.
fn beside(measured: &Measured) -> Comparison {
    compare(&prediction(simulation(), trace(&["a", "b"], Vec::new())), measured)
}

/// Four steps, of which the first is not compared: it is not warm.
fn four_steps() -> Measured {
    let mut events = vec![event(1, 0, Compute, "0F0", 9000), event(5, 0, Compute, "0F0", 9000)];
    for (step, a, b) in [(2, 40, 90), (3, 60, 95), (4, 52, 80)] {
        // a's time is in two parts.
        events.push(event(step, 0, Compute, "0F0", a - 8));
        events.push(event(step, 0, Compute, "0OPT0", 8));
        events.push(event(step, 1, Compute, "1F0", b));
        events.push(event(step, 0, TransferOut, "0SEND_F0", 500));
        events.push(event(step, 1, TransferIn, "1RECV_F0", 500));
    }
    let trace = trace(&["a", "b"], events);
    let steps = vec![(2, 100.0), (3, 130.0), (4, 110.0)];
    Measured { trace, steps, peak_bytes: vec![None, None] }
}

#[test]
fn medians_are_taken_over_the_steps() {
    let three = beside(&four_steps());
    assert_eq!((three.format.as_str(), three.version), ("trainyard-comparison", 1));
    assert_eq!((three.steps, three.step_us), (3, pair(100.0, 110.0)));
    let [a, b] = &three.devices[..] else { unreachable!() };
    // Of 40, 52 and 60, and of 80, 90 and 95; the transfers are no work.
    assert_eq!((a.busy_us, b.busy_us), (pair(75.0, 52.0), pair(60.0, 90.0)));
    assert_eq!((a.wait_us, b.wait_us), (pair(25.0, 58.0), pair(40.0, 20.0)));
    assert_eq!(three.bubble_fraction, pair(0.325, (58.0 + 20.0) / (2.0 * 110.0)));
    // Of an even number, what lies in the middle: steps of 100 and 130, a's 40 and 60.
    let mut measured = four_steps();
    measured.steps.truncate(2);
    let two = beside(&measured);
    assert_eq!((two.steps, two.step_us.measured), (2, 115.0));
    assert_eq!((two.devices[0].busy_us.measured, two.devices[1].busy_us.measured), (50.0, 92.5));
}

#[test]
fn waiting_is_never_less_than_nothing() {
    // A clock that ticks apart from the host's: b works 90 of 80 µs.
    let events = vec![event(1, 0, Compute, "0F0", 60), event(1, 1, Compute, "1F0", 90)];
    let trace = trace(&["a", "b"], events);
    let comparison = beside(&Measured { trace, steps: vec![(1, 80.0)], peak_bytes: Vec::new() });
    let waits: Vec<f64> = comparison.devices.iter().map(|device| device.wait_us.measured).collect();
    assert_eq!(waits, [20.0, 0.0]);
    assert_eq!(comparison.bubble_fraction.measured, 20.0 / 160.0);
}

#[test]
fn devices_are_matched_by_id() {
    // The run lists them in another order, and one that the plan leaves idle.
    let events = vec![
        event(1, 0, Compute, "1F0", 62),
        event(1, 1, Compute, "9F0", 11),
        event(1, 2, Compute, "0F0", 71),
        event(1, 3, Compute, "0F0", 13), // of no device
    ];
    let trace = trace(&["b", "idle", "a"], events);
    let peak_bytes = vec![Some(620), Some(1), Some(1610)];
    let comparison = beside(&Measured { trace, steps: vec![(1, 100.0)], peak_bytes });
    let rows: Vec<_> = comparison
        .devices
        .iter()
        .map(|d| (d.id.as_str(), d.busy_us.measured, d.peak_bytes.measured))
        .collect();
    assert_eq!(rows, [("a", 71.0, 1610.0), ("b", 62.0, 620.0)]);
}

#[test]
fn a_device_that_took_no_part_did_nothing() {
    let trace = trace(&["a"], vec![event(1, 0, Compute, "0F0", 70)]);
    let measured = Measured { trace, steps: vec![(1, 100.0)], peak_bytes: vec![Some(700)] };
    let comparison = beside(&measured);
    let b = &comparison.devices[1];
    assert_eq!((b.busy_us, b.wait_us), (pair(60.0, 0.0), pair(40.0, 100.0)));
    assert_eq!((b.peak_bytes, b.measured_by_category), (pair(657.0, 0.0), None));
}

#[test]
fn what_is_not_of_known_size_counts_as_activations() {
    let peaks = |peak_bytes: Vec<Option<u64>>| {
        let comparison = beside(&Measured { peak_bytes, ..four_steps() });
        let [a, b] = &comparison.devices[..] else { unreachable!() };
        let with_waiting = MemoryUse { buffers: PEAK.buffers + WAITING, ..PEAK };
        assert_eq!([a.predicted_by_category, b.predicted_by_category], [with_waiting, PEAK]);
        [a, b].map(|device| (device.peak_bytes, device.measured_by_category))
    };
    let rest = |activations| Some(MemoryUse { activations, buffers: 0, ..PEAK });
    let counted = peaks(vec![Some(1000), Some(599)]);
    // b holds less than its weights, sums and state would take; nothing is left for the rest.
    assert_eq!(counted, [(pair(662.0, 1000.0), rest(400)), (pair(657.0, 599.0), rest(0))]);
    // Nobody counts, and there is no word of b.
    assert_eq!(peaks(vec![None]), [(pair(662.0, 0.0), None), (pair(657.0, 0.0), None)]);
}

#[test]
fn the_worst_deviations_come_first() {
    let predicted = trace(
        &["a", "b"],
        vec![
            event(1, 0, Compute, "0F0", 10),
            event(1, 0, Compute, "0F1", 10),
            event(1, 0, Compute, "0B0", 30),
            event(1, 0, Compute, "2F0", 40),
            event(1, 0, TransferOut, "0SEND_F0", 900), // its receive is what counts
            event(1, 1, TransferIn, "1RECV_F0", 5),
            event(1, 1, Compute, "1B0", 100),
            event(1, 1, Compute, "1OPT0", 3),
        ],
    );
    let mut events = Vec::new();
    for (step, forward) in [(1, 11), (2, 13), (3, 30)] {
        events.extend([
            event(step, 1, Compute, "0F0", forward),
            event(step, 1, Compute, "0F1", 12),
            event(step, 1, Compute, "0B0", 31),
            event(step, 1, Compute, "2F0", 44),
            event(step, 1, TransferOut, "0SEND_F0", 1),
            event(step, 0, TransferIn, "1RECV_F0", 7),
            event(step, 0, Compute, "1B0", 91),
            event(step, 0, Compute, "5F0", 1000), // nothing of the kind was predicted
        ]);
    }
    // Only in one step.
    events.push(event(2, 0, Compute, "1OPT0", 11));
    let trace = trace(&["b", "a"], events);
    let steps = vec![(1, 100.0), (2, 100.0), (3, 100.0)];
    let measured = Measured { trace, steps, peak_bytes: Vec::new() };
    let rows = |comparison: &Comparison| -> Vec<(String, usize, String, usize, Pair)> {
        let row = |d: &trainyard_plan::compare::Deviation| {
            (d.device.clone(), d.stage, d.action.clone(), d.count, d.total_us)
        };
        comparison.deviations.iter().map(row).collect()
    };
    let row = |device: &str, stage, action: &str, count, total| {
        (device.to_owned(), stage, action.to_owned(), count, total)
    };
    let told = compare(&prediction(simulation(), predicted.clone()), &measured);
    let expected = [
        row("b", 1, "B", 1, pair(100.0, 91.0)),
        row("b", 1, "OPT", 1, pair(3.0, 11.0)),
        row("a", 0, "F", 2, pair(20.0, 25.0)), // of 23, 25 and 42
        row("a", 2, "F", 1, pair(40.0, 44.0)),
        row("b", 1, "RECV_F", 1, pair(5.0, 7.0)),
        // a's B, 1 µs off, is the sixth.
    ];
    assert_eq!(rows(&told), expected);
    // What never happened was measured as nothing.
    let nothing = Measured { trace: Trace::default(), ..measured };
    let told = compare(&prediction(simulation(), predicted), &nothing);
    assert_eq!(rows(&told)[0], row("b", 1, "B", 1, pair(100.0, 0.0)));
}

/// A stage that takes from two stages waits on two links, and each is compared on its own.
#[test]
fn receives_are_compared_link_by_link() {
    let from = |peer, event: TraceEvent| TraceEvent { peer, ..event };
    let received = |step, action, us| event(step, 1, TransferIn, action, us);
    let predicted = trace(
        &["a", "b"],
        vec![
            // The simulator does not name a neighbour.
            received(1, "2RECV_F0", 10),
            from(Some(0), received(1, "2RECV_F0", 30)),
            from(Some(0), received(1, "2RECV_F1", 30)),
            received(1, "2RECV_B0", 7),
        ],
    );
    let events = vec![
        from(Some(1), received(4, "2RECV_F0", 50)),
        from(Some(0), received(4, "2RECV_F0", 12)),
        from(Some(0), received(4, "2RECV_F1", 8)),
        from(Some(3), received(4, "2RECV_B0", 6)),
    ];
    let trace = trace(&["a", "b"], events);
    let measured = Measured { trace, steps: vec![(4, 100.0)], peak_bytes: Vec::new() };
    let comparison = compare(&prediction(simulation(), predicted), &measured);
    let rows: Vec<_> = comparison
        .deviations
        .iter()
        .map(|row| (row.action.as_str(), row.peer, row.count, row.total_us))
        .collect();
    let expected = [
        ("RECV_F", Some(0), 2, pair(60.0, 20.0)),
        ("RECV_F", Some(1), 1, pair(10.0, 50.0)),
        // From one stage alone: it need not be named.
        ("RECV_B", None, 1, pair(7.0, 6.0)),
    ];
    assert_eq!(rows, expected);
    let text = serde_json::to_string(&comparison).unwrap();
    assert_eq!(text.matches("\"peer\"").count(), 2, "{text}");
    assert_eq!(serde_json::from_str::<Comparison>(&text).unwrap(), comparison);
}

#[test]
fn a_run_without_steps_is_compared_with_nothing() {
    let comparison = beside(&Measured { steps: Vec::new(), ..four_steps() });
    assert_eq!((comparison.steps, comparison.step_us), (0, pair(100.0, 0.0)));
    assert_eq!(comparison.bubble_fraction, pair(0.325, 0.0));
    for device in &comparison.devices {
        assert_eq!((device.busy_us.measured, device.wait_us.measured), (0.0, 0.0));
    }
    assert_eq!(comparison.step_us.error_percent(), None);
}

#[test]
fn errors_are_in_percent_of_what_was_measured() {
    assert_eq!(pair(150.0, 200.0).error_percent(), Some(-25.0));
    assert_eq!(pair(250.0, 200.0).error_percent(), Some(25.0));
    assert_eq!(pair(1.0, 0.0).error_percent(), None);
}

/// A prediction that comes true: the trace of the simulator is the run.
#[test]
fn a_simulation_does_not_deviate_from_itself() {
    let layer = |index| LayerProfile {
        name: format!("layer{index}"),
        param_bytes: 100,
        input_bytes: 16,
        output_bytes: 16,
        saved_bytes: 50,
        ..LayerProfile::default()
    };
    let layers = (0..8).map(layer).collect();
    let model = ModelProfile {
        name: "tiny".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers,
    };
    let device = |(id, us): (&str, f64)| DeviceProfile {
        id: id.into(),
        memory_bytes: 1 << 20,
        forward_us: vec![us; 8],
        input_grad_us: vec![us * 1.25; 8],
        weight_grad_us: vec![us * 0.75; 8],
        optimizer_us: OptimizerTime::Device(3.5),
        ..DeviceProfile::default()
    };
    let devices = [("x", 4.0), ("y", 6.0)].map(device).to_vec();
    let default_link = Some(LinkCost { latency_us: 2.0, bytes_per_us: 4.0 });
    let profile = Profile { devices, default_link, ..Profile::new(model, 5) };
    for (name, chunks) in [("gpipe", 1), ("1f1b", 1), ("zb-h1", 1), ("interleaved", 2), ("zb-v", 2)]
    {
        let owners = Schedule::placement(name, 2, chunks).unwrap();
        let size = 8 / owners.len();
        let stage = |(index, rank): (usize, &usize)| Stage {
            device: ["x", "y"][*rank].into(),
            layers: (index * size, (index + 1) * size),
            recompute: Recompute::None,
        };
        let stages = owners.iter().enumerate().map(stage).collect();
        let schedule = Schedule::with_chunks(name, 2, chunks, 5).unwrap();
        let prediction = Prediction::of(&profile, &Plan::new("tiny", stages, schedule, 5)).unwrap();
        let simulation = &prediction.simulation;
        let peaks = prediction.most_held.iter().map(MemoryUse::total).map(Some);
        let measured = Measured {
            trace: prediction.trace.clone(),
            steps: vec![(1, simulation.step_us)],
            peak_bytes: peaks.collect(),
        };
        let comparison = compare(&prediction, &measured);
        let close = |pair: Pair| (pair.predicted - pair.measured).abs() < 1e-6;
        assert!(close(comparison.step_us) && close(comparison.bubble_fraction), "{comparison:?}");
        for (device, simulated) in comparison.devices.iter().zip(&simulation.devices) {
            assert!(close(device.busy_us) && close(device.wait_us), "{name}: {device:?}");
            assert!((device.wait_us.predicted - simulated.idle_us.total_us()).abs() < 1e-6);
            assert_eq!(device.peak_bytes.error_percent(), Some(0.0));
        }
        assert_eq!(comparison.deviations.len(), Comparison::DEVIATIONS);
        assert!(comparison.deviations.iter().all(|sort| close(sort.total_us)), "{name}");
    }
}

#[test]
fn a_correction_stands_beside_the_prediction() {
    let planned = beside(&four_steps());
    let corrected = |step, step_us| Record::Corrected {
        at_ns: 1,
        step,
        step_us,
        factor: step_us / planned.step_us.predicted,
        reason: "the devices were busy".into(),
    };
    let records = [corrected(5, 90.0), corrected(9, 75.0)];
    let comparison = planned.clone().with_correction(&records);
    let last = comparison.corrected.clone().unwrap();
    assert_eq!((last.after_step, last.step_us.predicted), (9, 75.0));
    assert_eq!(last.step_us.measured, planned.step_us.measured);
    assert_eq!(comparison.step_us, planned.step_us);
    let text = serde_json::to_string(&comparison).unwrap();
    assert_eq!(serde_json::from_str::<Comparison>(&text).unwrap(), comparison);
    // Without one, neither the comparison nor its file has any.
    assert_eq!(planned.clone().with_correction(&[]), planned);
    assert!(!serde_json::to_string(&planned).unwrap().contains("corrected"));
}

#[test]
fn a_comparison_reads_back() {
    let peak_bytes = vec![Some(1000), None];
    let comparison = beside(&Measured { peak_bytes, ..four_steps() });
    let text = serde_json::to_string(&comparison).unwrap();
    // Nobody counted on b, and the file does not say otherwise.
    assert_eq!(text.matches("measured_by_category").count(), 1);
    assert_eq!(serde_json::from_str::<Comparison>(&text).unwrap(), comparison);
}
