//! Any bytes as a schedule's CSV. One that is read can be written and read again, and the validator
//! comes to an end with it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trainyard_plan::Schedule;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(read) = Schedule::from_csv("fuzz", text) else { return };
    let again = Schedule::from_csv("fuzz", &read.schedule.to_csv());
    assert_eq!(again.map(|again| again.schedule), Ok(read.schedule.clone()));
    let _ = read.schedule.owners();
    let _ = read.check().map_err(|error| error.to_string());
});
