//! The characters that are tokens, and those of a text that are not.

use std::collections::BTreeMap;
use std::fmt;

/// Marks a character that is no token.
const NO_TOKEN: u32 = u32::MAX;

/// Characters, each with its place among them as its token.
#[derive(Debug)]
pub(super) struct Vocabulary {
    characters: Vec<char>,
    /// The characters in order, with their tokens.
    sorted: Vec<(char, u32)>,
    /// Tokens of the ASCII characters: nearly all that are looked up.
    ascii: [u32; 128],
}

impl Vocabulary {
    /// Each of the characters once, where it comes first.
    pub(super) fn new(all: impl Iterator<Item = char>) -> Self {
        let mut tokens = BTreeMap::new();
        let mut characters = Vec::new();
        for character in all {
            tokens.entry(character).or_insert_with(|| {
                characters.push(character);
                characters.len() as u32 - 1
            });
        }
        let mut ascii = [NO_TOKEN; 128];
        for (&character, &token) in &tokens {
            if let Some(slot) = ascii.get_mut(character as usize) {
                *slot = token;
            }
        }
        Self { characters, sorted: tokens.into_iter().collect(), ascii }
    }

    pub(super) fn characters(&self) -> &[char] {
        &self.characters
    }

    pub(super) fn token(&self, character: char) -> Option<u32> {
        if let Some(&token) = self.ascii.get(character as usize) {
            return (token != NO_TOKEN).then_some(token);
        }
        let found = self.sorted.binary_search_by_key(&character, |(known, _)| *known);
        found.ok().map(|place| self.sorted[place].1)
    }
}

/// A character of a text that is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCharacter {
    /// The character.
    pub character: char,
    /// How often it occurs.
    pub count: u64,
    /// File that has it first.
    pub file: String,
    /// Its line there, from 1.
    pub line: u64,
}

impl fmt::Display for UnknownCharacter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { character, count, file, line } = self;
        let times = if *count == 1 { "once, in" } else { "first in" };
        let number = if *count == 1 { String::new() } else { format!("{count} times, ") };
        write!(f, "{character:?} ({number}{times} {file}, line {line})")
    }
}

/// Looks for the characters of a text that a vocabulary lacks.
pub(super) struct Unknown<'a> {
    vocabulary: &'a Vocabulary,
    file: String,
    line: u64,
    found: BTreeMap<char, UnknownCharacter>,
}

impl<'a> Unknown<'a> {
    pub(super) fn new(vocabulary: &'a Vocabulary) -> Self {
        Self { vocabulary, file: String::new(), line: 1, found: BTreeMap::new() }
    }

    /// Begins a file.
    pub(super) fn begin(&mut self, file: &str) -> &mut Self {
        file.clone_into(&mut self.file);
        self.line = 1;
        self
    }

    /// Looks at the next piece of the file.
    pub(super) fn look_at(&mut self, text: &str) {
        for character in text.chars() {
            if self.vocabulary.token(character).is_none() {
                let (file, line) = (&self.file, self.line);
                let first = || UnknownCharacter { character, count: 0, file: file.clone(), line };
                self.found.entry(character).or_insert_with(first).count += 1;
            }
            self.line += u64::from(character == '\n');
        }
    }

    /// What was found, the most frequent first.
    pub(super) fn characters(self) -> Vec<UnknownCharacter> {
        let mut found: Vec<UnknownCharacter> = self.found.into_values().collect();
        found.sort_by_key(|unknown| std::cmp::Reverse(unknown.count));
        found
    }
}
