//! The memory caps, moment by moment.

use trainyard_plan::PlanError;
use trainyard_plan::simulate::validate_memory;

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
