//! What a language model begins with: a prompt in the form of its text, as tokens.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use trainyard_config::DataSection;
use unicode_normalization::UnicodeNormalization;

use crate::error::DataError;
use crate::kind;
use crate::plain_text::{LARGEST_PROMPT, TOO_LONG, TextForm, in_form, read_small};
use crate::text::{SOURCE, TextOptions};

/// Unknown characters that are named.
const NAMED: usize = 5;

/// A text in the form of those that `[data]` names: without a byte order mark, and with line ends and
/// letters as the source `text` has them.
///
/// # Errors
/// [`DataError::BadValue`] and [`DataError::BadOptions`] for options that make no sense.
pub fn prompt_in_form(prompt: &str, data: &DataSection) -> Result<String, DataError> {
    Ok(in_form(prompt, form_of(data)?))
}

/// The same out of a file, which is read as the files of `[data]` are, without its last line end.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::NotUtf8`] and [`DataError::BadFile`] for what is no text.
pub fn prompt_from_file(path: &Path, data: &DataSection) -> Result<String, DataError> {
    let text = read_small(path, form_of(data)?).map_err(|error| match error {
        DataError::NotUtf8 { name, offset, line, remedy } => {
            let remedy = without_key(&remedy).unwrap_or(remedy);
            DataError::NotUtf8 { name, offset, line, remedy }
        }
        other => other,
    })?;
    Ok(without_line_end(text))
}

/// A remedy without the key of `[data]`, which is for the texts that are named there.
fn without_key(remedy: &str) -> Option<String> {
    let (before, rest) = remedy.split_once("set encoding = ")?;
    let (_, after) = rest.split_once(", or ")?;
    Some(format!("{before}{after}"))
}

/// The same as it comes in, such as over standard input: UTF-8 text of at most 16 MiB.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::BadFile`] for what is longer or no such text.
pub fn prompt_from(input: impl Read, data: &DataSection) -> Result<String, DataError> {
    let name = Path::new("standard input");
    let mut bytes = Vec::new();
    let read = input.take(LARGEST_PROMPT + 1).read_to_end(&mut bytes);
    if read.map_err(DataError::io("read", name))? as u64 > LARGEST_PROMPT {
        return Err(DataError::bad_file(name, TOO_LONG));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        DataError::bad_file(
            name,
            "it is not UTF-8 text; convert it, for example with iconv -t UTF-8",
        )
    })?;
    Ok(without_line_end(in_form(&text, form_of(data)?)))
}

fn without_line_end(mut text: String) -> String {
    let ends = ["\r\n", "\n", "\r"].into_iter().find(|end| text.ends_with(end));
    text.truncate(text.len() - ends.map_or(0, str::len));
    text
}

/// A text whose letters and line ends are those that a model knows, where only their form is another: a
/// letter with its accent in one character or two, a line end of one character or two.
#[must_use]
pub fn in_known_letters(text: &str, vocabulary: &[String]) -> String {
    let known: BTreeSet<&str> = vocabulary.iter().map(String::as_str).collect();
    let is_known =
        |text: &String| text.chars().all(|c| known.contains(c.encode_utf8(&mut [0; 4]) as &str));
    let forms = [
        text.to_owned(),
        text.replace("\r\n", "\n"),
        text.nfc().collect(),
        text.nfd().collect(),
        text.replace("\r\n", "\n").nfc().collect(),
        text.replace("\r\n", "\n").nfd().collect(),
    ];
    forms.into_iter().find(is_known).unwrap_or_else(|| text.to_owned())
}

fn form_of(data: &DataSection) -> Result<TextForm, DataError> {
    if data.kind.as_deref() != Some(SOURCE.group.kind) {
        return Ok(TextForm::unchanged(None));
    }
    Ok(kind::options::<TextOptions>(data)?.form())
}

/// The token to begin with where nothing is given: that of a line end, or else of a space, or else of
/// the first character that can be seen.
#[must_use]
pub fn first_token(vocabulary: &[String]) -> usize {
    let place = |text: &str| vocabulary.iter().position(|known| known == text);
    let is_seen = |known: &String| known.chars().all(|it| !it.is_control() && !it.is_whitespace());
    let seen = || vocabulary.iter().position(is_seen);
    ["\n", "\r", " "].into_iter().find_map(place).or_else(seen).unwrap_or(0)
}

/// The tokens of a string, by the token of each character. `name` is what the vocabulary is that
/// of, for the error.
///
/// # Errors
/// [`DataError::UnknownCharacters`] with those that have no token, and what may be meant.
pub fn encode<T>(
    text: &str,
    name: &str,
    token: impl Fn(char) -> Option<T>,
) -> Result<Vec<T>, DataError> {
    let mut unknown: Vec<(usize, char)> = Vec::new();
    let mut tokens = Vec::new();
    for (place, character) in text.chars().enumerate() {
        match token(character) {
            Some(token) => tokens.push(token),
            None if unknown.iter().any(|(_, known)| *known == character) => {}
            None => unknown.push((place, character)),
        }
    }
    if unknown.is_empty() {
        return Ok(tokens);
    }
    let is_known = |character: char| token(character).is_some();
    let before = |place: usize| place.checked_sub(1).and_then(|place| text.chars().nth(place));
    let named = unknown.iter().take(NAMED).map(|&(place, character)| {
        let meant = meant(character, before(place), is_known);
        let meant = meant.map_or_else(String::new, |it| format!("; perhaps {it:?} is meant"));
        format!("{character:?} (U+{:04X}, number {}{meant})", character as u32, place + 1)
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let others = match unknown.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} others"),
    };
    Err(DataError::UnknownCharacters { name: name.to_owned(), unknown: named + &others })
}

/// Characters that are often taken for one another: the first of each is what keyboards write.
const ALIKE: [&[&str]; 6] = [
    &["'", "’", "‘", "‚", "′", "`", "´"],
    &["\"", "”", "“", "„", "«", "»", "″"],
    &["-", "–", "—", "−", "‐", "‑", "\u{ad}"],
    &[" ", "\u{a0}", "\u{202f}", "\u{2009}", "\u{2002}", "\u{2003}", "\u{3000}", "\t"],
    &["...", "…"],
    &["\n", "\r", "\u{85}", "\u{2028}"],
];

/// What may be meant by a character after another one, in characters that are known.
fn meant(
    character: char,
    before: Option<char>,
    is_known: impl Fn(char) -> bool + Copy,
) -> Option<String> {
    let known = |text: &String| !text.is_empty() && text.chars().all(is_known);
    let one = character.to_string();
    // The same letter in Unicode's other way to write it.
    let joined = before.map(|before| [before, character].into_iter().nfc().collect::<String>());
    let joined = joined.filter(|text| text.chars().count() == 1);
    let apart: String = one.nfd().collect();
    let alike = ALIKE.iter().filter(|group| group.contains(&&*one));
    let alike = alike.flat_map(|group| group.iter().map(ToString::to_string));
    let plain: String = apart.chars().take(1).collect();
    let rest = [
        one.nfkc().collect(),
        one.to_lowercase(),
        one.to_uppercase(),
        plain.clone(),
        plain.to_lowercase(),
    ];
    joined
        .into_iter()
        .chain([apart])
        .chain(alike)
        .chain(rest)
        .find(|text| *text != one && known(text))
}
