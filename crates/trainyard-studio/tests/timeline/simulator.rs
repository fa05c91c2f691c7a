//! What the timeline makes of a trace agrees with what the simulator says.

use proptest::prelude::*;
use trainyard_plan::simulate::simulate_traced;
use trainyard_plan::{ActionKind, Lane};
use trainyard_studio::theme::{Category, Idle};
use trainyard_studio::timeline::{Scene, Source, live_at, statistics};

use crate::samples;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn idle_causes_are_the_simulators((profile, plan) in samples::any_plan()) {
        let (simulation, trace) = simulate_traced(&profile, &plan).unwrap();
        let scene = Scene::new(&trace, Source::Predicted);
        let end = scene.extent_ns().1;
        let all = statistics(&scene, 0, end);
        for (device, found) in simulation.devices.iter().zip(&all.devices) {
            let idle = device.idle_us;
            let expected =
                [idle.warm_up_us, idle.drain_us, idle.neighbour_us, idle.link_us];
            for (cause, us) in Idle::ALL.into_iter().zip(expected) {
                let ns = found.idle(cause) as f64;
                // Every action's times are rounded to whole ns.
                let rounding = 2.0 * (found.actions + 1) as f64;
                prop_assert!(
                    (ns - us * 1e3).abs() <= rounding,
                    "{} {}: {ns} ns, the simulator has {us} µs in {:?}", device.id, cause.name(), plan
                );
            }
            let busy = (device.busy_us + device.optimizer_us) * 1e3;
            prop_assert!((found.busy_ns as f64 - busy).abs() <= 2.0 * (found.actions + 1) as f64);
        }
    }

    #[test]
    fn every_transfer_has_two_ends((profile, plan) in samples::any_plan()) {
        let (_, trace) = simulate_traced(&profile, &plan).unwrap();
        let scene = Scene::new(&trace, Source::Predicted);
        for (index, event) in scene.events().iter().enumerate() {
            let partner = scene.partner(index as u32).and_then(|partner| scene.event(partner));
            prop_assert_eq!(partner.is_some(), event.lane != Lane::Compute);
            if let Some(partner) = partner {
                prop_assert_eq!(
                    (partner.start_ns, partner.end_ns, partner.bytes, partner.action.micro_batch),
                    (event.start_ns, event.end_ns, event.bytes, event.action.micro_batch)
                );
                prop_assert_ne!(partner.device, event.device);
            }
        }
    }

    #[test]
    fn live_buffers_add_up((profile, plan) in samples::any_plan(), share in 0.0f64..1.0) {
        let (_, trace) = simulate_traced(&profile, &plan).unwrap();
        let scene = Scene::new(&trace, Source::Predicted);
        let ns = (scene.extent_ns().1 as f64 * share) as u64;
        for (device, of_device) in scene.devices().iter().enumerate() {
            // At the very instant of a change, rounding may put the two on different sides.
            let times = scene.events().iter().flat_map(|event| [event.start_ns, event.end_ns]);
            if times.into_iter().any(|time| time.abs_diff(ns) <= 2) {
                continue;
            }
            let live = live_at(&scene, device, ns);
            let held = of_device.memory.at(ns).unwrap();
            prop_assert_eq!(live.bytes, Some(held.bytes));
            let by_category = held.by_category.unwrap();
            let of = |category| live.tensors.iter().filter(move |t| t.category == category);
            let buffers: u64 = of(Category::Buffers).filter_map(|tensor| tensor.bytes).sum();
            prop_assert_eq!(buffers, by_category.buffers, "at {} ns of {:?}", ns, plan);
            let activations = of(Category::Activations).count();
            prop_assert_eq!(activations == 0, by_category.activations == 0);
            let stages = plan.schedule.owners().iter().filter(|owner| **owner == device).count();
            prop_assert_eq!(of(Category::Weights).count(), stages);
        }
    }
}

#[test]
fn nothing_is_live_on_a_device_that_is_not_there() {
    let scene = Scene::new(&samples::example().1, Source::Predicted);
    assert!(live_at(&scene, 99, 0).tensors.is_empty());
}

#[test]
fn optimizer_steps_close_a_step() {
    let mut trace = samples::measured(2);
    assert!(Scene::new(&trace, Source::Measured).steps().iter().all(|step| step.whole));
    trace.events.retain(|e| e.step != 2 || e.action.kind != ActionKind::Optimizer);
    let scene = Scene::new(&trace, Source::Measured);
    let whole: Vec<bool> = scene.steps().iter().map(|step| step.whole).collect();
    assert_eq!(whole, [true, false]);
    assert_eq!(scene.newest_step().map(|step| step.number), Some(1));
}
