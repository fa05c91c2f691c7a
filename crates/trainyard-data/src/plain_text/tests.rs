//! Tests of text files as people have them: encodings, marks, line ends, letters, damage.

use std::fs;
use std::io::Write;
use std::process::Command;

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::convert::Former;
use super::encoding::ByteOrder;
use super::*;

const TEXT: &str = "Tea for two, “and two” for tea:\n a naïve Gruß aus Köln, 漢字 and 𝄞.\n";

const UNCHANGED: TextForm =
    TextForm { encoding: None, newlines: Newlines::Keep, normalize: Normalization::None };

/// Text of a file with these bytes, and the remarks on it.
fn open_as(bytes: &[u8], form: TextForm) -> Result<(String, Vec<String>), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in put's.txt");
    fs::write(&path, bytes).unwrap();
    let (mut text, mut remarks) = (String::new(), Remarks::default());
    let add = |piece: &str| text.push_str(piece);
    let opened = PlainText::open(&mut Opener::new(), &path, form, &mut remarks, add);
    let folder = format!("{}/", folder.path().display());
    opened.map_err(|error| error.to_string().replace(&folder, ""))?;
    let named = |remark: &String| remark.replace(&folder, "");
    Ok((text, remarks.of_characters().iter().map(named).collect()))
}

fn open(bytes: &[u8]) -> Result<(String, Vec<String>), String> {
    open_as(bytes, UNCHANGED)
}

fn remarks(text: &str) -> String {
    open(text.as_bytes()).unwrap().1.join("\n")
}

fn encoded(text: &str, encoding: Encoding) -> Vec<u8> {
    use ByteOrder::{Big, Little};
    let units = text.encode_utf16();
    let codes = text.chars().map(u32::from);
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf16(Little) => units.flat_map(u16::to_le_bytes).collect(),
        Encoding::Utf16(Big) => units.flat_map(u16::to_be_bytes).collect(),
        Encoding::Utf32(Little) => codes.flat_map(u32::to_le_bytes).collect(),
        Encoding::Utf32(Big) => codes.flat_map(u32::to_be_bytes).collect(),
        Encoding::Legacy(legacy) => legacy.encode(text).0.into_owned(),
    }
}

fn wide() -> [Encoding; 4] {
    ["utf-16le", "utf-16be", "utf-32le", "utf-32be"].map(|name| Encoding::named(name).unwrap())
}

#[test]
fn utf_16_and_32_are_read_by_their_mark_or_told_or_certain() {
    for encoding in wide() {
        let name = encoding.name();
        let (text, remarks) = open(&encoded(&format!("\u{feff}{TEXT}"), encoding)).unwrap();
        assert_eq!((&*text, remarks.len()), (TEXT, 1), "{name}");
        assert!(remarks[0].contains(&format!("read as {name}, as its byte order mark says")));
        let (text, remarks) = open(&encoded(TEXT, encoding)).unwrap();
        assert_eq!(text, TEXT, "{name}");
        assert!(
            remarks[0].contains(&format!("read as {name}, which it is, though")),
            "{remarks:?}"
        );
        // Damaged at its end: what it is is said all the same.
        let cut = open(&[encoded(TEXT, encoding), b"x".to_vec()].concat()).unwrap_err();
        assert!(cut.contains(&format!("it is not {name} text: the byte at offset")), "{cut}");
        // Too little to be certain of, but told.
        let told = TextForm { encoding: Some(encoding), ..UNCHANGED };
        let (text, remarks) = open_as(&encoded("漢字", encoding), told).unwrap();
        assert_eq!((&*text, remarks.len()), ("漢字", 0), "{name}");
    }
    let chinese = "漢字不是字母，\n而是字。\n".repeat(50);
    for encoding in wide() {
        assert_eq!(open(&encoded(&chinese, encoding)).unwrap().0, chinese, "{}", encoding.name());
    }
    // A mark is stronger than what was told.
    let told = TextForm { encoding: Encoding::named("windows-1252"), ..UNCHANGED };
    assert_eq!(open_as("\u{feff}é".as_bytes(), told).unwrap().0, "é");
}

#[test]
fn text_of_another_encoding_than_it_says_is_refused_with_the_place() {
    let told = TextForm { encoding: Encoding::named("utf-16le"), ..UNCHANGED };
    let odd = [encoded("a\nb", Encoding::named("utf-16le").unwrap()), b"c".to_vec()].concat();
    let error = open_as(&odd, told).unwrap_err();
    assert!(error.contains("it is not UTF-16LE text: the byte at offset 6 (line 2)"), "{error}");
    let error = open(b"\xff\xfe\0\0a\0\0\0\n\0\0\0\xff\xff\xff\xff").unwrap_err();
    assert!(error.contains("it is not UTF-32LE text: the byte at offset 8 (line 2)"), "{error}");
}

#[test]
fn a_mark_is_left_out_and_said() {
    let joined = remarks("a\n\u{feff}b");
    assert!(joined.contains("byte order marks within the text (1, first in line 2)"), "{joined}");
    let (text, remarks) = open("\u{feff}ab".as_bytes()).unwrap();
    assert_eq!(text, "ab");
    assert_eq!(remarks, ["in put's.txt: the byte order mark at the beginning is left out"]);
    assert_eq!(open(TEXT.as_bytes()).unwrap(), (TEXT.to_owned(), Vec::new()));
}

/// The command of a message.
#[cfg(unix)]
fn command_of(message: &str) -> &str {
    message.split('`').nth(1).unwrap_or_else(|| panic!("{message}"))
}

/// What a message's command makes of a file.
#[cfg(unix)]
fn mended(name: &str, bytes: &[u8]) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let open = |path: &Path| {
        let mut text = String::new();
        let add = |piece: &str| text.push_str(piece);
        PlainText::open(&mut Opener::new(), path, UNCHANGED, &mut Remarks::default(), add)
            .map(|_| text)
    };
    let message = open(&path).unwrap_err().to_string();
    let command = command_of(&message);
    let done = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    (message.clone(), open(&utf8_name(&path)).unwrap())
}

#[cfg(unix)]
#[test]
fn other_encodings_are_named_with_a_command_that_works() {
    let russian = "Все счастливые семьи похожи друг на друга,\nкаждая несчастливая семья\n";
    let japanese = "吾輩は猫である。名前はまだ無い。\nどこで生れたか とんと見当がつかぬ。\n";
    let korean = "모든 행복한 가정은 서로 닮았고 불행한 가정은\n저마다 나름으로 불행하다.\n";
    for (label, text) in [
        ("windows-1252", "Der Mann, der nach Köln fuhr – über Göttingen – aß „Brötchen“.\n"),
        ("windows-1251", russian),
        ("koi8-u", russian),
        ("shift_jis", japanese),
        ("euc-jp", japanese),
        ("euc-kr", korean),
    ] {
        let encoding = Encoding::named(label).unwrap();
        let bytes = encoded(&text.repeat(3), encoding);
        for name in ["it's a file.txt", "plain"] {
            let (message, mended) = mended(name, &bytes);
            let says =
                format!("it reads as {}: set encoding = \"{label}\" in [data]", encoding.name());
            assert!(message.contains(&says), "{label}: {message}");
            assert_eq!(mended, text.repeat(3), "{label}");
        }
        // What the message says works, too.
        let told = TextForm { encoding: Some(encoding), ..UNCHANGED };
        assert_eq!(open_as(&bytes, told).unwrap().0, text.repeat(3));
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&bytes).unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(mended_text("a.txt.gz", &packed), text.repeat(3));
        assert_eq!(mended_text("a.txt", &packed), text.repeat(3));
    }
    // Bytes that Windows-1252 has no character for.
    let (message, _) = mended("a.txt", b"caf\xe9 \x81 \x9d\n");
    assert!(message.contains("iconv -f ISO-8859-1"), "{message}");
}

#[cfg(unix)]
fn mended_text(name: &str, bytes: &[u8]) -> String {
    mended(name, bytes).1
}

#[cfg(unix)]
#[test]
fn damaged_utf_8_is_not_taken_for_another_encoding() {
    let damaged =
        [TEXT.as_bytes(), b"\xff", TEXT.as_bytes(), &TEXT.as_bytes()[..9], b"\xe2"].concat();
    let (message, mended) = mended("a.txt", &damaged);
    assert!(message.contains("(line 3)"), "{message}");
    assert!(message.contains("the rest is UTF-8 but for 2 such places"), "{message}");
    assert_eq!(mended, [TEXT, TEXT, &TEXT[..9], "\n"].concat());
}

#[test]
fn binary_files_are_refused_as_what_they_are() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0";
    let error = open(png).unwrap_err();
    assert!(error.contains("in put's.txt: it is a PNG picture, no text"), "{error}");
    let error = open(b"PK\x03\x04\x14\0\0\0\x08\0").unwrap_err();
    assert!(error.contains("a ZIP archive, as Word"), "{error}");
    let error = open(b"\xfd7zXZ\0\0\x04").unwrap_err();
    let command = r"`xz -dc < 'in put'\''s.txt' > 'in put'\''s.unpacked.txt'`";
    assert!(error.contains("it is an xz archive") && error.contains(command), "{error}");
    let error = open(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n").unwrap_err();
    assert!(error.contains(r"`pdftotext 'in put'\''s.txt' 'in put'\''s.unpacked.txt'`"), "{error}");
    let noise: Vec<u8> =
        (0..5000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let without_nul: Vec<u8> = noise.iter().copied().filter(|byte| *byte != 0).collect();
    for bytes in [&noise[..], &without_nul, &[0; 100], b"a\0\0\0b\0\xff\xfe\xff\0"] {
        let error = open(bytes).unwrap_err();
        assert!(error.contains("it is no text") && error.contains("data.encoding"), "{error}");
    }
    // A text may begin as such a file does.
    assert_eq!(open(b"MZ, BZh and GIF8 are letters").unwrap().0, "MZ, BZh and GIF8 are letters");
}

#[test]
fn line_ends_and_other_oddities_are_said() {
    assert_eq!(remarks("a\nb\n"), "");
    let crlf = remarks("a\r\nb\r\nc\n");
    assert!(
        crlf.starts_with("in put's.txt: lines end in CRLF (2, first in line 1), two"),
        "{crlf}"
    );
    let cr = remarks("a\rb\rc");
    assert!(cr.contains("lines end in CR alone (2, first in line 1)"), "{cr}");
    let both = remarks("a\r\nb\r");
    assert!(
        both.contains("end in CRLF (1, first in line 1)")
            && both.contains("end in CR alone (1, first in line 2)")
    );
    let nul = remarks("one\ntwo\0, and three\n");
    assert!(nul.contains("NUL characters (1, first in line 2)"), "{nul}");
    let apart = remarks("cafe\u{301}\ne\u{301}, é, x\u{301}\n");
    assert!(
        apart.contains("letters are written as a letter and a mark after it (2, first in line 1)"),
        "{apart}"
    );
    let form = TextForm { newlines: Newlines::Unix, normalize: Normalization::Nfc, ..UNCHANGED };
    let (text, remarks) = open_as("e\u{301}\r\nb\rc\n".as_bytes(), form).unwrap();
    assert_eq!((&*text, remarks.len()), ("é\nb\nc\n", 0));
}

#[test]
fn a_remark_is_said_once_for_all_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Remarks::default();
    for name in ["a.txt", "b.txt", "c.txt"] {
        let path = folder.path().join(name);
        fs::write(&path, "x\r\n").unwrap();
        PlainText::open(&mut Opener::new(), &path, UNCHANGED, &mut seen, |_| {}).unwrap();
    }
    let said = seen.of_characters();
    assert_eq!(said.len(), 1);
    assert!(
        said[0].contains("a.txt and 2 more: lines end in CRLF (3, first in line 1 of the first)"),
        "{said:?}"
    );
}

#[test]
fn encodings_have_names() {
    for label in
        ["UTF-8", "utf8", "UTF-16", "utf-32be", "latin1", "cp1252", "Shift_JIS", "macintosh"]
    {
        assert!(is_encoding(label), "{label}");
    }
    for label in ["", "utf-7", "ebcdic", "1252x"] {
        assert!(!is_encoding(label), "{label}");
    }
    // What messages say is taken.
    for encoding in wide() {
        assert_eq!(Encoding::named(encoding.name()), Some(encoding));
    }
}

/// A text brought into a form in pieces.
fn formed(text: &str, form: TextForm, piece: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    let (mut former, mut formed) = (Former::new(form), String::new());
    for piece in characters.chunks(piece) {
        former.push(&piece.iter().collect::<String>(), &mut formed);
    }
    former.finish(&mut formed);
    formed
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        text in "([a-c\r\n]|e\u{301}|\u{323}|\u{301}|가|ᄀ|ᅡ|ᆨ|Å|\\PC){0,40}", piece in 1..9_usize
    ) {
        let unix = TextForm { newlines: Newlines::Unix, ..UNCHANGED };
        let expected = text.replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(formed(&text, unix, piece), expected);
        let nfc = TextForm { normalize: Normalization::Nfc, ..UNCHANGED };
        prop_assert_eq!(formed(&text, nfc, piece), text.nfc().collect::<String>());
        // A text in the form has nothing that the form would change.
        let both = TextForm { newlines: Newlines::Unix, ..nfc };
        let once = in_form(&text, both);
        let said = remarks(&["x\n", &once].concat());
        prop_assert!(!said.contains("in [data]"), "{}", said);
        prop_assert_eq!(in_form(&["x", &once].concat(), both), in_form(&["x", &text].concat(), both));
    }

    #[test]
    fn any_text_comes_back_from_any_encoding(text in "(\\PC|[a-z\n]){0,60}", wide in 0..4_usize) {
        let encoding = self::wide()[wide];
        let told = TextForm { encoding: Some(encoding), ..UNCHANGED };
        let text = format!("x{text}");
        prop_assert_eq!(open_as(&encoded(&text, encoding), told).unwrap().0, text);
    }

    #[test]
    fn no_bytes_panic(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(b'a'), Just(0xff)], 0..80),
        label in prop::sample::select(vec!["", "utf-8", "utf-16be", "utf-32le", "gbk", "iso-2022-jp"]),
    ) {
        let form = TextForm {
            encoding: Encoding::named(label), newlines: Newlines::Unix, normalize: Normalization::Nfc,
        };
        let _either = (open(&bytes), open_as(&bytes, form));
    }
}
