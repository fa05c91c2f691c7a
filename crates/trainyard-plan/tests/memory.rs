//! The memory formulas by hand, and sizes as people write them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use trainyard_plan::memory::{self, DeviceNeed, human_bytes, parse_bytes};
use trainyard_plan::{
    DeviceProfile, LayerProfile, MemoryUse, ModelProfile, PlanError, Recompute, Schedule, Stage,
};

/// Two layers and a head that shares the first one's weights.
fn model() -> ModelProfile {
    let layer = |name: &str, param_bytes, tied_to: Option<&str>| LayerProfile {
        name: name.into(),
        kind: "linear".into(),
        param_bytes,
        input_bytes: 10,
        output_bytes: 20,
        saved_bytes: 300,
        work_bytes: param_bytes / 2,
        forward_flops: 1,
        tied_to: tied_to.map(str::to_owned),
    };
    ModelProfile {
        name: "tiny".into(),
        optimizer_bytes_per_param_byte: 2,
        layers: vec![layer("a", 1000, None), layer("b", 600, None), layer("head", 1000, Some("a"))],
    }
}

fn stage(device: &str, layers: (usize, usize)) -> Stage {
    Stage { device: device.into(), layers, recompute: Recompute::None }
}

fn device(id: &str, memory_bytes: u64) -> DeviceProfile {
    DeviceProfile { id: id.into(), memory_bytes, speed: 1.0 }
}

#[test]
fn a_stage_by_hand() {
    let middle = memory::of_stage(&model(), 1..3, Recompute::None, 4, false, false);
    let expected = MemoryUse {
        weights: 1600,
        gradients: 2 * (1600 + 1000),
        optimizer: 2 * 600, // the head's weights are a's
        activations: 4 * 600 + 500,
        buffers: 2 * 10 + 2 * 20,
    };
    assert_eq!(middle, expected);
    assert_eq!(middle.total(), 1600 + 5200 + 1200 + 2900 + 60);
    let recomputed = memory::of_stage(&model(), 1..3, Recompute::Full, 4, false, true);
    assert_eq!((recomputed.activations, recomputed.buffers), (4 * 10 + 600 + 500, 20));
    assert_eq!(memory::of_stage(&model(), 0..3, Recompute::None, 1, true, true).buffers, 0);
    assert_eq!(memory::of_stage(&model(), 7..9, Recompute::Full, 1, true, true).total(), 0);
}

#[test]
fn a_plan_by_hand() {
    let stages = [stage("x", (0, 1)), stage("y", (1, 2)), stage("x", (2, 3))];
    let schedule = Schedule::named("1f1b", 3, 8).unwrap();
    let devices = memory::of_plan(&model(), &stages, &schedule);
    let alone = |range, held, first, last| {
        memory::of_stage(&model(), range, Recompute::None, held, first, last)
    };
    let x = alone(0..1, 3, true, false) + alone(2..3, 1, false, true);
    assert_eq!(devices, [("x".to_owned(), x), ("y".to_owned(), alone(1..2, 2, false, false))]);
}

#[test]
fn shortage_is_told_with_a_true_hint() {
    let schedule = Schedule::named("gpipe", 2, 8).unwrap();
    let stages = [stage("x", (0, 1)), stage("y", (1, 3))];
    let short = |x, y| {
        let devices = [device("x", x), device("y", y)];
        memory::check(&model(), &stages, &schedule, &devices).unwrap_err().to_string()
    };
    assert!(
        memory::check(&model(), &stages, &schedule, &[device("y", 1 << 20), device("x", 1 << 20)])
            .is_ok()
    );
    assert!(short(1 << 20, 10_000).ends_with("recompute = \"full\" would fit"));
    let text = short(8000, 10_000);
    assert_eq!(
        text,
        "it does not fit in the devices' memory:
  device     needs    budget  short by
  x       9.71 KiB  7.81 KiB  1.89 KiB
  y       13.0 KiB  9.77 KiB  3.24 KiB
recompute = \"full\" would fit"
    );
    assert!(
        short(10, 10_000).ends_with(
            "'x' is short by 9.70 KiB: give it more memory or fewer layers, or add a device"
        ),
        "{}",
        short(10, 10_000)
    );
}

#[test]
fn activations_that_dominate_are_named() {
    let mut model = model();
    model.layers.iter_mut().for_each(|layer| {
        layer.saved_bytes = 1 << 20;
        layer.input_bytes = 1 << 20;
    });
    let hint = |name: &str| {
        let schedule = Schedule::named(name, 1, 8).unwrap();
        let stages = [stage("x", (0, 3))];
        memory::check(&model, &stages, &schedule, &[device("x", 9000)]).unwrap_err().to_string()
    };
    assert!(hint("gpipe").ends_with("a smaller batch would lower them"));
    assert!(hint("1f1b").ends_with("a smaller batch or more micro_batches would lower them"));
}

#[test]
fn unknown_devices_and_layers_are_bad_plans() {
    let schedule = Schedule::named("gpipe", 1, 1).unwrap();
    for stages in [[stage("z", (0, 3))], [stage("x", (0, 4))], [stage("x", (2, 1))]] {
        let result = memory::check(&model(), &stages, &schedule, &[device("x", u64::MAX)]);
        assert!(matches!(result, Err(PlanError::BadPlan { .. })));
    }
}

#[test]
fn absurd_sizes_saturate() {
    let mut model = model();
    for layer in &mut model.layers {
        (layer.param_bytes, layer.saved_bytes, layer.input_bytes) = (u64::MAX, u64::MAX, u64::MAX);
    }
    let need = memory::of_stage(&model, 0..3, Recompute::Full, usize::MAX, false, false);
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
        (u64::MAX, "16.0 EiB"),
    ] {
        assert_eq!(human_bytes(bytes), text);
    }
}

proptest! {
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
