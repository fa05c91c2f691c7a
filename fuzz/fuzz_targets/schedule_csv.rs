//! Any bytes as a schedule's CSV. One that is read can be written and read again, and the validator
//! comes to an end with it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trainyard_plan::{Schedule, validate};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(schedule) = Schedule::from_csv("fuzz", text) else { return };
    let again = Schedule::from_csv("fuzz", &schedule.to_csv());
    assert_eq!(again.as_ref(), Ok(&schedule));
    let micro_batches = schedule.ranks.iter().flatten().map(|action| action.micro_batch).max();
    let micro_batches = micro_batches.map_or(1, |most| most.saturating_add(1));
    let _ = schedule.owners();
    let _ = validate::validate(&schedule, schedule.stages(), micro_batches);
});
