//! The memory caps, moment by moment.

use trainyard_plan::simulate::{simulate, validate_memory};
use trainyard_plan::{LinkProfile, PlanError};

use crate::by_hand::{plan, profile};

/// One layer a device: 100 bytes of weights, 100 of gradients, 200 of optimizer state, and 1000 for
/// each micro-batch in flight.
#[test]
fn the_first_action_beyond_the_budget_is_named() {
    let mut profile = profile(2, 2, 3);
    let plan = plan(&[0, 1], &["0F0 0F1 0F2 0B0 0B1 0B2", "1F0 1B0 1F1 1B1 1F2 1B2"], 3);
    assert_eq!(validate_memory(&profile, &plan), Ok(()));
    // Room for two micro-batches and a buffer, so the third forward is one too many.
    profile.devices[0].memory_bytes = 400 + 2 * 1000 + 100;
    let Err(PlanError::BadSchedule { rank, position, action, reason, grid }) =
        validate_memory(&profile, &plan)
    else {
        panic!("it fits");
    };
    assert_eq!((rank, position, action.as_str()), (0, 2, "0F2"));
    assert!(reason.contains("'d0'") && reason.contains("short"), "{reason}");
    assert!(grid.contains(">0F2") && grid.contains("rank 1"), "{grid}");
    // Too little for the weights alone: before anything is done.
    profile.devices[1].memory_bytes = 300;
    let Err(PlanError::BadSchedule { rank, position, .. }) = validate_memory(&profile, &plan)
    else {
        panic!("it fits");
    };
    assert_eq!((rank, position), (1, 0));
}

/// d1 has done 1F0 and waits for the second input when the first gradient comes, from 120 + 10 +
/// 10 + 20 µs on: 40 bytes beside what it holds.
#[test]
fn what_comes_while_a_device_waits_is_put_to_what_it_waits_for() {
    let mut profile = profile(3, 3, 2);
    let (from, to) = ("d0".to_owned(), "d1".to_owned());
    profile.links = vec![LinkProfile { from, to, latency_us: 100.0, bytes_per_us: 4.0 }];
    let rows = ["0F0 0F1 0B0 0B1", "1F0 1F1 1B0 1B1", "2F0 2B0 2F1 2B1"];
    let plan = plan(&[0, 1, 2], &rows, 2);
    profile.devices[1].memory_bytes = 400 + 1000 + 39;
    let Err(PlanError::BadSchedule { rank, position, action, reason, .. }) =
        validate_memory(&profile, &plan)
    else {
        panic!("it fits");
    };
    assert_eq!((rank, position, action.as_str()), (1, 1, "1F1"), "{reason}");
    // What it needs at its fullest moment is enough.
    profile.devices[1].memory_bytes = 1 << 20;
    let peak = simulate(&profile, &plan).unwrap().devices[1].peak_bytes.total();
    profile.devices[1].memory_bytes = peak;
    assert_eq!(validate_memory(&profile, &plan), Ok(()));
    profile.devices[1].memory_bytes = peak - 1;
    assert!(validate_memory(&profile, &plan).is_err());
}

/// d1 waits for the gradient from 30 on, when it has done 1F0. At that very moment the second input
/// comes, of 140 bytes and 140 ÷ 14 = 10 µs.
#[test]
fn what_comes_as_an_action_ends_is_put_to_the_next() {
    let mut profile = profile(3, 3, 2);
    (profile.model.layers[0].output_bytes, profile.model.layers[1].input_bytes) = (140, 140);
    let (from, to) = ("d0".to_owned(), "d1".to_owned());
    profile.links = vec![LinkProfile { from, to, latency_us: 0.0, bytes_per_us: 14.0 }];
    let rows = ["0F0 0F1 0B0 0B1", "1F0 1B0 1F1 1B1", "2F0 2B0 2F1 2B1"];
    let plan = plan(&[0, 1, 2], &rows, 2);
    profile.devices[1].memory_bytes = 400 + 1000 + 139;
    let Err(PlanError::BadSchedule { rank, position, action, reason, .. }) =
        validate_memory(&profile, &plan)
    else {
        panic!("it fits");
    };
    assert_eq!((rank, position, action.as_str()), (1, 1, "1B0"), "{reason}");
}
