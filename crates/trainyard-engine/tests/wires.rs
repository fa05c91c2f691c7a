//! Links on which tensors travel in fewer bits: a training goes on nearly as over exact ones.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod adapter;
mod toy;

use std::collections::BTreeMap;
use std::sync::Arc;

use toy::{Toy, cpus, losses, plan, profile, try_distribute};
use trainyard_engine::{Device, WireFormat};
use trainyard_plan::Recompute;

const STAGES: usize = 3;
/// By how much a loss may differ from that over exact links, as a share of it.
const NEAR: [(WireFormat, f64); 3] =
    [(WireFormat::F16, 1e-3), (WireFormat::Bf16, 1e-2), (WireFormat::Q8, 3e-2)];

type Losses = Vec<f64>;

/// The losses of five steps with devices that are made ready by `ready`.
fn trained(schedule: &str, devices: Vec<Device>, ready: impl Fn(Device) -> Device) -> Losses {
    let plan = plan(STAGES, STAGES, schedule, 2, Recompute::None);
    let model = Toy::sound(STAGES);
    let profile = profile(&model, &devices, plan.micro_batches);
    let devices = devices.into_iter().map(ready).collect();
    let mut pipeline = try_distribute(Arc::new(model), &profile, &plan, devices).unwrap();
    losses(&mut pipeline, 1..=5)
}

fn all(wire: WireFormat) -> impl Fn(Device) -> Device {
    move |device| device.with_wires(wire, BTreeMap::new())
}

fn check(schedule: &str, devices: impl Fn() -> Vec<Device>) {
    let exact = trained(schedule, devices(), all(WireFormat::F32));
    for (wire, share) in NEAR {
        let packed = trained(schedule, devices(), all(wire));
        assert_ne!(packed, exact, "{schedule}, {wire:?}: nothing was packed");
        for (packed, exact) in packed.iter().zip(&exact) {
            let error = (packed - exact).abs() / exact;
            assert!(error <= share, "{schedule}, {wire:?}: {packed}, exactly {exact}");
        }
    }
}

#[test]
fn losses_over_packed_links_are_near_those_over_exact_ones() {
    for schedule in ["gpipe", "1f1b", "zb-h1"] {
        check(schedule, || cpus(STAGES, 1 << 20));
    }
}

#[test]
fn one_link_alone_may_be_packed() {
    let exact = trained("1f1b", cpus(STAGES, 1 << 20), all(WireFormat::F32));
    let one = |device: Device| {
        let wires = BTreeMap::from([("d1".to_owned(), WireFormat::Bf16)]);
        let wires = if device.id() == "d0" { wires } else { BTreeMap::new() };
        device.with_wires(WireFormat::F32, wires)
    };
    let packed = trained("1f1b", cpus(STAGES, 1 << 20), one);
    let everywhere = trained("1f1b", cpus(STAGES, 1 << 20), all(WireFormat::Bf16));
    assert!(packed != exact && packed != everywhere);
    // The format is the sender's: nothing goes from d2 to d1 in it.
    let none = |device: Device| {
        let wires = BTreeMap::from([("d0".to_owned(), WireFormat::Q8)]);
        let wires = if device.id() == "d2" { wires } else { BTreeMap::new() };
        device.with_wires(WireFormat::F32, wires)
    };
    assert_eq!(trained("1f1b", cpus(STAGES, 1 << 20), none), exact);
}

#[test]
fn losses_over_packed_links_between_adapters_and_the_cpu_are_near_too() {
    for (_, info) in adapter::known() {
        check("1f1b", || {
            let mut devices = cpus(STAGES, 1 << 20);
            devices[0] = Device::open("d0", &info, 1 << 24, 1).unwrap();
            devices[1] = Device::open("d1", &info, 1 << 24, 1).unwrap();
            devices
        });
    }
}
