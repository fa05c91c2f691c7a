//! A trace for Perfetto: open the file at <https://ui.perfetto.dev>.

use std::fmt;
use std::io::{self, Write};

use trainyard_plan::{Trace, chrome};

/// Writes a trace in the Chrome trace format piece by piece, so that a long one is not in memory
/// twice.
///
/// # Errors
/// Whatever `out` fails with.
pub fn write(trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
    let mut text = Text { out, error: None };
    let written = chrome::write_chrome(trace, &mut text);
    match text.error {
        Some(error) => Err(error),
        None => written.map_err(io::Error::other),
    }
}

/// Text as bytes. A [`fmt::Error`] says nothing, so what happened is kept beside it.
struct Text<'a> {
    out: &'a mut dyn Write,
    error: Option<io::Error>,
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.out.write_all(text.as_bytes()).map_err(|error| {
            self.error = Some(error);
            fmt::Error
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    #[test]
    fn what_is_written_is_what_the_plan_crate_writes() {
        let document = Document::example().unwrap();
        let trace = &document.present().trace;
        let mut out = Vec::new();
        write(trace, &mut out).unwrap();
        assert_eq!(String::from_utf8(out.clone()).unwrap(), chrome::to_string(trace));
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert!(read["traceEvents"].as_array().unwrap().len() > trace.events.len());
    }

    #[test]
    fn the_reason_of_a_failure_is_kept() {
        let mut small = [0_u8; 40];
        let error = write(&Trace::default(), &mut &mut small[..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }
}
