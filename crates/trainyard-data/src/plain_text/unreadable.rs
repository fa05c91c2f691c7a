//! Why a file is not the text it should be, and the command that helps.

use chardetng::EncodingDetector;

use crate::error::DataError;
use crate::files::{PIECE_BYTES, Stored};
use crate::plain_text::encoding::Encoding;
use crate::plain_text::{BadByte, quoted, utf8_name};

/// The error for a file whose text, from byte `start` on, is not UTF-8. Reads it to find out what it is.
pub(crate) fn not_utf8(stored: &Stored, start: u64, bad: BadByte) -> DataError {
    let path = stored.path();
    let BadByte { offset, line } = bad;
    let remedy = match what_it_is(stored, start) {
        Ok(Guess::Encoding(encoding, iconv)) => format!(
            "it reads as {}: set encoding = \"{}\" in [data], or convert it with `{}`",
            encoding.name(),
            encoding.name().to_lowercase(),
            command(stored, &format!("-f {iconv}"), false),
        ),
        // A character that is cut off is left out only where something follows it.
        Ok(Guess::Damaged(places, is_cut)) => format!(
            "the rest is UTF-8 but for {places} such places: mend them, or leave them out with `{}`",
            command(stored, "-c -f UTF-8", is_cut),
        ),
        Err(error) => return error,
    };
    DataError::NotUtf8 { name: path.display().to_string(), offset, line, remedy }
}

/// The error for a file that has bytes which are nothing in its encoding.
pub(crate) fn not_in(encoding: Encoding, stored: &Stored, bad: BadByte) -> DataError {
    let (name, BadByte { offset, line }) = (encoding.name(), bad);
    let reason = format!(
        "it is not {name} text: the byte at offset {offset} (line {line}) cannot be read; name the \
         encoding it has in data.encoding, or get the file again"
    );
    DataError::bad_file(stored.path(), reason)
}

/// A command that makes UTF-8 of a file, out of what `flags` say.
fn command(stored: &Stored, flags: &str, add_line_end: bool) -> String {
    let (file, to) = (quoted(stored.path()), quoted(&utf8_name(stored.path())));
    let unpack = if stored.was_packed() { "gzip -dc" } else { "cat" };
    match (add_line_end, stored.was_packed()) {
        (false, false) => format!("iconv {flags} -t UTF-8 {file} > {to}"),
        (false, true) => format!("{unpack} {file} | iconv {flags} -t UTF-8 > {to}"),
        (true, _) => format!("({unpack} {file}; echo) | iconv {flags} -t UTF-8 > {to}"),
    }
}

enum Guess {
    /// All of it is text in an encoding, for which `iconv` has this name.
    Encoding(Encoding, String),
    /// It is UTF-8, but for so many places; whether its end is one of them.
    Damaged(u64, bool),
}

fn what_it_is(stored: &Stored, start: u64) -> Result<Guess, DataError> {
    let mut detector = EncodingDetector::new();
    let (mut letters, mut bad, mut cut) = (0, 0, Vec::new());
    // A single byte that Windows-1252 has no character for.
    let mut has_hole = false;
    for piece in stored.pieces(start, PIECE_BYTES) {
        let piece = piece?;
        detector.feed(&piece, false);
        has_hole |= piece.iter().any(|byte| [0x81, 0x8d, 0x8f, 0x90, 0x9d].contains(byte));
        let joined = [std::mem::take(&mut cut), piece].concat();
        let mut chunks = joined.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            letters += chunk.valid().bytes().filter(|byte| *byte >= 0xc0).count() as u64;
            if chunks.peek().is_none() {
                // The next piece may have the rest of it.
                cut = chunk.invalid().to_vec();
            } else {
                bad += 1;
            }
        }
    }
    bad += u64::from(!cut.is_empty());
    detector.feed(b"", true);
    // One letter in a western encoding reads as UTF-8 by chance in one of some hundred cases.
    if letters >= bad {
        return Ok(Guess::Damaged(bad, !cut.is_empty()));
    }
    let guess = Encoding::Legacy(detector.guess(None, false));
    let western = Encoding::Legacy(encoding_rs::WINDOWS_1252);
    let encoding = if reads(stored, start, guess)? { guess } else { western };
    let iconv = if encoding == western && has_hole {
        "ISO-8859-1".to_owned()
    } else {
        encoding.iconv_name()
    };
    Ok(Guess::Encoding(encoding, iconv))
}

/// Whether all of a file is text in an encoding, every byte of it one that has a character.
fn reads(stored: &Stored, start: u64, encoding: Encoding) -> Result<bool, DataError> {
    let (mut decoder, mut text) = (encoding.decoder(), String::new());
    for piece in stored.pieces(start, PIECE_BYTES) {
        text.clear();
        let is_good = decoder.decode(&piece?, false, &mut text).is_ok();
        if !is_good || text.contains(|it| ('\u{80}'..='\u{9f}').contains(&it)) {
            return Ok(false);
        }
    }
    Ok(decoder.decode(b"", true, &mut text).is_ok())
}
