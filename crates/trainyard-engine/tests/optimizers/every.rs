//! Rules that every registered optimizer keeps, on every shape of weight.

use burn::tensor::TensorData;
use trainyard_engine::Device;
use trainyard_engine::kernels::{KernelSet, with_kernels};
use trainyard_engine::optimizer::{AdamW, GroupedOptimizer, Muon, Sgd};
use trainyard_engine::optimizer::{
    Gradient, GroupEntry, GroupFactors, OPTIMIZERS, Optimizer, OptimizerGroup, OptimizerGroups,
    State, Update, WeightRole, WeightSpec, optimizer_kind,
};

use crate::adapter;
use crate::common::{
    DECAYING, Place, SHAPES, assert_near, bits, on_device, optimizers, trained, update,
};

fn everywhere(check: impl Fn(&dyn Optimizer, &[usize], GroupFactors)) {
    for optimizer in optimizers() {
        for shape in SHAPES {
            for matrices in [true, false] {
                check(optimizer.as_ref(), shape, GroupFactors { matrices, ..DECAYING });
            }
        }
    }
}

#[test]
fn the_registry_names_each_optimizer_once() {
    for kind in OPTIMIZERS {
        let optimizer = (kind.default)();
        assert_eq!(optimizer.name(), kind.name);
        optimizer.check().unwrap();
        assert_eq!(optimizer_kind(kind.name).unwrap().doc, kind.doc);
    }
    assert!(optimizer_kind("adam").is_none());
}

#[test]
fn host_and_device_take_the_same_steps() {
    everywhere(|optimizer, shape, factors| {
        let values = |place: &Place| trained(shape, factors).train(optimizer, place, 1..=5).values;
        let what = format!("{} {shape:?}", optimizer.name());
        assert_near(&what, &values(&Place::Host), &values(&on_device()), 2e-5);
    });
}

#[test]
fn the_same_steps_give_the_same_bits() {
    everywhere(|optimizer, shape, factors| {
        for place in [Place::Host, on_device()] {
            let run = || bits(&trained(shape, factors).train(optimizer, &place, 1..=4).values);
            assert_eq!(run(), run(), "{} {shape:?}", optimizer.name());
        }
    });
}

#[test]
fn state_takes_the_bytes_it_was_said_to_take() {
    everywhere(|optimizer, shape, factors| {
        for place in [Place::Host, on_device()] {
            let mut run = trained(shape, factors);
            let said = optimizer.state_bytes(&run.weight, &factors);
            for step in 1..=3 {
                run = run.train(optimizer, &place, step..=step);
                let taken = run.state.as_ref().map_or(0, State::bytes);
                assert_eq!(taken, said, "{} {shape:?}, step {step}", optimizer.name());
            }
            let idle = |role| WeightSpec { role, ..run.weight.clone() };
            for role in [WeightRole::Frozen, WeightRole::Buffer] {
                assert_eq!(optimizer.state_bytes(&idle(role), &factors), 0);
            }
        }
    });
}

/// What a model of such weights needs, by the books.
#[test]
fn state_bytes_by_hand() {
    let bytes = |name: &str, shape: &[usize]| {
        let optimizer = (optimizer_kind(name).unwrap().default)();
        optimizer.state_bytes(&WeightSpec::trained("w", shape), &GroupFactors::default())
    };
    for (name, matrix, convolution, vector) in [
        ("adamw", 8 * 512 * 256, 8 * 64 * 27, 8 * 512),
        ("sgd", 4 * 512 * 256, 4 * 64 * 27, 4 * 512),
        ("lion", 4 * 512 * 256, 4 * 64 * 27, 4 * 512),
        ("adafactor", 4 * (512 + 256), 4 * (64 + 27), 4 * 512),
        ("muon", 4 * 512 * 256, 4 * 64 * 27, 8 * 512),
    ] {
        assert_eq!(bytes(name, &[512, 256]), matrix, "{name}");
        assert_eq!(bytes(name, &[64, 3, 3, 3]), convolution, "{name}");
        assert_eq!(bytes(name, &[512]), vector, "{name}");
    }
    let plain = Sgd { momentum: 0.0, ..Sgd::default() };
    let weight = WeightSpec::trained("w", [5]);
    assert_eq!(plain.state_bytes(&weight, &GroupFactors::default()), 0);
}

/// Measuring counts on it.
#[test]
fn a_learning_rate_of_0_leaves_weights_as_they_are() {
    everywhere(|optimizer, shape, factors| {
        for place in [Place::Host, on_device()] {
            let mut run = trained(shape, factors);
            let before = run.values.clone();
            let update = Update { learning_rate: 0.0, ..update(1) };
            let after = optimizer.update_weight(run.entry(&place, 1), &update).unwrap();
            assert_eq!(
                after.values.try_into_vec_as::<f32>().unwrap(),
                before,
                "{}",
                optimizer.name()
            );
        }
    });
}

#[test]
fn a_group_is_updated_as_its_weights_are_one_by_one() {
    for optimizer in optimizers() {
        let alone: Vec<_> = SHAPES
            .map(|shape| {
                bits(
                    &trained(shape, DECAYING).train(optimizer.as_ref(), &Place::Host, 1..=1).values,
                )
            })
            .into();
        let mut weights = SHAPES.map(|shape| trained(shape, DECAYING));
        let group = weights.iter_mut().map(|weight| weight.entry(&Place::Host, 1)).collect();
        let together = optimizer.update(group, &update(1)).unwrap();
        let together: Vec<_> = together
            .into_iter()
            .map(|updated| bits(&updated.values.try_into_vec_as::<f32>().unwrap()))
            .collect();
        assert_eq!(together, alone, "{}", optimizer.name());
    }
}

#[test]
fn an_update_that_looks_sees_what_is_not_finite() {
    let looked = |optimizer: &dyn Optimizer, bad: f32| {
        let mut run = trained(&[5], DECAYING);
        let gradient = TensorData::new(vec![0.5, bad, 0.5, -0.5, 0.5], [5]);
        let entry = GroupEntry { gradient: Gradient::Host(gradient), ..run.entry(&Place::Host, 1) };
        optimizer.update_weight(entry, &update(1)).unwrap().finite
    };
    for optimizer in optimizers() {
        for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            assert_ne!(looked(&*optimizer, bad), Some(true), "{} {bad}", optimizer.name());
        }
    }
    // The weight stays finite: only Adam's second moment does not.
    assert_eq!(looked(&AdamW::default(), 1e30), Some(false));
    assert_eq!(looked(&AdamW::default(), 1e3), Some(true));
    assert_eq!(looked(&Sgd::default(), 1e30), Some(true));
}

#[test]
fn groups_change_how_far_a_weight_moves() {
    let group = |learning_rate_factor, weight_decay| OptimizerGroup {
        learning_rate_factor,
        weight_decay,
        ..OptimizerGroup::new("slow/*")
    };
    let moved = |groups: Vec<OptimizerGroup>, layer: &str| {
        let grouped = GroupedOptimizer { groups: OptimizerGroups(groups), ..Sgd::default().into() };
        let weight = trained(&[4, 6], DECAYING).weight;
        let factors = grouped.factors(layer, &weight);
        let before = trained(&[4, 6], factors);
        let start = before.values.clone();
        let end = before.train(grouped.optimizer.as_ref(), &Place::Host, 1..=1).values;
        start.iter().zip(end).map(|(a, b)| f64::from(a - b).abs()).sum::<f64>()
    };
    let whole = moved(Vec::new(), "slow");
    assert!(whole > 0.1);
    assert!(moved(vec![group(0.0, None)], "slow") < 1e-12);
    assert!((moved(vec![group(0.0, None)], "other") - whole).abs() < 1e-12);
    assert!((moved(vec![group(0.25, None)], "slow") / whole - 0.25).abs() < 1e-5);
    assert!((moved(vec![group(1.0, Some(5.0))], "slow") - whole).abs() > 0.1);
}

#[test]
fn options_without_sense_are_refused() {
    let refused = |optimizer: &dyn Optimizer| optimizer.check().unwrap_err().to_string();
    let message = refused(&AdamW { beta1: 1.0, ..AdamW::default() });
    assert_eq!(message, "optimizer.beta1 is 1, but must be at least 0 and below 1");
    let message = refused(&Sgd { momentum: f64::NAN, ..Sgd::default() });
    assert!(message.starts_with("optimizer.momentum is NaN"), "{message}");
    let message = refused(&Muon { iterations: 0, ..Muon::default() });
    assert_eq!(message, "optimizer.iterations is 0, but must be 1 to 100");
}

#[test]
fn every_adapter_takes_the_hosts_steps() {
    for (name, info) in adapter::known() {
        let device = Device::open("adapter", &info, 1 << 28, 1).unwrap();
        for kernels in [KernelSet::default(), KernelSet::all()] {
            with_kernels(&device, kernels, || {
                takes_the_hosts_steps(&format!("{name}, {kernels:?}"), &device);
            });
        }
    }
}

fn takes_the_hosts_steps(name: &str, device: &Device) {
    let place = Place::Device(device.burn().clone());
    for optimizer in optimizers() {
        for shape in [&[5][..], &[6, 4], &[3, 2, 2, 2], &[257]] {
            let run = |place: &Place| trained(shape, DECAYING).train(&*optimizer, place, 1..=3);
            let what = format!("{} {shape:?} on {name}", optimizer.name());
            let (found, expected) = (run(&place), run(&Place::Host));
            assert_near(&what, &found.values, &expected.values, 1e-4);
            let entries = |run: &crate::common::Trained| {
                run.state.as_ref().map(|state| state.entries().unwrap()).unwrap_or_default()
            };
            for (found, expected) in entries(&found).iter().zip(&entries(&expected)) {
                assert_eq!((&found.name, &found.shape), (&expected.name, &expected.shape));
                assert_near(&what, &found.values, &expected.values, 1e-4);
            }
        }
    }
}
