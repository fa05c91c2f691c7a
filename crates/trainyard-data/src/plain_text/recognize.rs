//! What the first bytes of a file say it is: text in some encoding, or no text.

use std::path::Path;

use crate::error::DataError;
use crate::plain_text::encoding::{ByteOrder, Encoding, decoded};
use crate::plain_text::quoted;

/// Bytes looked at.
pub(crate) const LOOKED_AT: usize = 1 << 16;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recognized {
    pub(crate) encoding: Encoding,
    /// Length of its byte order mark.
    pub(crate) mark_bytes: u64,
    /// Whether the encoding follows from the bytes alone: there is no mark, and nobody said it.
    pub(crate) guessed: bool,
}

const MARKS: [(&[u8], Encoding); 5] = [
    (b"\xef\xbb\xbf", Encoding::Utf8),
    // Before that of UTF-16, which it begins with.
    (b"\xff\xfe\0\0", Encoding::Utf32(ByteOrder::Little)),
    (b"\0\0\xfe\xff", Encoding::Utf32(ByteOrder::Big)),
    (b"\xff\xfe", Encoding::Utf16(ByteOrder::Little)),
    (b"\xfe\xff", Encoding::Utf16(ByteOrder::Big)),
];

/// Encodings whose western texts are full of zeros, which tell them without a mark.
const WITH_ZEROS: [Encoding; 4] = [
    Encoding::Utf32(ByteOrder::Little),
    Encoding::Utf32(ByteOrder::Big),
    Encoding::Utf16(ByteOrder::Little),
    Encoding::Utf16(ByteOrder::Big),
];

/// Recognizes a file of `bytes` bytes by its `first` ones. A byte order mark says the encoding, or
/// else whoever `told` it, or else the zeros in it.
///
/// # Errors
/// [`DataError::BadFile`] for what is no text.
pub(crate) fn recognize(
    first: &[u8],
    bytes: u64,
    told: Option<Encoding>,
    path: &Path,
) -> Result<Recognized, DataError> {
    let of = |encoding| Recognized { encoding, mark_bytes: 0, guessed: false };
    if let Some((mark, encoding)) = MARKS.iter().find(|(mark, _)| first.starts_with(mark)) {
        return Ok(Recognized { mark_bytes: mark.len() as u64, ..of(*encoding) });
    }
    if let Some(encoding) = told {
        return Ok(of(encoding));
    }
    let is_cut = bytes > first.len() as u64;
    let is_utf8 = match std::str::from_utf8(first) {
        Ok(_) => true,
        Err(error) => is_cut && error.error_len().is_none(),
    };
    let zeros = first.split(|byte| *byte == 0).count() - 1;
    if (zeros > 0 || !is_utf8)
        && let Some((_, what, remedy)) = BINARY.iter().find(|(begin, ..)| first.starts_with(begin))
    {
        let to = quoted(&path.with_extension("unpacked.txt"));
        let remedy = remedy.replace("FILE", &quoted(path)).replace("TEXT", &to);
        return Err(DataError::bad_file(path, format!("it is {what}, no text; {remedy}")));
    }
    let control = first.iter().filter(|it| it.is_ascii_control() && !it.is_ascii_whitespace());
    let control = control.count();
    // What else it may be is found out where it is no UTF-8.
    if zeros == 0 && control * 20 <= first.len() {
        return Ok(of(Encoding::Utf8));
    }
    // Half of a western text's bytes are zeros; one in letters of three bytes may have a few only.
    if (!is_utf8 || zeros * 4 >= first.len())
        && let Some(encoding) = WITH_ZEROS.into_iter().find(|it| is_text_in(*it, first))
    {
        return Ok(Recognized { guessed: true, ..of(encoding) });
    }
    if is_utf8 && control * 4 <= first.len() {
        return Ok(of(Encoding::Utf8));
    }
    let reason = format!(
        "it is no text: {control} of its first {} bytes are NUL or other control characters, as in \
         binary files; leave it out, or, if it is text in UTF-16 or another encoding, name that in \
         data.encoding, such as \"utf-16le\"",
        first.len()
    );
    Err(DataError::bad_file(path, reason))
}

/// Whether bytes are text in an encoding beyond doubt: all of it characters that people write.
fn is_text_in(encoding: Encoding, first: &[u8]) -> bool {
    let Some(text) = decoded(encoding, first) else { return false };
    let written = |character: char| match character {
        '\t' | '\n' | '\r' | '\u{c}' => true,
        // For private use, and what is no character.
        '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fff0}'..='\u{ffff}' => false,
        other => !other.is_control() && (other as u32) & 0xfffe != 0xfffe,
    };
    let ascii = text.chars().filter(char::is_ascii).count();
    text.len() > 1 && ascii > 0 && text.chars().all(written)
}

/// Beginnings of files that are often taken for texts, what they are, and what to do.
const BINARY: &[(&[u8], &str, &str)] = &[
    (
        b"PK\x03\x04",
        "a ZIP archive, as Word, Excel and EPUB files are too",
        "unpack it, such as with `unzip -p FILE > TEXT`, or save it as plain text",
    ),
    (b"%PDF-", "a PDF file", "make a text of it, such as with `pdftotext FILE TEXT`"),
    (b"\xd0\xcf\x11\xe0", "an old Word or Excel file", "save it as plain text"),
    // That it is packed once is not seen here.
    (b"\x1f\x8b\x08", "packed twice with gzip", "unpack it once with `gzip -dc < FILE > TEXT`"),
    (b"BZh", "a bzip2 archive", "unpack it with `bzip2 -dc < FILE > TEXT`"),
    (b"\xfd7zXZ", "an xz archive", "unpack it with `xz -dc < FILE > TEXT`"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it with `zstd -dc < FILE > TEXT`"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it with `7z e -so FILE > TEXT`"),
    (b"Rar!", "a RAR archive", "unpack it"),
    (b"\x89PNG", "a PNG picture", PICTURE),
    (b"\xff\xd8\xff", "a JPEG picture", PICTURE),
    (b"GIF8", "a GIF picture", "leave it out"),
    (b"RIFF", "a sound, a film or a picture", "leave it out"),
    (b"ID3", "a sound", "leave it out"),
    (b"OggS", "a sound or a film", "leave it out"),
    (b"\x7fELF", "a program", "leave it out"),
    (b"MZ", "a program", "leave it out"),
    (b"SQLite format 3\0", "a database", "write its texts into a text file"),
    (b"PAR1", "a Parquet table", "save it as CSV or JSON lines"),
    (b"\x93NUMPY", "a NumPy array", "save it as safetensors, and name it in data.tensors"),
];

const PICTURE: &str = "leave it out, or train on a folder of pictures with data.images";
