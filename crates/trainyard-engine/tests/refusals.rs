//! What does not fit or does not match is refused before anything is made.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod toy;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use trainyard_engine::{
    Device, EngineError, ErasedLayer, LayerSpec, Model, Part, Pipeline, discover,
};
use trainyard_plan::memory::MemoryUse;
use trainyard_plan::{Plan, PlanError, Recompute};

use toy::{Toy, cpus, losses, micro_batches, pipeline, plan, profile, try_distribute};

/// A toy that counts how many layers were made.
struct Counted {
    toy: Toy,
    built: AtomicUsize,
}

impl Model for Counted {
    fn name(&self) -> &str {
        self.toy.name()
    }
    fn layers(&self) -> Vec<LayerSpec> {
        self.toy.layers()
    }
    fn build(
        &self,
        layer: usize,
        seed: u64,
        device: &burn::tensor::Device,
    ) -> Result<ErasedLayer, EngineError> {
        self.built.fetch_add(1, Ordering::SeqCst);
        self.toy.build(layer, seed, device)
    }
}

fn bad_plan(distributed: Result<Pipeline, EngineError>) -> String {
    match distributed.err() {
        Some(EngineError::Plan(error @ PlanError::BadPlan { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn distribute(plan: &Plan, devices: Vec<Device>, layers: usize) -> Result<Pipeline, EngineError> {
    let model = Toy::sound(layers);
    let profile = profile(&model, &devices, plan.micro_batches);
    try_distribute(Arc::new(model), &profile, plan, devices)
}

#[test]
fn a_model_that_does_not_fit_is_refused_before_anything_is_allocated() {
    let model = Arc::new(Counted { toy: Toy::sound(4), built: AtomicUsize::new(0) });
    let plan = plan(4, 2, "1f1b", 2, Recompute::None);
    let distribute = |plan: &Plan, devices: Vec<Device>| {
        let profile = profile(&model.toy, &devices, 2);
        try_distribute(Arc::clone(&model) as _, &profile, plan, devices)
    };
    let cpu = discover::cpu();
    let devices = || {
        vec![
            Device::open("d0", &cpu, 1 << 20, 1).unwrap(),
            Device::open("d1", &cpu, 1_000, 1).unwrap(),
        ]
    };
    let refused = distribute(&plan, devices()).err().unwrap();
    let EngineError::Plan(PlanError::DoesNotFit { devices: needs, hint }) = &refused else {
        panic!("{refused:?}")
    };
    let [first, second] = needs.as_slice() else { panic!("{needs:?}") };
    assert_eq!((first.device.as_str(), first.budget_bytes), ("d0", 1 << 20));
    assert_eq!((second.device.as_str(), second.budget_bytes), ("d1", 1_000));
    assert_eq!(first.deficit_bytes(), 0);
    assert!(second.deficit_bytes() > 0);
    assert_eq!(second.deficit_bytes(), second.needed_bytes - 1_000);
    assert_eq!(second.needed_bytes, second.peak.total());
    assert!(!hint.is_empty());
    let text = refused.to_string();
    assert!(text.contains("d1") && text.contains("1000 B"), "{text}");
    assert_eq!(model.built.load(Ordering::SeqCst), 0, "layers were made before the refusal");

    // The same on one device that could hold either half.
    let one = toy::plan(4, 1, "gpipe", 2, Recompute::None);
    let budget = first.needed_bytes + second.needed_bytes / 2;
    let refused = distribute(&one, cpus(1, budget));
    assert!(matches!(refused.err(), Some(EngineError::Plan(PlanError::DoesNotFit { .. }))));
    let trains = distribute(&plan, cpus(2, budget));
    losses(&mut trains.unwrap(), 1..=2);
    assert_eq!(model.built.load(Ordering::SeqCst), 4);
}

#[test]
fn a_device_accounts_for_what_it_is_given() {
    let mut device = cpus(1, 1_000).remove(0);
    let part = |name: &str, weights| Part {
        name: name.to_owned(),
        memory: MemoryUse { weights, buffers: 100, ..MemoryUse::default() },
    };
    device.allocate(part("a", 300)).unwrap();
    assert_eq!((device.allocated().total(), device.available_bytes()), (400, 600));
    match device.allocate(part("b", 501)) {
        Err(EngineError::OverBudget { device: id, part, needed_bytes, available_bytes }) => {
            assert_eq!((id.as_str(), part.as_str()), ("d0", "b"));
            assert_eq!((needed_bytes, available_bytes), (601, 600));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(device.available_bytes(), 600, "a refusal takes nothing");
    device.allocate(part("b", 500)).unwrap();
    assert_eq!(device.available_bytes(), 0);
    assert!(device.release("a"));
    assert_eq!(device.available_bytes(), 400);
    assert!(!device.release("a"), "it is gone");
    device.allocate(part("b", 300)).unwrap();
    assert!(device.release("b"));
    assert_eq!(device.allocated().total(), 600, "one part of that name is left");
    assert_eq!(device.capacity_bytes(), 1_000);
}

#[test]
fn what_is_allocated_already_counts() {
    let plan = plan(2, 1, "gpipe", 1, Recompute::None);
    let need = pipeline(Toy::sound(2), &plan).needs()[0].needed_bytes;
    let mut device = cpus(1, need + 99).remove(0);
    let memory = MemoryUse { weights: 100, ..MemoryUse::default() };
    device.allocate(Part { name: "something else".to_owned(), memory }).unwrap();
    let refused = distribute(&plan, vec![device], 2).err();
    assert!(matches!(refused, Some(EngineError::Plan(PlanError::DoesNotFit { .. }))));
}

#[test]
fn devices_in_any_order_are_found_by_their_ids() {
    let plan = plan(3, 3, "1f1b", 2, Recompute::None);
    let mut expected = pipeline(Toy::sound(3), &plan);
    let expected = losses(&mut expected, 1..=3);
    let mut devices = cpus(4, 1 << 20);
    devices.reverse();
    let mut pipeline = distribute(&plan, devices, 3).unwrap();
    let ids: Vec<&str> = pipeline.needs().iter().map(|need| need.device.as_str()).collect();
    assert_eq!(ids, ["d0", "d1", "d2"], "needs are in rank order");
    assert_eq!(losses(&mut pipeline, 1..=3), expected);
}

#[test]
fn two_devices_of_one_id_are_refused() {
    let plan = plan(2, 2, "gpipe", 1, Recompute::None);
    let mut devices = cpus(2, 1 << 20);
    devices.push(cpus(1, 1 << 20).remove(0));
    let message = bad_plan(distribute(&plan, devices, 2));
    assert!(message.contains("two devices have the id 'd0'"), "{message}");
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    let message =
        bad_plan(distribute(&plan(2, 2, "gpipe", 1, Recompute::None), cpus(1, 1 << 20), 2));
    assert!(message.contains("'d1'"), "{message}");
}

#[test]
fn two_ranks_on_one_device_are_refused_with_the_way_out() {
    let mut plan = plan(2, 2, "gpipe", 1, Recompute::None);
    plan.stages[1].device = "d0".to_owned();
    let message = bad_plan(distribute(&plan, cpus(2, 1 << 20), 2));
    assert!(message.contains("both on device 'd0'") && message.contains("join"), "{message}");
}

#[test]
fn a_schedule_with_transfers_of_its_own_is_refused_before_it_runs() {
    let mut plan = plan(2, 2, "gpipe", 1, Recompute::None);
    plan.schedule = plan.schedule.with_transfers();
    plan.schedule.name = "explicit".to_owned();
    let message = bad_plan(distribute(&plan, cpus(2, 1 << 20), 2));
    assert!(message.contains("explicit") && message.contains("0SEND_F0"), "{message}");
    assert!(message.ends_with("leave only F, B, I and W in it"), "{message}");
    plan.schedule = plan.schedule.compute_only();
    losses(&mut distribute(&plan, cpus(2, 1 << 20), 2).unwrap(), 1..=1);
}

#[test]
fn micro_batches_that_the_plan_was_not_made_for_are_refused_and_training_goes_on() {
    let plan = plan(2, 2, "1f1b", 2, Recompute::None);
    let mut disturbed = pipeline(Toy::sound(2), &plan);
    losses(&mut disturbed, 1..=1);
    let refused = |error: EngineError| match error {
        EngineError::Plan(PlanError::BadNumber { what, value, .. }) => (what, value),
        other => panic!("{other:?}"),
    };
    let (what, value) = refused(disturbed.step(2, 0.01, micro_batches(2, 3)).unwrap_err());
    assert!(what.contains("micro-batches") && value == "3", "{what}");
    for rows in [0, toy::ROWS + 1] {
        let mut wrong = micro_batches(2, 2);
        wrong[1].rows = rows;
        let (what, value) = refused(disturbed.step(2, 0.01, wrong).unwrap_err());
        assert!(what.contains("rows") && value == rows.to_string(), "{what}");
    }
    refused(disturbed.evaluate(Vec::new()).unwrap_err());
    let mut expected = pipeline(Toy::sound(2), &plan);
    losses(&mut expected, 1..=1);
    assert_eq!(losses(&mut disturbed, 2..=4), losses(&mut expected, 2..=4));
}
