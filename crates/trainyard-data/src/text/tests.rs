//! Tests of texts and their windows.

mod files;
mod prompt;
mod tokens;
mod vocabulary;
mod windows;
mod yard;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::scan::{CHARS_A_MARK, Scan, Scanner};
use super::*;
use crate::plain_text::{BadByte, each_text};

/// A text of 300 characters that are all different, in two files.
pub(crate) fn sample(folder: &Path) -> Value {
    let text: Vec<char> = ('\u{4e00}'..).take(300).collect();
    let names = ["a.txt", "b.txt"].map(|name| folder.join(name));
    fs::write(&names[0], text[..171].iter().collect::<String>()).unwrap();
    fs::write(&names[1], text[171..].iter().collect::<String>()).unwrap();
    json!({ "text": folder, "context": 8, "validation_fraction": 0.2 })
}

fn in_memory(text: &str) -> CharText {
    CharText::from_string("a test", text.to_owned()).unwrap()
}

fn in_file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input.txt");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn open(path: &Path) -> Result<CharText, DataError> {
    CharText::open(&[path.to_owned()])
}

fn window(text: &CharText, start: u64, length: usize) -> String {
    let mut tokens = vec![99];
    text.window(start, length, &mut tokens).unwrap();
    text.decode(&tokens)
}

/// Characters of one to four bytes, long enough for several marks.
fn mixed(characters: usize) -> String {
    "aé\n漢𝄞\u{0}z".chars().cycle().take(characters).collect()
}

/// A pass over bytes, `size` at a time, so that characters are cut.
fn scanned(bytes: &[u8], size: usize) -> Result<Scan, Option<BadByte>> {
    let mut scanner = Scanner::new();
    let pieces = bytes.chunks(size).map(|piece| Ok(piece.to_vec()));
    let bad = each_text(pieces, |text| scanner.accept(text)).unwrap();
    if bad.is_some() { Err(bad) } else { scanner.finish("t").map_err(|_empty| None) }
}

#[test]
fn a_text_knows_its_vocabulary() {
    let text = in_memory("hello\u{feff} wörld\u{0}");
    assert_eq!(text.vocabulary().iter().collect::<String>(), "\u{0} dehlorwö\u{feff}");
    assert_eq!(text.len_chars(), 13);
    let tokens = text.encode("world ö").unwrap();
    assert_eq!(text.decode(&tokens), "world ö");
    assert_eq!(text.decode(&[0, 4000]), "\u{0}\u{fffd}");
    let unknown = text.encode("hex").unwrap_err().to_string();
    assert!(unknown.starts_with("a test has no 'x' (U+0078, number 3)"), "{unknown}");
    assert!(text.encode("é").is_err());
}

#[test]
fn a_file_and_a_string_are_the_same_text() {
    for text in ["plain old ascii\n".repeat(2000), mixed(3 * CHARS_A_MARK as usize + 5)] {
        let (_folder, path) = in_file(text.as_bytes());
        let (file, memory) = (open(&path).unwrap(), in_memory(&text));
        assert_eq!(file.fingerprint(), memory.fingerprint());
        assert_eq!(file.vocabulary(), memory.vocabulary());
        assert_eq!(file.len_chars(), text.chars().count() as u64);
        for start in [0, 1, 4095, 4096, 4097, 8000, file.len_chars() - 70] {
            let expected: String = text.chars().skip(start as usize).take(70).collect();
            assert_eq!(window(&file, start, 70), expected, "at {start}");
            assert_eq!(window(&memory, start, 70), expected, "at {start}");
        }
        assert_eq!(window(&file, 0, text.chars().count()), text);
        assert_eq!(window(&file, file.len_chars(), 0), "");
        let outside = file.window(file.len_chars(), 1, &mut Vec::new()).unwrap_err();
        assert!(matches!(outside, DataError::OutsideText { .. }));
        assert!(file.window(u64::MAX, 1, &mut Vec::new()).is_err());
    }
}

#[test]
fn characters_may_be_cut_by_the_pieces() {
    let text = mixed(5000);
    let whole = scanned(text.as_bytes(), usize::MAX).unwrap();
    for size in 1..6 {
        let cut = scanned(text.as_bytes(), size).unwrap();
        assert_eq!(format!("{cut:?}"), format!("{whole:?}"), "{size} bytes at a time");
        for end in [&b"\n\xe6\xbc"[..], b"\n\xe6\xbcx", b"\n\xff\n"] {
            let bad = [text.as_bytes(), end].concat();
            let (offset, line) = (text.len() as u64 + 1, text.matches('\n').count() as u64 + 2);
            assert_eq!(scanned(&bad, size).unwrap_err(), Some(BadByte { offset, line }));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn windows_are_slices(
        text in "\\PC{1,40}|[a-z]{1,40}|(\\PC|[a-z\n]){1,60}", times in 1..250_usize,
        start in 0..20_000_usize, length in 0..200_usize
    ) {
        let text = text.repeat(times);
        let characters = text.chars().count();
        let start = start % characters;
        let length = length.min(characters - start);
        let expected: String = text.chars().skip(start).take(length).collect();
        let memory = in_memory(&text);
        prop_assert_eq!(window(&memory, start as u64, length), &expected[..]);
        prop_assert_eq!(memory.decode(&memory.encode(&expected).unwrap()), &expected[..]);
        // A mark at the very beginning of a file is no part of the text, and two zeros no UTF-16.
        let (_folder, path) = in_file(["x", &text].concat().as_bytes());
        prop_assert_eq!(window(&open(&path).unwrap(), start as u64 + 1, length), expected);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1..50_usize) {
        let is_text = !bytes.is_empty() && std::str::from_utf8(&bytes).is_ok();
        prop_assert_eq!(scanned(&bytes, size).is_ok(), is_text);
        for name in ["input.txt", "input.gz"] {
            let (folder, _) = in_file(b"");
            let path = folder.path().join(name);
            fs::write(&path, &bytes).unwrap();
            let _either = open(&path);
        }
    }
}
