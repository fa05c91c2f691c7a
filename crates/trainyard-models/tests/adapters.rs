//! The same small model on every pair of unlike devices: the CPU, llvmpipe over Vulkan, llvmpipe
//! over OpenGL and `SwiftShader`.
//!
//! An adapter that this machine lacks is left out, and said so; with `TRAINYARD_REQUIRE_ALL` set it is
//! a failure. `scripts/test.sh` installs all.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use std::collections::BTreeMap;

use trainyard_engine::checkpoint::SaveAs;
use trainyard_engine::kernels::KernelSet;
use trainyard_engine::{Device, DeviceClock, EngineError, discover};
use trainyard_plan::{DeviceInfo, Lane, Recompute, TraceEvent};

use common::partitions::{
    Held, Subject, assert_close, cpus, of_kind, options, plan, showing_gradients, tensors, whole,
    with_all_kernels,
};
use common::{LAYERS, adapter, decoder, gpt, mlp};

/// The devices of this machine that the tests know, the CPU first.
fn adapters() -> Vec<(&'static str, DeviceInfo)> {
    let mut found = vec![("CPU", discover::cpu())];
    found.extend(adapter::known());
    found
}

/// Gradients of the first step, then losses of a few more.
fn observe(
    subject: &Subject,
    ends: &[usize],
    devices: Vec<Device>,
) -> (BTreeMap<String, Held>, Vec<[f64; 2]>) {
    let plan = plan(ends, "1f1b", 2, Recompute::None);
    let mut pipeline = subject.distribute(&plan, devices, showing_gradients());
    let mut steps = subject.train(&mut pipeline, [1]);
    let gradients = of_kind(&tensors(&mut pipeline), "first");
    steps.extend(subject.train(&mut pipeline, 2..=4));
    (gradients, steps)
}

fn equals_the_cpu(subject: &Subject, pair: [&(&str, DeviceInfo); 2]) {
    let started = std::time::Instant::now();
    let (expected, expected_steps) = observe(subject, &[LAYERS], cpus(1));
    let [(first, one), (second, other)] = pair;
    let (found, steps) = observe(subject, &[2, LAYERS], with_all_kernels(&[one, other]));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, (_, expected)) in &expected {
        let place = format!("{first} → {second}: {name}");
        assert_close(&place, &found[name].1, expected, 1e-5, 4e-5);
    }
    for (found, expected) in steps.iter().zip(&expected_steps) {
        let apart = (found[0] - expected[0]).abs();
        assert!(apart <= 1e-3 * expected[0], "{first} → {second}: {steps:?} {expected_steps:?}");
    }
    eprintln!("{first} → {second}: equal, {:.1} s", started.elapsed().as_secs_f64());
}

/// Every ordered pair, and two logical devices of each adapter.
fn every_pair(subject: &Subject) {
    let adapters = adapters();
    for one in &adapters {
        for other in &adapters {
            equals_the_cpu(subject, [one, other]);
        }
    }
}

#[test]
fn gpt_on_every_pair_of_adapters_equals_the_cpu() {
    every_pair(&gpt(true, true, 0.1));
}

#[test]
fn mlp_on_every_pair_of_adapters_equals_the_cpu() {
    every_pair(&mlp());
}

#[test]
fn a_decoder_on_the_cpu_and_every_adapter_equals_the_cpu() {
    let (adapters, subject) = (adapters(), decoder());
    for adapter in &adapters[1..] {
        equals_the_cpu(&subject, [&adapters[0], adapter]);
    }
}

#[test]
fn a_hundred_steps_on_the_cpu_and_an_adapter_end_where_the_cpu_ends() {
    let adapters = adapters();
    let Some((name, info)) = adapters.get(1) else { return };
    let subject = gpt(true, true, 0.0);
    let last = |ends: &[usize], devices: Vec<Device>| {
        let plan = plan(ends, "1f1b", 2, Recompute::None);
        let mut pipeline = subject.distribute(&plan, devices, options());
        let steps = subject.train(&mut pipeline, 1..=100);
        assert!(steps[99][0] < 0.5 * steps[0][0], "it does not learn: {steps:?}");
        steps[99][0]
    };
    let expected = last(&[LAYERS], cpus(1));
    let found = last(&[2, LAYERS], with_all_kernels(&[&adapters[0].1, info]));
    assert!((found - expected).abs() <= 0.01 * expected, "{name}: {found}, CPU: {expected}");
}

#[test]
fn a_checkpoint_of_the_cpu_goes_on_on_every_adapter_and_back() {
    let subject = gpt(true, false, 0.0);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("step-3");
    let mut cpu = subject.distribute(&whole(LAYERS, 2), cpus(1), options());
    subject.train(&mut cpu, 1..=3);
    cpu.save(&place, SaveAs { step: 3, ..SaveAs::default() }).unwrap();
    let expected = subject.train(&mut cpu, 4..=6);
    for (name, info) in &adapters()[1..] {
        let mut adapter =
            subject.distribute(&whole(LAYERS, 2), with_all_kernels(&[info]), options());
        adapter.load(&place).unwrap();
        let mut found = subject.train(&mut adapter, 4..=5);
        let back = folder.path().join("step-5");
        adapter.save(&back, SaveAs { step: 5, ..SaveAs::default() }).unwrap();
        let mut again = subject.distribute(&whole(LAYERS, 2), cpus(1), options());
        again.load(&back).unwrap();
        found.extend(subject.train(&mut again, [6]));
        for (found, expected) in found.iter().zip(&expected) {
            let apart = (found[0] - expected[0]).abs();
            assert!(apart <= 1e-3 * expected[0], "{name}: {found:?}, CPU: {expected:?}");
        }
    }
}

/// Steps on two logical devices. Each worker waits once a step, for the record that it reads before the
/// update, and the times of what was done are told all the same. Gives the losses.
fn waits_once_a_step(
    name: &str,
    devices: Vec<Device>,
    is_expected: fn(&DeviceClock) -> bool,
) -> Vec<f64> {
    let subject = gpt(false, false, 0.1);
    let plan = plan(&[2, LAYERS], "1f1b", 4, Recompute::None);
    let mut pipeline = subject.distribute(&plan, devices, options());
    assert!(pipeline.clocks().iter().all(is_expected), "{name}: {:?}", pipeline.clocks());
    let (mut events, mut losses): (Vec<TraceEvent>, _) = (Vec::new(), Vec::new());
    for step in 1..=3 {
        let result = pipeline.step(step, 0.01, subject.micro_batches(step, 4)).unwrap();
        assert_eq!(result.measured.host_waits, [1, 1], "{name}, step {step}");
        events.extend(result.measured.events);
        losses.push(result.loss);
    }
    events.extend(pipeline.settle().unwrap().events);
    let now_ns = pipeline.origin().elapsed().as_nanos();
    for rank in 0..2 {
        let computed = |event: &&TraceEvent| event.device == rank && event.lane == Lane::Compute;
        let computed: Vec<&TraceEvent> = events.iter().filter(computed).collect();
        // A forward and a backward of each micro-batch, the norms and the update.
        assert_eq!(computed.len(), 3 * (2 * 4 + 2), "{name}");
        let mut before_ns = 0;
        for event in computed {
            let place = format!("{name}, rank {rank}: {event:?}");
            assert!(before_ns <= event.start_ns && event.start_ns <= event.end_ns, "{place}");
            assert!(u128::from(event.end_ns) <= now_ns, "{place}");
            before_ns = event.end_ns;
        }
    }
    losses
}

#[test]
fn the_worker_of_an_adapter_waits_once_a_step() {
    let own = |clock: &DeviceClock| matches!(clock, DeviceClock::Own { .. });
    let noticed = |clock: &DeviceClock| *clock == DeviceClock::Noticed;
    for (name, info) in &adapters()[1..] {
        // All that are to be had here tell their times.
        let by_own = waits_once_a_step(name, with_all_kernels(&[info, info]), own);
        let devices = with_all_kernels(&[info, info]).into_iter().map(Device::with_noticed_times);
        let by_host = waits_once_a_step(name, devices.collect(), noticed);
        assert_eq!(by_own, by_host, "{name}");
    }
}

#[test]
fn an_adapter_that_is_slowed_down_is_waited_for_after_each_action() {
    let adapters = adapters();
    let Some((name, info)) = adapters.get(1) else { return };
    let subject = gpt(false, false, 0.1);
    let plan = plan(&[2, LAYERS], "1f1b", 4, Recompute::None);
    let slow = with_all_kernels(&[info, info]).into_iter().map(|device| device.with_throttle(1.01));
    let mut pipeline = subject.distribute(&plan, slow.collect(), options());
    assert_eq!(pipeline.clocks(), [DeviceClock::Host; 2]);
    let result = pipeline.step(1, 0.01, subject.micro_batches(1, 4)).unwrap();
    // Forwards, backwards and the update; the record.
    assert_eq!(result.measured.host_waits, [2 * 4 + 2; 2], "{name}");
}

#[test]
fn warming_up_an_adapter_changes_nothing_and_says_how_far_it_is() {
    let adapters = adapters();
    let Some((name, info)) = adapters.get(1) else { return };
    let subject = gpt(true, true, 0.1);
    let plan = plan(&[2, LAYERS], "1f1b", 2, Recompute::None);
    let train = |warm_up: bool| {
        let devices = with_all_kernels(&[&discover::cpu(), info]);
        let mut pipeline = subject.distribute(&plan, devices, options());
        let mut steps = Vec::new();
        for step in 1..=3 {
            if warm_up {
                let progress = |device: &str, done: usize, of: usize| {
                    assert!(device == "d1" && done <= of && of == 4, "{device}: {done} of {of}");
                };
                pipeline.warm_up(subject.micro_batches(50, 2), &progress).unwrap();
            }
            let result = pipeline.step(step, 0.01, subject.micro_batches(step, 2)).unwrap();
            assert!(result.measured.events.iter().all(|event| event.step > 0), "{name}");
            steps.push([result.loss, result.gradient_norm]);
        }
        (steps, tensors(&mut pipeline))
    };
    assert_eq!(train(true), train(false), "{name}");
}

/// The device finds it out before a save, where the next step's loss shows it, and behind every sixteenth
/// update, which the next step's record tells.
#[test]
fn an_update_of_an_adapter_that_is_not_finite_is_noticed() {
    let subject = gpt(true, false, 0.0);
    let folder = tempfile::tempdir().unwrap();
    for (name, info) in &adapters()[1..] {
        let plan = plan(&[2, LAYERS], "1f1b", 2, Recompute::None);
        let mut pipeline =
            subject.distribute(&plan, with_all_kernels(&[&discover::cpu(), info]), options());
        subject.train(&mut pipeline, 1..=2);
        let place = folder.path().join("step-3");
        pipeline.step(3, f64::INFINITY, subject.micro_batches(3, 2)).unwrap();
        let dead = |result: Result<(), EngineError>| match result {
            Err(EngineError::NotFiniteWeights { step: 3, .. }) => {}
            other => panic!("{name}: {other:?}"),
        };
        dead(pipeline.save(&place, SaveAs { step: 3, ..SaveAs::default() }));
        assert!(!place.exists(), "{name}");
        dead(pipeline.step(4, 0.01, subject.micro_batches(4, 2)).map(drop));
        // Of an adapter alone, where no save has asked before.
        let plan = whole(LAYERS, 2);
        for step in [3, 16] {
            let mut pipeline = subject.distribute(&plan, with_all_kernels(&[info]), options());
            pipeline.step(step, f64::INFINITY, subject.micro_batches(step, 2)).unwrap();
            match pipeline.step(step + 1, 0.01, subject.micro_batches(4, 2)) {
                Err(EngineError::NotFiniteWeights { step: of, .. }) => assert_eq!(of, step),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_trial_finds_every_kernel_right_on_every_adapter() {
    for (name, info) in &adapters()[1..] {
        let device = Device::open("d", info, 1 << 30, 1).unwrap();
        let speed_ups = device.kernel_speed_ups().unwrap();
        let wrong: Vec<_> = speed_ups.iter().filter(|(_, times)| times.is_none()).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
        // What is used is what is faster, and the same for a device that is opened once more.
        let used = device.kernels();
        assert!(speed_ups.iter().all(|(kernel, times)| !used.has(*kernel) || *times > Some(1.0)));
        assert_eq!(Device::open("e", info, 1 << 30, 1).unwrap().kernels(), used);
    }
}

#[test]
fn an_adapter_computes_with_the_kernels_of_the_profile() {
    let Some((_, info)) = adapters().into_iter().nth(1) else { return };
    let subject = gpt(true, false, 0.0);
    let set = KernelSet::named(&["gelu", "adamw", "of another version"]);
    assert_eq!(set.names(), ["adamw", "gelu"]);
    for kernels in [KernelSet::default(), set] {
        let device = Device::open("d0", &info, 1 << 30, 1).unwrap();
        device.use_kernels(kernels);
        let pipeline = subject.distribute(&whole(LAYERS, 2), vec![device], options());
        assert_eq!(pipeline.kernels(), [("d0".to_owned(), kernels)]);
    }
}

#[test]
fn memory_of_an_adapter_is_measured() {
    let adapters = adapters();
    let Some((name, info)) = adapters.get(1) else { return };
    let subject = gpt(true, false, 0.0);
    let mut pipeline = subject.distribute(&whole(LAYERS, 2), with_all_kernels(&[info]), options());
    let result = pipeline.step(1, 0.01, subject.micro_batches(1, 2)).unwrap();
    let usage = result.measured.usage[0];
    assert!(usage.is_some_and(|(now, peak)| 0 < now && now <= peak), "{name}: {usage:?}");
    assert!(result.measured.memory.len() >= 5, "a sample an action: {:?}", result.measured.memory);
}
