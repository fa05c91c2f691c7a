//! How long planning and simulating take, and how that grows.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use trainyard_plan::planner::{PlanRequest, closed_form_optimum, plan};
use trainyard_plan::simulate::simulate;
use trainyard_plan::{DeviceProfile, LayerProfile, LinkCost, ModelProfile, Plan, Profile};

/// Deterministic PRNG: Knuth's MMIX linear congruential generator.
struct Numbers(u64);

impl Numbers {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1_u64 << 31) as f64
    }
}

/// A model of unlike layers on unlike devices, whose memory, taken together, is `room` times what
/// one micro-batch needs.
fn profile(layers: usize, devices: usize, room: f64) -> Profile {
    let mut numbers = Numbers(7);
    let mut bytes = 0;
    let layer = |index: usize| {
        let params = (1 << 22) + (numbers.next() * f64::from(1 << 24)) as u64;
        let saved = (1 << 20) + (numbers.next() * f64::from(1 << 23)) as u64;
        bytes += params * 4 + saved;
        LayerProfile {
            name: format!("layer{index}"),
            param_bytes: params,
            input_bytes: 1 << 20,
            output_bytes: 1 << 20,
            saved_bytes: saved,
            ..LayerProfile::default()
        }
    };
    let layers: Vec<LayerProfile> = (0..layers).map(layer).collect();
    let shape: Vec<f64> = layers.iter().map(|_| 50.0 + 100.0 * numbers.next()).collect();
    let model = ModelProfile {
        name: "bench".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers,
    };
    let mut profile = Profile::new(model, 32);
    for index in 0..devices {
        let slowness = 1.0 + 4.0 * numbers.next();
        let share = room / devices as f64 * (0.5 + numbers.next());
        let mut times = |factor: f64| -> Vec<f64> {
            shape.iter().map(|t| t * factor * slowness * (0.9 + 0.2 * numbers.next())).collect()
        };
        profile.devices.push(DeviceProfile {
            id: format!("gpu{index}"),
            memory_bytes: (bytes as f64 * share) as u64,
            forward_us: times(1.0),
            input_grad_us: times(1.1),
            weight_grad_us: times(0.9),
            ..DeviceProfile::default()
        });
    }
    profile.default_link = Some(LinkCost { latency_us: 20.0, bytes_per_us: 6000.0 });
    profile
}

fn planning(c: &mut Criterion) {
    let mut group = c.benchmark_group("plan");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for (layers, devices) in [(64, 4), (200, 8)] {
        for (name, room) in [("roomy", 40.0), ("tight", 2.0)] {
            let profile = profile(layers, devices, room);
            let request = PlanRequest::new(&profile);
            let id = BenchmarkId::new(name, format!("{layers}x{devices}"));
            group.bench_function(id, |b| b.iter(|| plan(black_box(&request))));
        }
    }
    group.finish();
}

/// The exact search alone.
fn search(c: &mut Criterion) {
    let mut group = c.benchmark_group("search");
    group.sample_size(10).measurement_time(Duration::from_secs(2));
    let by_layers = [25, 50, 100, 200, 400].map(|layers| (layers, 6));
    let by_devices = [2, 4, 8, 10].map(|devices| (100, devices));
    for (layers, devices) in by_layers.into_iter().chain(by_devices) {
        let profile = profile(layers, devices, 2.0);
        let request = PlanRequest::new(&profile);
        let id = BenchmarkId::new("tight", format!("{layers}x{devices}"));
        group.bench_function(id, |b| b.iter(|| closed_form_optimum(black_box(&request))));
    }
    group.finish();
}

fn simulating(c: &mut Criterion) {
    let profile = Profile { micro_batches: 64, ..profile(64, 8, 40.0) };
    let planned =
        plan(&PlanRequest { schedule: "1f1b".parse().unwrap(), ..PlanRequest::new(&profile) });
    let Some(planned) = planned.ok().and_then(|planned| planned.candidates.into_iter().next())
    else {
        return;
    };
    let plan: Plan = planned.plan;
    c.bench_function("simulate 8 ranks, 64 micro-batches", |b| {
        b.iter(|| simulate(black_box(&profile), black_box(&plan)));
    });
}

criterion_group!(benches, planning, search, simulating);
criterion_main!(benches);
