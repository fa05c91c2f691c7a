//! A journal that comes in pieces, cut anywhere: the same records as in one, and the same trace.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trainyard_plan::journal::{Record, Stream};
use trainyard_plan::{Trace, TraceBuilder};

/// The records, the lines left out and the error of a journal in pieces.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Record>, String, Option<String>) {
    let mut stream = Stream::default();
    let mut records = Vec::new();
    let mut error = None;
    for piece in pieces {
        if let Err(found) = stream.push(piece, |record| records.push(record)) {
            error = Some(found.to_string());
            break;
        }
    }
    (records, stream.unreadable().to_string(), error)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let whole = read(std::iter::once(bytes));
    let pieces = read(bytes.chunks(usize::from(size) + 1));
    // Debug text: a loss that is not a number equals nothing.
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
    let mut builder = TraceBuilder::default();
    for record in &whole.0 {
        builder.push(record);
    }
    assert_eq!(builder.trace(), &Trace::from_journal(&whole.0));
    let middle = whole.0.len() as u64 / 2;
    builder.forget_before(middle);
    assert!(builder.trace().events.iter().all(|event| event.step >= middle));
});
