//! What is worth knowing of the files that were read, each thing said once for all of them.

use std::collections::BTreeMap;
use std::path::Path;

use unicode_normalization::char::{canonical_combining_class, compose};

use crate::files::line_ends;
use crate::plain_text::encoding::Encoding;
use crate::plain_text::recognize::Recognized;

/// Notes on files, to be shown once.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    of: BTreeMap<Remark, Found>,
}

/// What a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Remark {
    Mark,
    /// Text of an encoding, and whether that was found without a mark.
    Encoded(&'static str, bool),
    Crlf,
    Cr,
    Nul,
    /// A byte order mark that is not at the beginning.
    InnerMark,
    Decomposed,
}

/// Where it was found first, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    file: String,
    line: u64,
    more_files: u64,
    count: u64,
}

impl Remarks {
    /// Notes what a file was recognized as.
    pub(crate) fn of_encoding(&mut self, path: &Path, found: &Recognized) {
        let remark = match found.encoding {
            Encoding::Utf8 if found.mark_bytes > 0 => Remark::Mark,
            other if found.mark_bytes > 0 || found.guessed => {
                Remark::Encoded(other.name(), found.guessed)
            }
            _ => return,
        };
        self.add(remark, path, 1, 1);
    }

    /// Looks at the text of a file; what is found is noted when the look is dropped.
    pub(crate) fn of_text<'a>(&'a mut self, path: &'a Path) -> Look<'a> {
        Look { remarks: self, path, last: '\0', lines: 0, found: BTreeMap::new() }
    }

    fn add(&mut self, remark: Remark, path: &Path, line: u64, count: u64) {
        let found = self.of.entry(remark).or_default();
        if found.file.is_empty() {
            found.file = path.display().to_string();
            found.line = line;
        } else {
            found.more_files += 1;
        }
        found.count += count;
    }

    /// A sentence a remark, for those who learn every character.
    pub(crate) fn of_characters(&self) -> Vec<String> {
        self.of.iter().map(|(remark, found)| sentence(*remark, found)).collect()
    }

    /// A sentence a remark, for those who read cells: to them a line's end is what it is.
    pub(crate) fn of_cells(&self) -> Vec<String> {
        let of_characters = [Remark::Crlf, Remark::Cr, Remark::Decomposed];
        let of_cells = self.of.iter().filter(|(remark, _)| !of_characters.contains(remark));
        of_cells.map(|(remark, found)| sentence(*remark, found)).collect()
    }
}

fn sentence(remark: Remark, found: &Found) -> String {
    let Found { file, line, more_files, count } = found;
    let files = match more_files {
        0 => file.clone(),
        1 => format!("{file} and another file"),
        more => format!("{file} and {more} more"),
    };
    let of_the_first = if *more_files == 0 { "" } else { " of the first" };
    let seen = format!("{count}, first in line {line}{of_the_first}");
    match remark {
        Remark::Mark => format!("{files}: the byte order mark at the beginning is left out"),
        Remark::Encoded(encoding, true) => {
            format!("{files}: read as {encoding}, which it is, though it has no byte order mark")
        }
        Remark::Encoded(encoding, false) => {
            format!("{files}: read as {encoding}, as its byte order mark says")
        }
        Remark::Crlf => format!(
            "{files}: lines end in CRLF ({seen}), two characters for each end; with newlines = \
             \"unix\" in [data] it is one"
        ),
        Remark::Cr => format!(
            "{files}: lines end in CR alone ({seen}), as old Mac files have it; with newlines = \
             \"unix\" in [data] they end in LF"
        ),
        Remark::Nul => format!(
            "{files}: there are NUL characters ({seen}), which are characters as any other here; take \
             them out of the file if they are not meant"
        ),
        Remark::InnerMark => format!(
            "{files}: there are byte order marks within the text ({seen}), as joined files have them; \
             take them out of the file: each is a character that cannot be seen"
        ),
        Remark::Decomposed => format!(
            "{files}: letters are written as a letter and a mark after it ({seen}), two characters \
             each; with normalize = \"nfc\" in [data] they are one"
        ),
    }
}

/// A look at the text of one file.
pub(crate) struct Look<'a> {
    remarks: &'a mut Remarks,
    path: &'a Path,
    last: char,
    lines: u64,
    /// Line of the first, and number.
    found: BTreeMap<Remark, (u64, u64)>,
}

impl Look<'_> {
    /// Looks at the next piece of text.
    pub(crate) fn look_at(&mut self, text: &str) {
        if text.contains(['\r', '\0']) || !text.is_ascii() || self.last == '\r' {
            self.look_closely(text);
        } else {
            self.lines += line_ends(text.as_bytes());
        }
        self.last = text.chars().next_back().unwrap_or(self.last);
    }

    fn look_closely(&mut self, text: &str) {
        let mut last = self.last;
        for character in text.chars() {
            match character {
                '\n' if last == '\r' => self.count(Remark::Crlf),
                '\0' => self.count(Remark::Nul),
                '\u{feff}' => self.count(Remark::InnerMark),
                // A mark that would be one letter with the one before.
                mark if mark >= '\u{300}'
                    && canonical_combining_class(mark) > 0
                    && compose(last, mark).is_some() =>
                {
                    self.count(Remark::Decomposed);
                }
                _ => {}
            }
            if last == '\r' && character != '\n' {
                self.count(Remark::Cr);
            }
            if character == '\n' || last == '\r' {
                self.lines += 1;
            }
            last = character;
        }
    }

    fn count(&mut self, remark: Remark) {
        let (_, count) = self.found.entry(remark).or_insert((self.lines + 1, 0));
        *count += 1;
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        if self.last == '\r' {
            self.count(Remark::Cr);
        }
        for (remark, (line, count)) in &self.found {
            self.remarks.add(*remark, self.path, *line, *count);
        }
    }
}
