//! The remedies of [`check_memory`], each done: what would fit fits, what would lower it lowers it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;
use trainyard_plan::memory::DeviceNeed;
use trainyard_plan::simulate::{check_memory, needs};
use trainyard_plan::{
    DeviceProfile, FixedTimes, LayerProfile, ModelProfile, Plan, PlanError, Profile, Recompute,
    Schedule, Stage,
};

const LAYERS: usize = 4;
const ROWS: usize = 8;

/// Even layers on two devices, eight micro-batches of [`ROWS`] rows, and costs that follow the rows.
fn profile(weights: u64, saved: u64, budgets: [u64; 2]) -> Profile {
    let layer = |index| LayerProfile {
        name: format!("layer{index}"),
        param_bytes: weights,
        input_bytes: 512,
        output_bytes: 512,
        saved_bytes: saved,
        workspace_bytes: 256,
        ..LayerProfile::default()
    };
    let model = ModelProfile {
        name: "even".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: (0..LAYERS).map(layer).collect(),
    };
    let none = vec![0.0; LAYERS];
    let device = |(index, memory_bytes): (usize, u64)| DeviceProfile {
        id: format!("d{index}"),
        memory_bytes,
        forward_us: vec![1.0; LAYERS],
        input_grad_us: vec![1.0; LAYERS],
        weight_grad_us: vec![1.0; LAYERS],
        fixed_us: Some(FixedTimes {
            forward: none.clone(),
            input_grad: none.clone(),
            weight_grad: none.clone(),
        }),
        ..DeviceProfile::default()
    };
    let devices = budgets.into_iter().enumerate().map(device).collect();
    Profile { devices, rows: Some(ROWS), ..Profile::new(model, 8) }
}

fn plan(schedule: &str, cut: usize, micro_batches: usize) -> Plan {
    let stage =
        |(index, layers)| Stage { device: format!("d{index}"), layers, recompute: Recompute::None };
    let stages = [(0, cut), (cut, LAYERS)].into_iter().enumerate().map(stage).collect();
    let schedule = Schedule::named(schedule, 2, micro_batches).unwrap();
    Plan::new("even", stages, schedule, micro_batches)
}

/// What a device needs.
fn need_of<'a>(needs: &'a [DeviceNeed], device: &str) -> &'a DeviceNeed {
    needs.iter().find(|need| need.device == device).unwrap()
}

proptest! {
    #[test]
    fn each_remedy_works(
        weights in 0_u64..4096,
        saved in 0_u64..1 << 16,
        budgets in [0_u64..1 << 19, 0_u64..1 << 19],
        cut in 1..LAYERS,
        schedule in prop::sample::select(vec!["gpipe", "1f1b", "zb-h1"]),
    ) {
        let short = profile(weights, saved, budgets);
        let first = plan(schedule, cut, 8);
        let Err(error) = check_memory(&short, &first) else { return Ok(()) };
        let PlanError::DoesNotFit { devices, hint } = error else { panic!("{error}") };
        let device = hint.split('\'').nth(1);
        if hint == "recompute = \"full\" would fit" {
            let mut recomputed = first;
            recomputed.stages.iter_mut().for_each(|stage| stage.recompute = Recompute::Full);
            prop_assert!(check_memory(&short, &recomputed).is_ok());
        } else if hint.ends_with("would lower them") {
            let before = need_of(&devices, device.unwrap()).needed_bytes;
            let needed = |profile: &Profile, plan: &Plan| {
                need_of(&needs(profile, plan).unwrap(), device.unwrap()).needed_bytes
            };
            let halved = Profile { micro_batches: 4, ..short.with_micro_batches(16).unwrap() };
            prop_assert!(needed(&halved, &plan(schedule, cut, 4)) < before, "{hint}");
            if hint.contains("more micro_batches") {
                let more = short.with_micro_batches(16).unwrap();
                prop_assert!(needed(&more, &plan(schedule, cut, 16)) < before, "{hint}");
            }
        } else {
            prop_assert!(hint.ends_with("give it more memory or fewer layers, or add a device"));
            let deficits: Vec<u64> = devices.iter().map(DeviceNeed::deficit_bytes).collect();
            let mut roomy = short.clone();
            for (device, deficit) in roomy.devices.iter_mut().zip(&deficits) {
                device.memory_bytes += deficit;
            }
            prop_assert!(check_memory(&roomy, &first).is_ok(), "{hint}");
            let named = need_of(&devices, device.unwrap());
            prop_assert_eq!(Some(&named.deficit_bytes()), deficits.iter().max());
        }
    }
}
