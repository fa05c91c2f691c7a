//! Texts from files: several, compressed, damaged, changed.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_is_no_text_is_refused() {
    let (folder, path) = in_file(b"");
    assert!(open(&path).unwrap_err().to_string().contains("input.txt is empty"));
    fs::write(&path, b"one\ntwo\xff\n").unwrap();
    let error = open(&path).unwrap_err().to_string();
    assert!(error.contains("offset 7 (line 2)"), "{error}");
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("it is a directory; name a file"), "{error}");
    let error = open(&folder.path().join("no")).unwrap_err().to_string();
    assert!(error.contains("check the name"), "{error}");
    let many: String = (' '..).filter(|c| !c.is_control()).take(65_537).collect();
    let error = CharText::from_string("t", many).unwrap_err();
    assert!(matches!(error, DataError::TooManyCharacters { limit: 65_536, .. }));
    assert!(CharText::from_string("t", (' '..).take(65_536).collect()).is_ok());
}

#[test]
fn a_text_that_changes_is_noticed() {
    let (_folder, path) = in_file(mixed(9000).as_bytes());
    let text = open(&path).unwrap();
    let mut tokens = Vec::new();
    for change in [&b"short"[..], &b"\xff".repeat(30_000), "x".repeat(30_000).as_bytes()] {
        fs::File::create(&path).unwrap().write_all(change).unwrap();
        let error = text.window(4500, 64, &mut tokens).unwrap_err();
        assert!(matches!(error, DataError::Changed { .. }), "{error}");
    }
}

#[test]
fn byte_order_marks_are_dropped_and_line_ends_kept() {
    let (_folder, path) = in_file("\u{feff}a\r\nb\u{feff}c".as_bytes());
    let text = open(&path).unwrap();
    assert_eq!(window(&text, 0, 6), "a\r\nb\u{feff}c");
    assert_eq!(text.fingerprint(), in_memory("a\r\nb\u{feff}c").fingerprint());
    // Offsets of errors are counted as an editor counts, after the mark.
    fs::write(&path, b"\xef\xbb\xbfa\xff").unwrap();
    assert!(open(&path).unwrap_err().to_string().contains("offset 1 (line 1)"));
}

#[test]
fn several_files_are_one_text() {
    let folder = tempfile::tempdir().unwrap();
    let text = mixed(20_000);
    let whole = in_memory(&text);
    let characters: Vec<char> = text.chars().collect();
    // More files than are kept open, some empty, some compressed, one with a byte order mark.
    let mut files = Vec::new();
    for (index, part) in characters.chunks(97).enumerate() {
        let part: String = part.iter().collect();
        let (name, bytes) = match index % 5 {
            0 => (format!("{index}.txt.gz"), gzip(part.as_bytes())),
            1 => (format!("{index}.txt"), ["\u{feff}", &part].concat().into_bytes()),
            _ => (format!("{index}.txt"), part.into_bytes()),
        };
        files.push(folder.path().join(name));
        fs::write(files.last().unwrap(), bytes).unwrap();
        files.push(folder.path().join("empty"));
    }
    fs::write(folder.path().join("empty"), b"").unwrap();
    let text = CharText::open(&files).unwrap();
    assert_eq!(text.fingerprint(), whole.fingerprint());
    assert_eq!(text.len_chars(), 20_000);
    assert!(text.name().ends_with("0.txt.gz and 413 more"), "{}", text.name());
    for start in (0..19_800).step_by(331) {
        assert_eq!(window(&text, start, 200), window(&whole, start, 200));
    }
    // A file that is opened again for each read is watched, too.
    fs::write(&files[412], b"").unwrap();
    let error = text.window(19_990, 10, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, DataError::Changed { .. }), "{error}");
}

#[test]
fn damaged_archives_are_named() {
    let (folder, _) = in_file(b"");
    let path = folder.path().join("t.txt.gz");
    let packed = gzip(mixed(5000).as_bytes());
    let mut wrong_sum = packed.clone();
    let sum = packed.len() - 6;
    wrong_sum[sum] ^= 1;
    for damaged in [&packed[..packed.len() / 2], &packed[..3], b"no archive", &wrong_sum] {
        fs::write(&path, damaged).unwrap();
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains("t.txt.gz: it is not a whole gzip file"), "{error}");
    }
    fs::write(&path, [&packed[..], &packed].concat()).unwrap();
    assert_eq!(open(&path).unwrap().len_chars(), 10_000);
}

#[test]
fn options_name_files_or_a_builtin() {
    let check = |options: TextOptions| TextSource::open(&options, 0.1).unwrap_err().to_string();
    assert!(check(TextOptions::default()).contains("data.text is missing, but must be the path"));
    let both = TextOptions {
        text: vec!["a".into()],
        builtin: Some("yard".to_owned()),
        ..TextOptions::default()
    };
    assert!(check(both).contains("data.text is given twice, but must be given either"));
    let error = check(TextOptions { builtin: Some("yrad".to_owned()), ..TextOptions::default() });
    assert!(error.starts_with("data.builtin is \"yrad\", but must be one of yard"), "{error}");
    let error = builtin_text("yrad").unwrap_err().to_string();
    assert_eq!(error, "there is no built-in text 'yrad'; there are: yard");
}

#[test]
fn a_text_in_another_form_is_converted_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = "Über e\u{301}\r\nund \u{1d11e}\r".repeat(3000);
    let formed = "Über é\nund \u{1d11e}\n".repeat(3000);
    let whole = in_memory(&formed);
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let texts = [text.clone().into_bytes(), gzip(text.as_bytes()), utf16.clone(), gzip(&utf16)];
    for bytes in texts {
        let path = folder.path().join("input.txt");
        fs::write(&path, &bytes).unwrap();
        let options = TextOptions {
            text: vec![path.clone()],
            newlines: crate::Newlines::Unix,
            normalize: crate::Normalization::Nfc,
            ..TextOptions::default()
        };
        let source = TextSource::open(&options, 0.1).unwrap();
        assert_eq!(source.text().fingerprint(), whole.fingerprint());
        for start in [0, 5, 4090, 20_000, whole.len_chars() - 70] {
            assert_eq!(window(source.text(), start, 70), window(&whole, start, 70));
        }
        let said = &source.info().remarks;
        assert!(said.len() <= 1 && said.iter().all(|said| said.contains("UTF-16BE")), "{said:?}");
    }
}
