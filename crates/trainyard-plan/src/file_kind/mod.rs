//! What a file is, from its contents: one of Trainyard's, or something else that a person may have
//! taken for one, by its name and with the way out.
//!
//! | kind | known by |
//! |---|---|
//! | profile, plan | `format` |
//! | trace | `traceEvents`, or a list whose elements have a `ph` |
//! | journal | the `format` of its first line |
//! | run file | a line `[model]` |
//! | any other | its first bytes, its first words, or the keys of its JSON |

mod binary;
mod json;
mod text;

use std::io::{self, Read};

use crate::journal::Header;
use crate::json_walk::{Walk, unquoted};
use crate::{Plan, Profile};

/// What to do with a model of others.
const PRETRAINED: &str =
    "A run file names it: [model] path = ...; `trainyard inspect` shows what it is.";

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `run.toml`.
    RunFile,
    /// `profile.json`.
    Profile,
    /// `plan.json`.
    Plan,
    /// `trace.json`, of this program or another.
    Trace,
    /// `journal.jsonl`.
    Journal,
    /// Something else.
    Other(OtherFile),
}

/// A file that is none that Trainyard opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherFile {
    /// It, with its article: "a PNG picture".
    pub name: String,
    /// What to do with it, as a sentence; empty where nothing helps.
    pub remedy: &'static str,
    /// Whether it is known what it is: of some JSON or text only the form is.
    pub is_known: bool,
}

impl OtherFile {
    /// A file that is known for what it is.
    #[must_use]
    pub fn new(name: impl Into<String>, remedy: &'static str) -> Self {
        Self { name: name.into(), remedy, is_known: true }
    }

    /// Whether it is, or describes, a pretrained model, which the program can plan, train and talk with.
    #[must_use]
    pub fn is_model(&self) -> bool {
        self.remedy == PRETRAINED
    }

    /// A file of which only the form is known.
    fn of_form(name: impl Into<String>, remedy: &'static str) -> Self {
        Self { is_known: false, ..Self::new(name, remedy) }
    }
}

/// So much of a file shows what it is.
const BEGINNING: u64 = 64 << 10;

impl FileKind {
    /// What a file is, of which no more than the beginning is read.
    ///
    /// # Errors
    /// The reader's.
    pub fn read(file: impl Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.take(BEGINNING).read_to_end(&mut bytes)?;
        Ok(Self::of(&bytes))
    }

    /// What a file is that holds these bytes, or begins with them.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        if let Some(other) = binary::name(bytes) {
            return Self::Other(other);
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            // The end of a file's beginning may be half a character.
            Err(error) if error.error_len().is_none() => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                std::str::from_utf8(valid).unwrap_or_default()
            }
            // Of a journal the later lines may be damaged.
            Err(_) if first_line(bytes).map(Self::of_text) == Some(Self::Journal) => {
                return Self::Journal;
            }
            Err(_) if bytes.contains(&0) => {
                return Self::Other(OtherFile::new("a binary file of an unknown kind", ""));
            }
            Err(_) => {
                let remedy = "Convert it, for example with iconv -t UTF-8.";
                return Self::Other(OtherFile::of_form("text that is not UTF-8", remedy));
            }
        };
        Self::of_text(text.strip_prefix('\u{feff}').unwrap_or(text))
    }

    fn of_text(text: &str) -> Self {
        let trimmed = text.trim_start();
        if trimmed.starts_with('{') {
            return Self::of_object(text);
        }
        if trimmed.starts_with('[') && is_list_of_events(text) {
            return Self::Trace;
        }
        let is_model = |line: &str| line.split('#').next().map(str::trim) == Some("[model]");
        if text.lines().any(is_model) {
            return Self::RunFile;
        }
        Self::Other(text::name(text))
    }

    fn of_object(text: &str) -> Self {
        let mut walk = Walk::new(text);
        walk.enter(b'{');
        let mut keys = Vec::new();
        while let Some(key) = walk.key() {
            if key == "traceEvents" {
                return Self::Trace;
            }
            keys.push(key);
            let Some(value) = walk.value() else { break };
            if key == "format" {
                match unquoted(value) {
                    Profile::FORMAT => return Self::Profile,
                    Plan::FORMAT => return Self::Plan,
                    Header::FORMAT => return Self::Journal,
                    _ => {}
                }
            }
        }
        Self::Other(json::name(text, &keys))
    }

    /// Its name, with its article.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::RunFile => "a run file",
            Self::Profile => "a profile",
            Self::Plan => "a plan",
            Self::Trace => "a trace",
            Self::Journal => "a run's journal",
            Self::Other(other) => &other.name,
        }
    }

    /// Says of a file that cannot be read as what was `wanted` ("a profile") that it is something
    /// else. Nothing where it is what was wanted, or where only its form is known.
    #[must_use]
    pub fn instead_of(bytes: &[u8], wanted: &str) -> Option<String> {
        let kind = Self::of(bytes);
        match &kind {
            _ if kind.name() == wanted => None,
            Self::Other(other) if !other.is_known => None,
            Self::Other(OtherFile { name, remedy, .. }) if !remedy.is_empty() => {
                let remedy = remedy.trim_end_matches('.');
                Some(format!("it is {name}, not {wanted}; {}", lower_first(remedy)))
            }
            _ => Some(format!("it is {}, not {wanted}", kind.name())),
        }
    }
}

/// The first line, where it is text.
fn first_line(bytes: &[u8]) -> Option<&str> {
    bytes.split(|byte| *byte == b'\n').next().and_then(|line| std::str::from_utf8(line).ok())
}

/// A sentence as a part of one.
fn lower_first(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// Whether a list is of events, also where it breaks off in the first.
fn is_list_of_events(text: &str) -> bool {
    let mut walk = Walk::new(text);
    walk.enter(b'[');
    if walk.is_closed_by(b']') || !walk.enter(b'{') {
        return false;
    }
    while let Some(key) = walk.key() {
        if key == "ph" {
            return true;
        }
        if walk.value().is_none() {
            break;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_files_are_known_by_what_is_in_them() {
        for (text, kind) in [
            (r#"{"format": "trainyard-profile", "version": 9}"#, FileKind::Profile),
            ("{\n\"version\": 1, \"format\": \"trainyard-plan\"}", FileKind::Plan),
            (r#"{"metadata": {}, "traceEvents": []}"#, FileKind::Trace),
            (r#"{"schemaVersion": 1, "traceEvents": [{"ph": "X""#, FileKind::Trace),
            ("[{\"pid\": 1, \"ph\": \"B\"},", FileKind::Trace),
            ("\u{feff}[\n{\"ph\":\"X\", \"na", FileKind::Trace),
            ("{\"type\":\"header\",\"format\":\"trainyard-journal\"}\n{\"ty", FileKind::Journal),
            ("# mine\n[model] # a GPT\nkind = \"gpt\"", FileKind::RunFile),
            (r#"{"format": "trainyard-profile", "model": {"#, FileKind::Profile),
        ] {
            assert_eq!(FileKind::of(text.as_bytes()), kind, "{text}");
        }
    }

    #[test]
    fn a_damaged_journal_is_one_still() {
        let bytes = b"{\"type\":\"header\",\"format\":\"trainyard-journal\"}\n\xff\0\n";
        assert_eq!(FileKind::of(bytes), FileKind::Journal);
        assert_eq!(FileKind::read(&bytes[..]).unwrap(), FileKind::Journal);
    }

    #[test]
    fn other_files_are_named() {
        let tar = [vec![b'a'; 257], b"ustar\0".to_vec(), vec![0; 300]].concat();
        let safetensors = [&64u64.to_le_bytes()[..], b"{\"w\":{\"dtype\":\"F32\""].concat();
        let packets = [0x0A, 3, 8, 1, 1, 0x0A, 2, 8, 1, 0x0A, 1, 1];
        let cases: Vec<(&[u8], &str)> = vec![
            (b"", "an empty file"),
            (b" \n", "an empty file"),
            (b"\x89PNG\r\n\x1a\n\0\0", "a PNG picture"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP picture"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG picture"),
            (b"%PDF-1.7\n", "a PDF document"),
            (b"PK\x03\x04\x14\0\0\0", "a ZIP archive"),
            (b"PK\x03\x04\x14\0\0\0archive/data.pkl", "a PyTorch checkpoint"),
            (b"\x1f\x8b\x08\0\0", "a gzip archive"),
            (b"\x28\xb5\x2f\xfd\0", "a Zstandard archive"),
            (&tar, "a tar archive"),
            (&safetensors, "weights in the safetensors format"),
            (b"GGUF\x03\0\0\0", "a GGUF model"),
            (b"SQLite format 3\0", "an SQLite database"),
            (b"\x7fELF\x02\x01", "a program"),
            (&packets, "a binary trace of Perfetto"),
            (b"\xff\xfea\0b\0", "text in UTF-16"),
            (b"a\0b\x90\xff\x01", "a binary file of an unknown kind"),
            (b"caf\xe9 noir", "text that is not UTF-8"),
            (b"<!DOCTYPE html>\n<html>", "an HTML page"),
            (b"\n<html lang=en>", "an HTML page"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
            (
                b"{\"architectures\": [\"GPT2LMHeadModel\"], \"model_type\": \"gpt2\"}",
                "config.json",
            ),
            (b"{\"version\": \"1.0\", \"added_tokens\": [], \"model\": {}}", "tokenizer"),
            (b"{\"metadata\": {}, \"weight_map\": {}}", "an index of safetensors"),
            (b"{\"$schema\": \"https://www.speedscope.app/file\"}", "a profile of speedscope's"),
            (b"{\"a\": 1, \"b\": 2}", "JSON with the keys \"a\", \"b\""),
            (b"{\"format\": \"trainyard-devices\", \"version\": 1}", "trainyard-devices"),
            (b"[1, 2]", "a JSON list"),
            (b"0F0,0F1,,0B0\n,1F0,1B0", "a schedule"),
            (b"#!/bin/sh\necho", "a script"),
            (b"[section]\nmodel = 1", "TOML without a [model]"),
            (b"hello", "text"),
        ];
        for (bytes, words) in cases {
            let kind = FileKind::of(bytes);
            let is_named = matches!(&kind, FileKind::Other(other) if other.name.contains(words));
            assert!(is_named, "{}: {kind:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn what_is_not_what_was_wanted_says_so_with_the_way_out() {
        let of = |text: &str, wanted| FileKind::instead_of(text.as_bytes(), wanted);
        assert_eq!(of(r#"{"format": "trainyard-plan"}"#, "a plan"), None);
        assert_eq!(
            of(r#"{"format": "trainyard-plan"}"#, "a profile").unwrap(),
            "it is a plan, not a profile"
        );
        assert_eq!(of("hello", "a profile"), None);
        let gzip = FileKind::instead_of(b"\x1f\x8b\x08\0", "a plan").unwrap();
        assert_eq!(gzip, "it is a gzip archive, not a plan; unpack it first");
    }
}
