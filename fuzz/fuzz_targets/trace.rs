//! Any bytes as a trace, of this program or another, and as a file of any kind.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trainyard_plan::{FileKind, chrome};

fuzz_target!(|bytes: &[u8]| {
    assert!(!FileKind::of(bytes).name().is_empty());
    let text = String::from_utf8_lossy(bytes).into_owned();
    let Ok(read) = chrome::from_json(text) else { return };
    let foreign = read.foreign;
    for span in &foreign.spans {
        assert!(span.end_ns >= span.start_ns && span.thread < foreign.threads.len() as u32);
        let _ = (foreign.word(span.name), foreign.arguments(span));
    }
    for (from, to) in &foreign.flows {
        assert!(from != to && (*from.max(to) as usize) < foreign.spans.len());
    }
});
