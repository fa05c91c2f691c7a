//! Any bytes as a journal, line by line, and as the trace it makes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trainyard_plan::journal::{Record, read_line};
use trainyard_plan::{Trace, chrome, text};

fuzz_target!(|bytes: &[u8]| {
    let Ok(all) = std::str::from_utf8(bytes) else { return };
    let mut records: Vec<Record> = Vec::new();
    for line in all.lines() {
        let Ok(Some(record)) = read_line(line) else { continue };
        let written = serde_json::to_string(&record).expect("a record can be written");
        assert!(matches!(read_line(&written), Ok(Some(_))), "{written}");
        records.push(record);
    }
    let trace = Trace::from_journal(&records);
    let step = trace.events.first().map_or(1, |event| event.step);
    let _ = trace.bubble_fraction(step);
    assert!(!text::timeline(&trace, step, 40, true).is_empty());
    let chrome = chrome::to_string(&trace);
    assert!(serde_json::from_str::<serde_json::Value>(&chrome).is_ok(), "{chrome}");
});
