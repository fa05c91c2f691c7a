//! Tests of texts, windows and batches.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;

use proptest::prelude::*;

use super::scan::{CHARS_A_MARK, scan};
use super::*;

fn in_memory(text: &str) -> CharText {
    CharText::from_string("a test", text.to_owned()).unwrap()
}

fn in_file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input.txt");
    fs::write(&path, bytes).unwrap();
    (folder, path)
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

#[test]
fn a_text_knows_its_vocabulary() {
    let text = in_memory("hello\u{feff} wörld\u{0}");
    assert_eq!(text.vocabulary().iter().collect::<String>(), "\u{0} dehlorwö\u{feff}");
    assert_eq!(text.len_chars(), 13);
    let tokens = text.encode("world ö").unwrap();
    assert_eq!(text.decode(&tokens), "world ö");
    assert_eq!(text.decode(&[0, 4000]), "\u{0}\u{fffd}");
    let unknown = text.encode("hex").unwrap_err().to_string();
    assert!(unknown.contains("character 'x' (number 3") && unknown.contains("a test"), "{unknown}");
    assert!(text.encode("é").is_err());
}

#[test]
fn a_file_and_a_string_are_the_same_text() {
    for text in ["plain old ascii\n".repeat(2000), mixed(3 * CHARS_A_MARK as usize + 5)] {
        let (_folder, path) = in_file(text.as_bytes());
        let (file, memory) = (CharText::open(&path).unwrap(), in_memory(&text));
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
        assert!(matches!(outside, RunError::OutsideText { .. }));
        assert!(file.window(u64::MAX, 1, &mut Vec::new()).is_err());
    }
}

/// A reader that gives a few bytes at a time, so that characters are cut.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.1.min(buffer.len()).min(self.0.len());
        let (now, later) = self.0.split_at(size);
        buffer[..size].copy_from_slice(now);
        self.0 = later;
        Ok(size)
    }
}

#[test]
fn characters_may_be_cut_by_the_buffer() {
    let text = mixed(5000);
    let whole = scan(text.as_bytes(), "t", RunError::io("read", "t")).unwrap();
    for size in 1..6 {
        let cut = scan(Trickle(text.as_bytes(), size), "t", RunError::io("read", "t")).unwrap();
        assert_eq!(format!("{cut:?}"), format!("{whole:?}"), "{size} bytes at a time");
        let bad = [text.as_bytes(), b"\n\xe6\xbc"].concat();
        let error = scan(Trickle(&bad, size), "t", RunError::io("read", "t")).unwrap_err();
        let (at, lines) = (text.len() as u64 + 1, text.matches('\n').count() as u64 + 2);
        assert!(
            matches!(error, RunError::NotUtf8 { offset, line, .. } if offset == at && line == lines),
            "{error}"
        );
    }
}

#[test]
fn what_is_no_text_is_refused() {
    let (folder, path) = in_file(b"");
    assert!(CharText::open(&path).unwrap_err().to_string().contains("input.txt is empty"));
    fs::write(&path, b"one\ntwo\xff\n").unwrap();
    let error = CharText::open(&path).unwrap_err().to_string();
    assert!(error.contains("offset 7 (line 2)"), "{error}");
    let error = CharText::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("it is a directory; name a text file"), "{error}");
    let error = CharText::open(&folder.path().join("no")).unwrap_err().to_string();
    assert!(error.contains("check the name"), "{error}");
    let many: String = (' '..).filter(|c| !c.is_control()).take(65_537).collect();
    let error = CharText::from_string("t", many).unwrap_err();
    assert!(matches!(error, RunError::TooManyCharacters { limit: 65_536, .. }));
    assert!(CharText::from_string("t", (' '..).take(65_536).collect()).is_ok());
}

#[test]
fn a_text_that_changes_is_noticed() {
    let (_folder, path) = in_file(mixed(9000).as_bytes());
    let text = CharText::open(&path).unwrap();
    let mut tokens = Vec::new();
    for change in [&b"short"[..], &b"\xff".repeat(30_000), "x".repeat(30_000).as_bytes()] {
        fs::File::create(&path).unwrap().write_all(change).unwrap();
        let error = text.window(4500, 64, &mut tokens).unwrap_err();
        assert!(matches!(error, RunError::TextChanged { .. }), "{error}");
    }
}

#[test]
fn the_split_is_nanogpts() {
    let text = in_memory(&"ab".repeat(557_697));
    let set = TextDataset::new(text, 64, 0.1).unwrap();
    assert_eq!((set.train.clone(), set.validation.clone()), (0..1_003_854, 1_003_854..1_115_394));
    assert_eq!(set.validation_windows(), 1742);
}

#[test]
fn texts_that_are_too_short_are_refused() {
    let new =
        |length: usize, context| TextDataset::new(in_memory(&"a".repeat(length)), context, 0.1);
    let error = new(100, 64).unwrap_err().to_string();
    assert!(
        error.contains(
            "has 100 characters, 10 of them for validation, but a context of 64 needs at least 65"
        ),
        "{error}"
    );
    assert!(matches!(new(1, 9), Err(RunError::TextTooShort { part: "training", .. })));
    assert!(new(100, 9).is_ok());
    assert!(new(100, 0).is_err() && new(100, usize::MAX).is_err());
    assert!(TextDataset::new(in_memory("aaa"), 1, f64::NAN).is_err());
}

#[test]
fn batches_depend_on_seed_and_step_alone() {
    let set = TextDataset::new(in_memory(&yard(9000)), 16, 0.1).unwrap();
    let batch = set.train_batch(7, 3, 5).unwrap();
    assert_eq!(
        (batch.rows, batch.context, batch.inputs.len(), batch.targets.len()),
        (5, 16, 80, 80)
    );
    assert_eq!(set.train_batch(7, 3, 5).unwrap(), batch);
    assert_ne!(set.train_batch(7, 4, 5).unwrap(), batch);
    assert_ne!(set.train_batch(8, 3, 5).unwrap(), batch);
    // A smaller batch is the beginning of a larger one.
    assert_eq!(set.train_batch(7, 3, 2).unwrap().inputs, batch.inputs[..32]);
    for row in 0..5 {
        let (inputs, targets) = batch.rows(row..row + 1);
        assert_eq!(inputs[1..], targets[..15]);
    }
    assert_eq!(batch.rows(1..3), (&batch.inputs[16..48], &batch.targets[16..48]));
    assert_eq!(batch.rows(4..6).0, &[0i32; 0]);
}

#[test]
fn training_reaches_every_window_and_never_the_validation_part() {
    // Token = position: the windows say themselves where they start.
    let text: String = ('\u{100}'..).take(100).collect();
    let set = TextDataset::new(in_memory(&text), 4, 0.1).unwrap();
    let batch = set.train_batch(1, 1, 4000).unwrap();
    let starts: std::collections::BTreeSet<_> = batch.inputs.chunks(4).map(|row| row[0]).collect();
    assert_eq!(starts.into_iter().collect::<Vec<_>>(), (0..86).collect::<Vec<_>>());
    assert_eq!(batch.targets.iter().max(), Some(&89));
}

#[test]
fn validation_covers_its_part_once() {
    let text: String = ('\u{100}'..).take(100).collect();
    let set = TextDataset::new(in_memory(&text), 4, 0.5).unwrap();
    // 50 characters: 12 windows of 4 with a target each, the last character is a target alone.
    let all: Vec<_> = set.validation_batches(5, None).map(Result::unwrap).collect();
    assert_eq!(all.iter().map(|batch| batch.rows).collect::<Vec<_>>(), [5, 5, 2]);
    let inputs: Vec<i32> = all.iter().flat_map(|batch| batch.inputs.clone()).collect();
    assert_eq!(inputs, (50..98).collect::<Vec<_>>());
    let targets: Vec<i32> = all.iter().flat_map(|batch| batch.targets.clone()).collect();
    assert_eq!(targets, (51..99).collect::<Vec<_>>());
    let some: Vec<_> = set.validation_batches(3, Some(2)).map(Result::unwrap).collect();
    let starts: Vec<i32> = some.iter().flat_map(|b| b.inputs.chunks(4).map(|row| row[0])).collect();
    assert_eq!(starts, [50, 58, 66, 74, 82, 90]);
    assert_eq!(set.validation_batches(5, Some(9)).count(), 3);
    assert_eq!(set.validation_batches(5, Some(usize::MAX)).count(), 3);
    assert_eq!(set.validation_batches(0, Some(0)).count(), 0);
    assert_eq!(set.validation_batches(usize::MAX, None).count(), 1);
}

fn yard(characters: usize) -> String {
    builtin::yard_text(3, characters)
}

#[test]
fn the_yard_is_the_same_everywhere() {
    let text = builtin_text("yard").unwrap();
    assert_eq!(text.len(), 300_000);
    assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
    assert_eq!(yard(5000), yard(9000)[..5000]);
    assert_ne!(builtin::yard_text(4, 5000), yard(5000));
    assert!(yard(0).is_empty());
    let vocabulary = in_memory(&text).vocabulary().len();
    assert!((45..=70).contains(&vocabulary), "{vocabulary} characters");
    let error = builtin_text("yrad").unwrap_err().to_string();
    assert_eq!(error, "there is no built-in text 'yrad'; there are: yard");
}

#[test]
fn the_yard_has_no_unfilled_slots_and_agrees_with_itself() {
    let text = yard(400_000);
    assert!(!text.contains(['{', '}', '_']));
    let paragraphs: Vec<&str> = text.split("\n\n").collect();
    let distinct: std::collections::BTreeSet<_> = paragraphs.iter().collect();
    assert!(distinct.len() + 20 > paragraphs.len(), "{} of {}", distinct.len(), paragraphs.len());
    let mut sheets = 0;
    // The last one is cut short.
    for sheet in paragraphs.iter().rev().skip(1).filter(|p| p.starts_with("LOAD SHEET")) {
        let sums: Vec<u64> = sheet
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().rev().find_map(|w| w.parse().ok()).unwrap_or(0))
            .collect();
        let total: u64 =
            sheet.lines().last().unwrap().split_whitespace().nth(3).unwrap().parse().unwrap();
        assert_eq!(sums[0] + sums[1], total, "{sheet}");
        sheets += 1;
    }
    assert!(sheets > 20);
    for log in paragraphs.iter().rev().skip(1).filter(|p| p.starts_with("LOG OF")) {
        let lines: Vec<&str> = log.lines().collect();
        let train = lines[1][7..].split(" comes").next().unwrap();
        assert!(lines[lines.len() - 1].contains(&format!("{train} leaves")), "{log}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn windows_are_slices(text in "\\PC{1,40}|[a-z]{1,40}|(\\PC|[a-z\n]){1,60}", times in 1..250usize, start in 0..20_000usize, length in 0..200usize) {
        let text = text.repeat(times);
        let characters = text.chars().count();
        let start = start % characters;
        let length = length.min(characters - start);
        let expected: String = text.chars().skip(start).take(length).collect();
        let memory = in_memory(&text);
        prop_assert_eq!(window(&memory, start as u64, length), &expected[..]);
        prop_assert_eq!(memory.decode(&memory.encode(&expected).unwrap()), &expected[..]);
        let (_folder, path) = in_file(text.as_bytes());
        prop_assert_eq!(window(&CharText::open(&path).unwrap(), start as u64, length), expected);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let scanned = scan(&bytes[..], "t", RunError::io("read", "t"));
        prop_assert_eq!(scanned.is_ok(), !bytes.is_empty() && std::str::from_utf8(&bytes).is_ok());
    }

    #[test]
    fn validation_windows_are_distinct_and_inside(
        characters in 20..3000usize, context in 1..9usize, batch in 1..20usize, limit in prop::option::of(0..30usize)
    ) {
        let text: String = ('\u{1000}'..).take(characters).collect();
        let set = TextDataset::new(in_memory(&text), context, 0.5).unwrap();
        let mut next = set.validation.start as i32;
        let mut rows = 0;
        for batch in set.validation_batches(batch, limit) {
            let batch = batch.unwrap();
            for row in batch.inputs.chunks(context) {
                prop_assert!(row[0] >= next);
                next = row[0] + i32::try_from(context).unwrap();
            }
            rows += batch.rows;
            prop_assert_eq!(batch.inputs.len(), batch.rows * context);
        }
        prop_assert!(next < set.validation.end as i32);
        let most = limit.map_or(usize::MAX, |limit| limit * batch);
        prop_assert_eq!(rows, most.min(set.validation_windows() as usize));
    }
}
