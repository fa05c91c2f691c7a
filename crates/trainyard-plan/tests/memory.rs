//! The memory formulas by hand, the message of a shortage, and sizes as people write them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;
use trainyard_plan::costs::PipelineCosts;
use trainyard_plan::memory::{
    BackwardKind, DeviceNeed, StageMemory, exact_bytes, human_bytes, parse_bytes,
};
use trainyard_plan::simulate::{check_memory, needs};
use trainyard_plan::{
    DeviceProfile, LayerProfile, MemoryUse, ModelProfile, Plan, PlanError, Profile, Recompute,
    Schedule, Stage,
};

/// Two layers and a head that shares the first one's weights, on two devices.
fn profile(x_bytes: u64, y_bytes: u64) -> Profile {
    let layer = |name: &str, param_bytes, tied_to: Option<&str>| LayerProfile {
        name: name.into(),
        param_bytes,
        input_bytes: 10,
        output_bytes: 20,
        saved_bytes: 300,
        workspace_bytes: param_bytes / 2,
        tied_to: tied_to.map(str::to_owned),
        ..LayerProfile::default()
    };
    let model = ModelProfile {
        name: "tiny".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: vec![layer("a", 1000, None), layer("b", 600, None), layer("head", 1000, Some("a"))],
    };
    let device = |id: &str, memory_bytes| DeviceProfile {
        id: id.into(),
        memory_bytes,
        forward_us: vec![1.0; 3],
        input_grad_us: vec![1.0; 3],
        weight_grad_us: vec![1.0; 3],
        ..DeviceProfile::default()
    };
    let devices = vec![device("x", x_bytes), device("y", y_bytes)];
    Profile { devices, ..Profile::new(model, 8) }
}

fn stage(device: &str, layers: (usize, usize)) -> Stage {
    Stage { device: device.into(), layers, recompute: Recompute::None }
}

fn plan(stages: Vec<Stage>, schedule: &str, m: usize) -> Plan {
    let schedule = Schedule::named(schedule, stages.len(), m).unwrap();
    Plan::new("tiny", stages, schedule, m)
}

#[test]
fn a_stage_by_hand() {
    let memory = StageMemory::of(&profile(0, 0), 0, 1..3);
    let fixed = MemoryUse {
        weights: 1600,
        gradients: 1600,
        optimizer: 2 * 600, // the head's weights are a's
        ..MemoryUse::default()
    };
    assert_eq!(memory.fixed, fixed);
    assert_eq!(
        (memory.input, memory.output, memory.saved, memory.weight_saved),
        (10, 20, 600, 600)
    );
    // At the head, 500 of work beside all that is kept; at b, 300 beside half of it.
    assert_eq!(memory.forward_workspace(Recompute::None), 500);
    assert_eq!(memory.backward_workspace(Recompute::None, BackwardKind::default()), 500);
    assert_eq!(
        memory.peak(Recompute::None, 4, 8),
        MemoryUse { activations: 4 * 600 + 500, ..fixed }
    );
    // Recomputed, four inputs are kept, and one micro-batch's activations while its backward runs.
    let recomputed = MemoryUse { activations: 4 * 10 + 600 + 500, ..fixed };
    assert_eq!(memory.peak(Recompute::Full, 4, 8), recomputed);
    assert_eq!(StageMemory::of(&profile(0, 0), 0, 7..9), StageMemory::default());
}

#[test]
fn what_a_device_measured_replaces_what_the_model_says() {
    let mut profile = profile(0, 0);
    profile.devices[1].saved_bytes = Some(vec![1, 2, 4]);
    profile.devices[1].workspace_bytes = Some(vec![0, 0, 0]);
    assert_eq!(StageMemory::of(&profile, 0, 0..3).saved, 900);
    let memory = StageMemory::of(&profile, 1, 0..3);
    assert_eq!((memory.saved, memory.weight_saved), (7, 7));
    assert_eq!(memory.backward_workspace(Recompute::None, BackwardKind::default()), 0);
    profile.model.layers[2].weight_saved_bytes = Some(3);
    profile.model.layers[1].weight_saved_bytes = Some(300);
    // It has the gradients of outputs too, and so can be more than what was saved.
    assert_eq!(StageMemory::of(&profile, 1, 0..3).weight_saved, 1 + 300 + 3);
}

#[test]
fn a_profile_of_budgets_makes_room_for_new_sums() {
    let model = profile(0, 0).model;
    let budgets = Profile::of_budgets(model, [("x", 70), ("y", 80)], 5);
    assert!(budgets.estimated);
    assert_eq!(budgets.micro_batches, 5);
    let devices: Vec<_> = budgets.devices.iter().map(|d| (d.id.as_str(), d.memory_bytes)).collect();
    assert_eq!(devices, [("x", 70), ("y", 80)]);
    for device in &budgets.devices {
        // A layer's own work, and three times its weights.
        assert_eq!(device.workspace_bytes, Some(vec![500 + 3000, 300 + 1800, 500 + 3000]));
        for times in [&device.forward_us, &device.input_grad_us, &device.weight_grad_us] {
            assert_eq!(*times, [1.0; 3]);
        }
    }
    budgets.check().unwrap();
}

#[test]
fn fresh_gradients_grow_as_activations_go() {
    let mut profile = profile(0, 0);
    profile.model.fresh_bytes_per_param_byte = 1;
    let memory = StageMemory::of(&profile, 0, 0..3);
    // Backward at the head: 900 kept, 1000 fresh, 500 of work = 2400; at b: 600, 1600, 300 = 2500;
    // at a: 300, 2600, 500 = 3400, which is 2500 more than was kept.
    assert_eq!(memory.backward_workspace(Recompute::None, BackwardKind::default()), 2500);
    assert_eq!(memory.backward_workspace(Recompute::Full, BackwardKind::default()), 2500 + 900);
}

#[test]
fn gradients_that_are_added_as_they_come_stand_beside_no_sums() {
    let mut profile = profile(0, 0);
    profile.model.fresh_bytes_per_param_byte = 1;
    for layer in &mut profile.model.layers[1..] {
        layer.fresh_bytes = Some(0);
        layer.weight_saved_bytes = Some(50);
    }
    let memory = StageMemory::of(&profile, 0, 0..3);
    let workspace =
        |first, split| memory.backward_workspace(Recompute::None, BackwardKind { first, split });
    // Head: 900 kept and 500 of work; a: 300, its own 1000 fresh, 500 of work.
    assert_eq!(workspace(false, false), 300 + 1000 + 500 - 900);
    // The first micro-batch's gradients become the sums, which are not there before.
    assert_eq!((workspace(true, false), memory.sums_to_come()), (2500, 2600));
    // The first half keeps what the second needs: 50 of each layer after a.
    assert_eq!(workspace(false, true), 300 + 1000 + (50 + 50) + 500 - 900);
    assert_eq!(memory.weight_saved, 300 + 50 + 50);
}

#[test]
fn the_first_gradients_of_a_step_become_the_sums() {
    let mut profile = profile(1 << 20, 1 << 20);
    profile.model.fresh_bytes_per_param_byte = 1;
    let memory = StageMemory::of(&profile, 0, 0..3);
    let gradients = |m| memory.peak(Recompute::None, 1, m).gradients;
    assert_eq!((memory.fixed.gradients, gradients(1), gradients(2)), (2600, 0, 2600));
    // All in flight: the first backward holds one micro-batch more than the second, the second has
    // the sums.
    let peak = memory.peak(Recompute::None, 3, 3);
    assert_eq!((peak.activations, peak.gradients), (2 * 900 + 2500, 2600));
    profile.model.layers.iter_mut().for_each(|layer| layer.saved_bytes = 3000);
    let memory = StageMemory::of(&profile, 0, 0..3);
    let peak = memory.peak(Recompute::None, 3, 3);
    assert_eq!((peak.activations, peak.gradients), (3 * 9000 + 1500, 0));
    for (m, in_flight) in [(1, 1), (3, 3)] {
        let alone = plan(vec![stage("x", (0, 3))], "gpipe", m);
        let peak = memory.peak(Recompute::None, in_flight, m);
        assert_eq!(needs(&profile, &alone).unwrap()[0].peak, peak);
    }
}

#[test]
fn a_stage_keeps_the_output_that_its_last_layer_needs() {
    let mut profile = profile(0, 0);
    profile.model.layers.iter_mut().for_each(|layer| layer.output_saved_bytes = 20);
    let memory = StageMemory::of(&profile, 0, 0..2);
    assert_eq!((memory.kept(Recompute::None), memory.kept(Recompute::Full)), (620, 10));
    // 600 kept and 300 of work at b, in which its output is; 1000 at the head.
    assert_eq!(memory.forward_workspace(Recompute::None), 300 - 20);
    // And the output's gradient, while the forward runs again.
    assert_eq!(memory.backward_workspace(Recompute::Full, BackwardKind::default()), 900 + 20);
}

#[test]
fn a_plan_by_hand() {
    let stages = vec![stage("x", (0, 1)), stage("y", (1, 3))];
    let profile = profile(1 << 20, 1 << 20);
    let devices = needs(&profile, &plan(stages, "1f1b", 8)).unwrap();
    let x = StageMemory::of(&profile, 0, 0..1).peak(Recompute::None, 2, 8);
    let y = StageMemory::of(&profile, 1, 1..3).peak(Recompute::None, 1, 8);
    let peaks: Vec<_> = devices.iter().map(|need| (need.device.as_str(), need.peak)).collect();
    assert_eq!(peaks[0], ("x", x));
    // While y computes one micro-batch, x has made the next: its output waits there.
    assert_eq!(peaks[1], ("y", MemoryUse { buffers: 20, ..y }));
    assert_eq!(devices[1].needed_bytes, y.total() + 20);
}

#[test]
fn what_kernels_keep_counts_once_a_device() {
    let mut profile = profile(1 << 20, 1 << 20);
    // Two stages of one rank, on one device.
    let stages = vec![stage("x", (0, 1)), stage("y", (1, 2)), stage("x", (2, 3))];
    let schedule = Schedule::from_csv("", "0F0,2F0,2B0,0B0\n1F0,1B0,,\n").unwrap().schedule;
    let plan = Plan::new("tiny", stages, schedule, 1);
    let without = needs(&profile, &plan).unwrap();
    profile.devices[0].overhead_bytes = 5000;
    let with = needs(&profile, &plan).unwrap();
    assert_eq!(with[0].needed_bytes, without[0].needed_bytes + 5000);
    assert_eq!(with[0].peak.activations, without[0].peak.activations + 5000);
    assert_eq!(with[1], without[1]);
    // A budget that was enough is so no more.
    profile.devices[0].memory_bytes = without[0].needed_bytes + 4999;
    let Err(PlanError::DoesNotFit { devices, .. }) = check_memory(&profile, &plan) else {
        panic!("it fits");
    };
    assert_eq!(devices[0].deficit_bytes(), 1);
    profile.devices[0].overhead_bytes = u64::MAX;
    assert_eq!(needs(&profile, &plan).unwrap()[0].needed_bytes, u64::MAX);
}

#[test]
fn shortage_is_told_with_a_true_hint() {
    let short = |x, y| {
        let plan = plan(vec![stage("x", (0, 1)), stage("y", (1, 3))], "gpipe", 8);
        check_memory(&profile(x, y), &plan).map_err(|error| error.to_string())
    };
    assert!(short(1 << 20, 1 << 20).is_ok());
    assert!(short(1 << 20, 9000).unwrap_err().ends_with("recompute = \"full\" would fit"));
    assert_eq!(
        short(6000, 9000).unwrap_err(),
        "it does not fit in the devices' memory:
  device     needs    budget  short by
  x       6.74 KiB  5.86 KiB  900 B
  y       9.47 KiB  8.79 KiB  700 B
recompute = \"full\" would fit"
    );
    let text = short(10, 9000).unwrap_err();
    let hint = "'x' is short by 6.73 KiB: give it more memory or fewer layers, or add a device";
    assert!(text.ends_with(hint), "{text}");
}

#[test]
fn activations_that_dominate_are_named() {
    let mut profile = profile(9000, 0);
    profile.model.layers.iter_mut().for_each(|layer| {
        layer.saved_bytes = 1 << 20;
        layer.input_bytes = 1 << 20;
    });
    let hint = |name: &str| {
        let plan = plan(vec![stage("x", (0, 3))], name, 8);
        check_memory(&profile, &plan).unwrap_err().to_string()
    };
    assert!(hint("gpipe").ends_with("a smaller batch would lower them"));
    let mut spelled_out = plan(vec![stage("x", (0, 1)), stage("y", (1, 3))], "gpipe", 8);
    spelled_out.schedule = spelled_out.schedule.with_transfers();
    let told = check_memory(&profile, &spelled_out).unwrap_err().to_string();
    assert!(told.ends_with("a smaller batch would lower them"), "{told}");
    assert!(hint("1f1b").ends_with("a smaller batch or more micro_batches would lower them"));
}

#[test]
fn activations_that_are_just_half_do_not_dominate() {
    let mut profile = profile(10, 0);
    for layer in &mut profile.model.layers {
        (layer.input_bytes, layer.saved_bytes, layer.workspace_bytes) = (0, 0, 0);
    }
    let plan = plan(vec![stage("x", (0, 3))], "1f1b", 1);
    let fixed = needs(&profile, &plan).unwrap()[0].needed_bytes;
    for (activations, most) in [(fixed, false), (fixed + 1, true)] {
        profile.model.layers[0].saved_bytes = activations;
        let need = needs(&profile, &plan).unwrap()[0].clone();
        assert_eq!((need.peak.activations, need.needed_bytes), (activations, fixed + activations));
        let told = check_memory(&profile, &plan).unwrap_err().to_string();
        assert_eq!(told.contains("most of what 'x' needs is activations"), most, "{told}");
    }
}

#[test]
fn unknown_devices_and_layers_are_bad_plans() {
    for stages in [[stage("z", (0, 3))], [stage("x", (0, 4))], [stage("x", (2, 1))]] {
        let result = check_memory(&profile(u64::MAX, 0), &plan(stages.to_vec(), "gpipe", 1));
        assert!(matches!(result, Err(PlanError::BadPlan { .. })));
    }
}

#[test]
fn costs_are_of_stages_that_are_there() {
    let profile = profile(0, 0);
    let refused = |stages: &[Stage], owners: &[usize]| {
        PipelineCosts::of(&profile, stages, owners).unwrap_err().to_string()
    };
    let two = [stage("x", (0, 1)), stage("y", (1, 3))];
    assert!(refused(&two, &[0]).contains("no rank runs stage 1"));
    assert!(refused(&two, &[0, 0]).contains("the stages of rank 0 lie on different devices"));
    assert!(refused(&two, &[1, 1]).contains("different devices"));
    assert!(refused(&two, &[0, 2]).contains("no rank runs stage 1"));
    let same = [stage("x", (0, 1)), stage("x", (1, 3))];
    assert!(refused(&same, &[0, 1]).contains("ranks 0 and 1 are both on device 'x'"));
    assert!(refused(&same, &[1, 1]).contains("rank 0 has no stage"));
    let beyond = refused(&[stage("x", (0, 4))], &[0]);
    assert!(beyond.contains("stage 0 holds layers [0, 4), the model has 3"), "{beyond}");
    let unknown = refused(&[stage("z", (0, 3))], &[0]);
    assert!(unknown.contains("'z', which is not among the devices: x, y"), "{unknown}");
}

#[test]
fn absurd_sizes_saturate() {
    let mut profile = profile(u64::MAX, 0);
    for layer in &mut profile.model.layers {
        (layer.param_bytes, layer.saved_bytes, layer.input_bytes) = (u64::MAX, u64::MAX, u64::MAX);
    }
    let need = StageMemory::of(&profile, 0, 0..3).peak(Recompute::Full, usize::MAX, usize::MAX);
    assert_eq!(need.total(), u64::MAX);
    assert_eq!([need, need].into_iter().sum::<MemoryUse>().total(), u64::MAX);
    let need = DeviceNeed { device: "x".into(), needed_bytes: 1, budget_bytes: 2, peak: need };
    assert_eq!(need.deficit_bytes(), 0);
}

#[test]
fn sizes_are_read_and_written() {
    for (text, bytes) in [
        ("6 GiB", 6 << 30),
        ("512MiB", 512 << 20),
        ("1.5 GB", 1_500_000_000),
        ("1000000", 1_000_000),
        (" 2 kb ", 2000),
        ("0.5KiB", 512),
        ("1tib", 1 << 40),
        ("18446744073709551615", u64::MAX),
        ("0 B", 0),
        ("64M", 64 << 20),
        ("64 mb", 64_000_000),
        ("2g", 2 << 30),
    ] {
        assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
    }
    for text in [
        "",
        " ",
        "-1",
        "-1 GiB",
        "NaN",
        "inf GiB",
        "1e3",
        "GiB",
        ".",
        "1.2.3",
        "6 Gib its",
        "+5",
        "18446744073709551616",
        "16777216 TiB",
        "99999999999999999999.5 TiB",
        "0x10",
        "50 %",
        "64,5 MiB",
        "٣ GiB",
    ] {
        assert!(matches!(parse_bytes(text), Err(PlanError::BadNumber { .. })), "{text}");
    }
    for (bytes, text) in [
        (0, "0 B"),
        (12, "12 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (340 << 20, "340 MiB"),
        (3 << 29, "1.50 GiB"),
        ((1 << 30) - 1, "1.00 GiB"),
        (10 << 40, "10.0 TiB"),
        // 99.95 PiB as a float has it, which is a little more.
        (112_533_695_688_920_272, "100 PiB"),
        (u64::MAX, "16.0 EiB"),
    ] {
        assert_eq!(human_bytes(bytes), text);
    }
}

#[test]
fn exact_sizes_are_in_the_unit_that_people_write() {
    for text in ["0 B", "1 B", "1000 GiB", "64 MB", "64 MiB", "1 GB", "6 GiB", "1500 MB", "17 B"] {
        assert_eq!(exact_bytes(parse_bytes(text).unwrap()), text);
    }
    assert_eq!(exact_bytes(u64::MAX), "18446744073709551615 B");
}

proptest! {
    #[test]
    fn exact_sizes_are_exact(number in 0..10_000_000_u64, factor in prop::sample::select(vec![1, 1000, 1 << 20])) {
        prop_assert_eq!(parse_bytes(&exact_bytes(number * factor)), Ok(number * factor));
    }

    #[test]
    fn any_text_is_a_size_or_an_error(text in ".*") {
        let _ = parse_bytes(&text);
    }

    #[test]
    fn written_sizes_read_back_to_three_digits(bytes in any::<u64>()) {
        let text = human_bytes(bytes >> 24);
        let back = parse_bytes(&text).unwrap() as f64;
        prop_assert!((back - (bytes >> 24) as f64).abs() <= 0.006 * back, "{} {}", bytes >> 24, text);
    }
}
