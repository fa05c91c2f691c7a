//! Undo and redo.

use super::Arrangement;

/// The arrangements there were, and where among them one is.
#[derive(Clone, Debug)]
pub struct History {
    entries: Vec<Entry>,
    at: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    /// What led here, in words.
    words: String,
    /// Edits in a row with the same key are one to a person: a slider that is dragged.
    key: Option<String>,
    arrangement: Arrangement,
}

impl History {
    /// Longest undo history, in edits.
    const LONGEST: usize = 1000;

    pub(super) fn new(start: Arrangement) -> Self {
        let start = Entry { words: String::new(), key: None, arrangement: start };
        Self { entries: vec![start], at: 0 }
    }

    /// Where one is.
    #[must_use]
    pub fn present(&self) -> &Arrangement {
        // `at` is an index by construction; there is always an entry.
        &self.entries[self.at].arrangement
    }

    pub(super) fn push(&mut self, words: String, key: Option<String>, arrangement: Arrangement) {
        let entry = Entry { words, key, arrangement };
        let at_end = self.at + 1 == self.entries.len();
        let goes_on = entry.key.is_some() && entry.key == self.entries[self.at].key;
        if at_end && goes_on && self.at > 0 {
            self.entries[self.at] = entry;
            return;
        }
        self.entries.truncate(self.at + 1);
        self.entries.push(entry);
        if self.entries.len() > Self::LONGEST {
            self.entries.remove(0);
        }
        self.at = self.entries.len() - 1;
    }

    pub(super) fn undo(&mut self) -> Option<String> {
        let words = self.undo_words()?.to_owned();
        self.at -= 1;
        Some(words)
    }

    pub(super) fn redo(&mut self) -> Option<String> {
        let words = self.redo_words()?.to_owned();
        self.at += 1;
        Some(words)
    }

    /// What would be taken back.
    #[must_use]
    pub fn undo_words(&self) -> Option<&str> {
        (self.at > 0).then(|| self.entries[self.at].words.as_str())
    }

    /// What was done last of what is not undone, as a sentence: "Move block3 to igpu".
    #[must_use]
    pub fn done(&self) -> Option<String> {
        let mut letters = self.undo_words()?.chars();
        let first = letters.next()?;
        Some(first.to_uppercase().chain(letters).collect())
    }

    /// What would be done again.
    #[must_use]
    pub fn redo_words(&self) -> Option<&str> {
        self.entries.get(self.at + 1).map(|entry| entry.words.as_str())
    }
}
