//! Files that are known by their first bytes.

use super::{OtherFile, PRETRAINED};

/// The first bytes of files, what they are, and what to do with them.
const STARTS: [(&[u8], &str, &str); 34] = [
    (b"\x89PNG\r\n", "a PNG picture", ""),
    (b"\xff\xd8\xff", "a JPEG picture", ""),
    (b"GIF8", "a GIF picture", ""),
    (b"BM", "a BMP picture", ""),
    (b"II*\0", "a TIFF picture", ""),
    (b"MM\0*", "a TIFF picture", ""),
    (b"\0\0\x01\0", "an icon", ""),
    (b"%PDF-", "a PDF document", ""),
    (b"\x1f\x8b", "a gzip archive", UNPACK),
    (b"BZh", "a bzip2 archive", UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"PK\x03\x04", "a ZIP archive", UNPACK),
    (b"\x93NUMPY", "a NumPy array", ""),
    (b"\x89HDF\r\n", "an HDF5 file", ""),
    (b"\x80\x02", "a Python pickle", WEIGHTS),
    (b"\x80\x03", "a Python pickle", WEIGHTS),
    (b"\x80\x04", "a Python pickle", WEIGHTS),
    (b"\x80\x05", "a Python pickle", WEIGHTS),
    (b"GGUF", "a GGUF model", PRETRAINED),
    (b"PAR1", "a Parquet table", ""),
    (b"ARROW1", "an Arrow table", ""),
    (b"SQLite format 3\0", "an SQLite database", SQLITE),
    (b"\x7fELF", "a program", ""),
    (b"MZ", "a program", ""),
    (b"\xcf\xfa\xed\xfe", "a program", ""),
    (b"\0asm", "a WebAssembly program", ""),
    (b"OggS", "an audio file", ""),
    (b"ID3", "an audio file", ""),
    (b"fLaC", "an audio file", ""),
    (b"\xff\xfe", "text in UTF-16", UTF_16),
    (b"\xfe\xff", "text in UTF-16", UTF_16),
];

const UNPACK: &str = "Unpack it first.";
const WEIGHTS: &str = "Weights are no model here: a run file says what is trained.";
const SQLITE: &str = "If it is a trace of Nsight Systems, convert it: nsys export --type=json.";
const UTF_16: &str = "Convert it: iconv -f UTF-16 -t UTF-8.";
const PERFETTO: &str =
    "Convert it with Perfetto's traceconv: traceconv json TRACE.pftrace TRACE.json.";

/// As much of an archive is searched for the names of what is in it, in bytes.
const NAMES: usize = 4096;

/// What a file is that begins with these bytes, if it is known by them.
pub(super) fn name(bytes: &[u8]) -> Option<OtherFile> {
    let holds = |at: usize, word: &[u8]| bytes.get(at..at + word.len()) == Some(word);
    let names = bytes.get(..NAMES.min(bytes.len())).unwrap_or_default();
    let mentions = |word: &[u8]| names.windows(word.len()).any(|part| part == word);
    if holds(0, b"PK\x03\x04") && mentions(b"data.pkl") {
        return Some(OtherFile::new("a PyTorch checkpoint", WEIGHTS));
    }
    if holds(0, b"RIFF") {
        let is_picture = holds(8, b"WEBP");
        return Some(OtherFile::new(
            if is_picture { "a WebP picture" } else { "an audio file" },
            "",
        ));
    }
    if holds(4, b"ftyp") {
        return Some(OtherFile::new("a video", ""));
    }
    if holds(257, b"ustar") {
        return Some(OtherFile::new("a tar archive", UNPACK));
    }
    if holds(8, b"{\"") && holds(4, &[0; 4]) {
        return Some(OtherFile::new("weights in the safetensors format", WEIGHTS));
    }
    if is_perfetto(bytes) {
        return Some(OtherFile::new("a binary trace of Perfetto", PERFETTO));
    }
    // A text may begin with two letters of a sign.
    let is_sign = |start: &[u8]| {
        start.len() > 2 || start.iter().any(|byte| !byte.is_ascii()) || bytes.contains(&0)
    };
    let mut starts = STARTS.iter().filter(|(start, ..)| bytes.starts_with(start) && is_sign(start));
    starts.next().map(|(_, name, remedy)| OtherFile::new(*name, remedy))
}

/// Whether it is packets of Perfetto's, one after the other: each has the number of its field, its
/// length, and its fields.
fn is_perfetto(bytes: &[u8]) -> bool {
    const PACKET: u8 = 0x0A;
    const FEW: usize = 3;
    let mut at = 0;
    for packets in 0.. {
        match bytes.get(at) {
            _ if packets == FEW => return true,
            None => return packets > 0,
            Some(&PACKET) => {}
            Some(_) => return false,
        }
        let Some((length, used)) = varint(bytes.get(at + 1..).unwrap_or_default()) else {
            return false;
        };
        // A text that begins with empty lines has packets without anything in them, or of letters.
        let first = bytes.get(at + 1 + used).copied().unwrap_or(0);
        if length == 0 || (length >= 0x20 && first.is_ascii_graphic() && !bytes.contains(&0)) {
            return false;
        }
        at = at.saturating_add(1 + used).saturating_add(length);
    }
    false
}

/// A number in the form of protocol buffers, and how many bytes it takes.
fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0_usize;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        number |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, index + 1));
        }
    }
    None
}
