//! What is said where nothing fits, for the rarer remedies. Those of every day are in `planner.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/numbers.rs"]
mod numbers;

use trainyard_plan::planner::{MicroBatches, PlanRequest, RecomputeChoice, plan};
use trainyard_plan::{DeviceProfile, FixedTimes, LayerProfile, ModelProfile, PlanError, Profile};

use numbers::Numbers;

/// Layers of 4 × 100 B of weights with their state; `input` and `saved` bytes of a micro-batch.
fn profile(
    layers: usize,
    input: u64,
    saved: u64,
    budgets: &[u64],
    micro_batches: usize,
) -> Profile {
    let layer = |index| LayerProfile {
        name: format!("layer{index}"),
        param_bytes: 100,
        input_bytes: input,
        output_bytes: input,
        saved_bytes: saved,
        ..LayerProfile::default()
    };
    let model = ModelProfile {
        name: "even".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: (0..layers).map(layer).collect(),
    };
    let device = |(index, memory_bytes): (usize, &u64)| DeviceProfile {
        id: format!("d{index}"),
        memory_bytes: *memory_bytes,
        forward_us: vec![1.0; layers],
        input_grad_us: vec![1.0; layers],
        weight_grad_us: vec![1.0; layers],
        ..DeviceProfile::default()
    };
    let devices = budgets.iter().enumerate().map(device).collect();
    Profile { devices, ..Profile::new(model, micro_batches) }
}

fn hint(request: &PlanRequest) -> String {
    match plan(request) {
        Err(PlanError::DoesNotFit { hint, .. }) => hint,
        other => panic!("{other:?}"),
    }
}

/// How many bytes more would do, and on which device, if that is told.
fn memory(hint: &str) -> Option<(u64, &str)> {
    let told = hint.split("; or ").find(|told| told.starts_with("with "))?;
    // "with 1.41 KiB (1441 bytes) more, 'd2' would …", and "with 19 B (19 bytes) more, …".
    let bytes = told.split_once('(')?.1.split_once(" bytes")?.0;
    Some((bytes.parse().ok()?, told.split('\'').nth(1)?))
}

/// Numbers that look random and are the same each time.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |end| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_041);
        (state >> 33) % end
    }
}

#[test]
fn the_device_that_lacks_least_is_named() {
    // Six layers of 450 B: two a device, or three on one that has room for 1350 B.
    for (budgets, bytes, device) in [
        ([1000, 1000, 700], 200, "d2"),
        ([1000, 1200, 600], 150, "d1"),
        ([1250, 1000, 600], 100, "d0"),
    ] {
        let short = profile(6, 0, 50, &budgets, 1);
        let recompute = RecomputeChoice::None;
        let said = hint(&PlanRequest { recompute, ..PlanRequest::new(&short) });
        assert!(said.contains(&format!("more, '{device}' would make it fit")), "{said}");
        let told = said.split('(').nth(1).unwrap().split(' ').next().unwrap();
        let told: u64 = told.parse().unwrap();
        assert!((bytes..=bytes + bytes / 50).contains(&told), "{said}");
    }
}

#[test]
fn what_lacks_least_need_not_be_what_is_smallest_for_its_share() {
    // Ten layers of 450 B fit on d0 and one on d1: one more there takes 400 B, on d0 it takes 450.
    let short = profile(12, 0, 50, &[4500, 500], 1);
    let recompute = RecomputeChoice::None;
    let said = hint(&PlanRequest { recompute, ..PlanRequest::new(&short) });
    assert!(said.contains("more, 'd1' would make it fit"), "{said}");
}

#[test]
fn what_fits_to_the_last_byte_needs_no_more() {
    // d0 is full with its layer of 400 B; d1 lacks 100 B for the other.
    let short = profile(2, 0, 0, &[400, 300], 1);
    let recompute = RecomputeChoice::None;
    let locks = vec![(0, 0), (1, 1)];
    let said = hint(&PlanRequest { recompute, locks, ..PlanRequest::new(&short) });
    assert!(said.ends_with("(100 bytes) more, 'd1' would make it fit"), "{said}");
}

#[test]
fn much_that_does_not_fit_is_told_as_truly() {
    // 60 layers of 450 B on four devices are looked at in haste; 57 of them have room.
    let short = profile(60, 0, 50, &[6800, 6800, 6800, 5400], 1);
    let recompute = RecomputeChoice::None;
    let request =
        PlanRequest { schedule: "1f1b".parse().unwrap(), recompute, ..PlanRequest::new(&short) };
    let said = hint(&request);
    let told = said.split("with ").nth(1).and_then(|with| with.split(&['(', ' '][..]).nth(3));
    let told: u64 = told.unwrap_or_else(|| panic!("{said}")).parse().unwrap();
    assert!(said.contains("(the least that was found, not all there is)"), "{said}");
    // Three layers more on one device.
    assert!((1300..=1400).contains(&told), "{said}");
}

#[test]
fn a_step_of_fewer_rows_may_fit() {
    // 1600 B for good and 200 B a micro-batch; recompute wins nothing, as inputs are as large.
    let short = profile(4, 200, 50, &[2250], 8);
    let request = PlanRequest { schedule: "gpipe".parse().unwrap(), ..PlanRequest::new(&short) };
    let said = hint(&request);
    assert!(said.starts_with("schedule = \"1f1b\" would fit; or "), "{said}");
    assert!(
        said.ends_with("micro_batches = 3, with a batch of 3/8 of the rows, would fit"),
        "{said}"
    );
    let with = |count| PlanRequest { micro_batches: MicroBatches::Count(count), ..request.clone() };
    assert!(plan(&with(3)).is_ok());
    assert!(plan(&with(4)).is_err());
    // One micro-batch is the least there is.
    let one = profile(4, 200, 50, &[1700], 1);
    let said = hint(&PlanRequest { schedule: "gpipe".parse().unwrap(), ..PlanRequest::new(&one) });
    assert!(!said.contains("fewer rows"), "{said}");
}

#[test]
fn locks_that_are_in_the_way_are_named() {
    // d0 has room for one layer; three are locked to it.
    let tight = profile(4, 10, 50, &[500, 2000], 1);
    let locked = PlanRequest { locks: vec![(0, 0), (2, 0)], ..PlanRequest::new(&tight) };
    let said = hint(&locked);
    assert!(said.contains("without its locks it would fit"), "{said}");
    assert!(plan(&PlanRequest { locks: Vec::new(), ..locked }).is_ok());
    // Where they are not, they are no remedy.
    let hopeless = profile(4, 10, 50, &[100, 100], 1);
    let said = hint(&PlanRequest { locks: vec![(0, 0)], ..PlanRequest::new(&hopeless) });
    assert!(!said.contains("locks"), "{said}");
}

#[test]
fn where_no_single_change_helps_the_sums_are_told() {
    // Both are short of their own layer, and neither may take the other's.
    let both = profile(2, 10, 50, &[300, 300], 1);
    let recompute = RecomputeChoice::None;
    let locked = PlanRequest { locks: vec![(0, 0), (1, 1)], recompute, ..PlanRequest::new(&both) };
    let said = hint(&locked);
    let sums = "the layers need 900 B at least, with one micro-batch in flight, and the devices have \
                600 B together";
    assert!(said.starts_with("no single change helps") && said.contains(sums), "{said}");
}

#[test]
fn the_smallest_micro_batches_are_what_does_not_fit() {
    // Rows of 25 B a layer: 4 a micro-batch, 8 in all.
    let mut short = profile(4, 10, 100, &[1650], 2);
    short.rows = Some(4);
    let none = vec![0.0; 4];
    let (forward, input_grad, weight_grad) = (none.clone(), none.clone(), none);
    short.devices[0].fixed_us = Some(FixedTimes { forward, input_grad, weight_grad });
    let recompute = RecomputeChoice::None;
    let micro_batches = MicroBatches::Auto;
    let request = PlanRequest { micro_batches, recompute, ..PlanRequest::new(&short) };
    match plan(&request) {
        // 1600 B for good, and one row of each layer.
        Err(PlanError::DoesNotFit { devices, .. }) => assert_eq!(devices[0].needed_bytes, 1700),
        other => panic!("{other:?}"),
    }
    let mut enough = short.clone();
    enough.devices[0].memory_bytes = 1700;
    let request = PlanRequest { profile: &enough, ..request };
    assert_eq!(plan(&request).unwrap().candidates[0].plan.micro_batches, 8);
}

#[test]
fn no_device_would_do_with_far_fewer_bytes_than_are_told() {
    let with = |profile: &Profile, device: usize, more: u64| {
        let mut changed = profile.clone();
        changed.devices[device].memory_bytes += more;
        let recompute = RecomputeChoice::None;
        let request = PlanRequest {
            schedule: "1f1b".parse().unwrap(),
            recompute,
            ..PlanRequest::new(&changed)
        };
        plan(&request).is_ok()
    };
    for seed in [29_u64, 97] {
        // Layers of all sizes, with little to keep and much to send.
        let mut below = numbers(seed);
        let budgets: Vec<u64> = (0..2 + seed % 2).map(|_| 300 + below(900)).collect();
        let mut short = profile(5, 0, 0, &budgets, 4);
        for layer in &mut short.model.layers {
            (layer.param_bytes, layer.saved_bytes) = (40 + below(120), below(200));
            layer.input_bytes = 1 + below(500);
            layer.output_bytes = layer.input_bytes;
        }
        let recompute = RecomputeChoice::None;
        let said = hint(&PlanRequest {
            schedule: "1f1b".parse().unwrap(),
            recompute,
            ..PlanRequest::new(&short)
        });
        // More memory alone always helps: one device could have it all.
        let (bytes, id) = memory(&said).unwrap_or_else(|| panic!("seed {seed}: {said}"));
        let device = short.device_index(id).unwrap();
        assert!(with(&short, device, bytes), "seed {seed}: {said}");
        let fewer = bytes.saturating_sub(bytes / 64 + 3);
        assert!(!with(&short, device, fewer), "seed {seed}: {fewer} do, too: {said}");
        // They grow by half while enough of them are looked for.
        let fewer = (bytes * 2 / 3).saturating_sub(3);
        for other in (0..budgets.len()).filter(|other| *other != device) {
            assert!(!with(&short, other, fewer), "seed {seed}: {fewer} do on d{other}: {said}");
        }
    }
}

#[test]
fn a_remedy_that_is_hard_to_find_is_true_all_the_same() {
    // So many layers and micro-batches that neither the remedy nor the plan is searched for long.
    let mut below = numbers(5);
    let devices = 3 + below(3);
    let budgets: Vec<u64> = (0..devices).map(|_| (300 + below(500)) * 45 / devices).collect();
    let mut short = profile(45, 0, 0, &budgets, 400);
    for layer in &mut short.model.layers {
        (layer.param_bytes, layer.saved_bytes) = (40 + below(80), below(200));
        layer.input_bytes = 1 + below(60);
        layer.output_bytes = layer.input_bytes;
    }
    let said = hint(&PlanRequest { schedule: "1f1b".parse().unwrap(), ..PlanRequest::new(&short) });
    let (bytes, id) = memory(&said).unwrap_or_else(|| panic!("{said}"));
    let device = short.device_index(id).unwrap();
    short.devices[device].memory_bytes += bytes;
    let with = plan(&PlanRequest { schedule: "1f1b".parse().unwrap(), ..PlanRequest::new(&short) });
    assert!(with.is_ok(), "it is not true that {said}");
}

#[test]
fn smaller_micro_batches_are_found_past_many_larger_ones() {
    // 5040 rows of 1 B a layer, 72 in each of 70 micro-batches; half of them would have room.
    let mut short = profile(4, 0, 72, &[1600 + 4 * 36], 70);
    short.rows = Some(72);
    let none = vec![0.0; 4];
    let (forward, input_grad, weight_grad) = (none.clone(), none.clone(), none);
    short.devices[0].fixed_us = Some(FixedTimes { forward, input_grad, weight_grad });
    let recompute = RecomputeChoice::None;
    let request =
        PlanRequest { schedule: "1f1b".parse().unwrap(), recompute, ..PlanRequest::new(&short) };
    let said = hint(&request);
    assert!(said.starts_with("micro_batches = 140, of the same rows together"), "{said}");
    assert!(plan(&PlanRequest { micro_batches: MicroBatches::Count(140), ..request }).is_ok());
}

#[test]
fn several_stages_a_rank_are_told_what_would_fit() {
    // They are not that many: it is memory that they lack.
    let small = profile(8, 10, 50, &[1000, 1000], 4);
    for schedule in ["interleaved", "zb-v"] {
        let said =
            hint(&PlanRequest { schedule: schedule.parse().unwrap(), ..PlanRequest::new(&small) });
        assert!(said.contains("would make it fit"), "{schedule}: {said}");
    }
    // 60 layers of 400 B for good, and 50 B for each micro-batch, which recompute alone can save.
    let long = profile(60, 10, 50, &[6500; 4], 8);
    let recompute = RecomputeChoice::None;
    let request = PlanRequest {
        schedule: "interleaved".parse().unwrap(),
        recompute,
        ..PlanRequest::new(&long)
    };
    let said = hint(&request);
    assert!(said.starts_with("recompute = \"auto\" would fit"), "{said}");
    assert!(plan(&PlanRequest { recompute: RecomputeChoice::Auto, ..request }).is_ok());
}

/// Many unlike layers on three or four devices that are some percent too small for them.
fn long(seed: u64) -> Profile {
    let numbers = &mut Numbers(seed * 7919 + 3);
    let count = 3 + numbers.below(2);
    let layers = 202 / count + numbers.below(8);
    let budgets = (0..count).map(|_| layers * 450 * (80 + numbers.below(20)) / (100 * count));
    let budgets: Vec<u64> = budgets.collect();
    let mut profile = profile(layers as usize, 0, 0, &budgets, 1 + numbers.below(6) as usize);
    for layer in &mut profile.model.layers {
        layer.param_bytes = 60 + numbers.below(80);
        layer.saved_bytes = 20 + numbers.below(40);
        (layer.input_bytes, layer.output_bytes) = (1 + numbers.below(60), 1 + numbers.below(60));
    }
    profile
}

#[test]
fn much_less_than_is_told_is_rarely_enough() {
    // Of so many layers on so many devices it is a local search that says what fits.
    let (mut told, mut too_much) = (0, 0);
    for seed in [8, 11, 14, 17, 20] {
        let short = long(seed);
        let request =
            PlanRequest { schedule: "zb-h1".parse().unwrap(), ..PlanRequest::new(&short) };
        let hint = hint(&request);
        let Some((before, after)) = hint.split_once(" bytes) more, '") else { continue };
        let bytes: u64 = before.rsplit('(').next().unwrap().parse().unwrap();
        let device = short.device_index(after.split('\'').next().unwrap()).unwrap();
        let fits = |bytes: u64| {
            let mut changed = short.clone();
            changed.devices[device].memory_bytes += bytes;
            plan(&PlanRequest { profile: &changed, ..request.clone() }).is_ok()
        };
        assert!(fits(bytes), "seed {seed}: {hint}");
        told += 1;
        too_much += usize::from(fits(bytes * 17 / 20));
    }
    assert!(told >= 4 && too_much <= 2, "{too_much} of {told} are too much");
}
