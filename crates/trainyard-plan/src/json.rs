//! Reads the JSON files of this crate so that every error names line and field.

use serde::de::value::SeqAccessDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, Deserializer};

use crate::PlanError;
use crate::json_words::in_words;

/// A step on the way to a value in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A key of an object.
    Key(&'static str),
    /// A place in an array, from 0.
    Index(usize),
}

/// The fault of a value that can be read but contradicts the others.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) path: Vec<Step>,
    pub(crate) reason: String,
}

impl Problem {
    pub(crate) fn new(path: impl IntoIterator<Item = Step>, reason: impl Into<String>) -> Self {
        Self { path: path.into_iter().collect(), reason: reason.into() }
    }

    /// The path as people write it: `devices[1].forward_us`.
    pub(crate) fn field(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if text.is_empty() => text.push_str(key),
                Step::Key(key) => text.extend([".", key]),
                Step::Index(index) => text.extend(["[", &index.to_string(), "]"]),
            }
        }
        text
    }

    /// The error, with the line on which the value stands in `text`.
    pub(crate) fn in_file(self, format: &str, text: &str) -> PlanError {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        // It fails at the value, by design; a path that is not in the text has no line.
        let line = FailAt(&self.path).deserialize(&mut deserializer).err().map_or(0, |e| e.line());
        let field = self.field();
        PlanError::BadFile { format: format.to_owned(), line, field, reason: self.reason }
    }
}

/// Reads a file with `format` and `version` fields.
///
/// # Errors
/// [`PlanError::UnknownVersion`] for another version, [`PlanError::BadFile`] for anything else.
pub(crate) fn read<T: DeserializeOwned>(
    format: &str,
    version: u64,
    text: &str,
) -> Result<T, PlanError> {
    #[derive(Deserialize)]
    struct Head {
        format: Option<String>,
        version: Option<u64>,
    }
    let head: Head = match parse(format, text) {
        Ok(head) => head,
        // The whole type knows more closely where the text breaks off.
        Err(error) => return Err(parse::<T>(format, text).err().unwrap_or(error)),
    };
    let missing = |key: &'static str, wanted: String| {
        Problem::new([Step::Key(key)], format!("it is missing; {wanted}")).in_file(format, text)
    };
    let found = head.format.ok_or_else(|| missing("format", format!("\"{format}\" is read")))?;
    if found != format {
        let reason = format!("it is {found:?}, but \"{format}\" is read");
        return Err(Problem::new([Step::Key("format")], reason).in_file(format, text));
    }
    let found = head.version.ok_or_else(|| missing("version", format!("{version} is read")))?;
    if found != version {
        return Err(PlanError::UnknownVersion { format: format.into(), found, expected: version });
    }
    parse(format, text)
}

fn parse<T: DeserializeOwned>(format: &str, text: &str) -> Result<T, PlanError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let bad = |path: String, error: &serde_json::Error| {
        // The path ends at the object in which a field is missing or there twice.
        let text = error.to_string();
        let named = ["missing field `", "duplicate field `"];
        let named = named.into_iter().find_map(|start| text.strip_prefix(start));
        let path = if path == "." { String::new() } else { path };
        let field = match named.and_then(|rest| rest.split('`').next()) {
            Some(key) if path.is_empty() => key.to_owned(),
            Some(key) => format!("{path}.{key}"),
            None => path,
        };
        let reason = in_words(error);
        PlanError::BadFile { format: format.to_owned(), line: error.line(), field, reason }
    };
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| bad(error.path().to_string(), error.inner()))?;
    deserializer.end().map_err(|error| bad(String::new(), &error))?;
    Ok(value)
}

/// Fails where a path ends, so that the parser says on which line that is.
struct FailAt<'a>(&'a [Step]);

impl<'de> DeserializeSeed<'de> for FailAt<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.0.first() {
            None => Err(D::Error::custom("here")),
            Some(_) => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for FailAt<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match self.0 {
                [Step::Key(wanted), rest @ ..] if key == *wanted => {
                    map.next_value_seed(FailAt(rest))?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        // Not there: the line where the object ends.
        Err(A::Error::custom("missing"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        if let [Step::Index(index), rest @ ..] = self.0 {
            for _ in 0..*index {
                if sequence.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(());
                }
            }
            sequence.next_element_seed(FailAt(rest))?;
        }
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// The longest time that may stand in a file, µs: some three years.
const LONGEST_US: f64 = 1e14;

fn time(value: f64) -> Result<f64, String> {
    if (0.0..=LONGEST_US).contains(&value) {
        // Not −0.0, which would be printed as such.
        Ok(value.abs())
    } else {
        Err(format!("{value} is not a time from 0 to {LONGEST_US:e} µs"))
    }
}

/// Reads a number and checks it. The check is part of reading, not a step after it, so that the
/// error has the line of the number and not that of whatever comes next.
struct Checked(fn(f64) -> Result<f64, String>);

impl Visitor<'_> for Checked {
    type Value = f64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
        (self.0)(value).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
        self.visit_f64(value as f64)
    }
}

/// A time, in µs, that has been read as a number.
pub(crate) fn checked_micros<E: Error>(value: f64) -> Result<f64, E> {
    Checked(time).visit_f64(value)
}

/// A time, in µs.
pub(crate) fn micros<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    deserializer.deserialize_f64(Checked(time))
}

/// Times, in µs.
pub(crate) fn many_micros<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<f64>, D::Error> {
    let times = Vec::<Micros>::deserialize(deserializer)?;
    Ok(times.into_iter().map(|Micros(time)| time).collect())
}

#[derive(Deserialize)]
struct Micros(#[serde(deserialize_with = "micros")] f64);

/// A time that is the sum of others, in µs.
pub(crate) fn sum_of_micros<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let check = |value| if value >= 0.0 { Ok(value) } else { Err(format!("{value} is below 0")) };
    deserializer.deserialize_f64(Checked(check))
}

/// The lowest rate that may stand in a file: a byte a second, at which whatever fits into 64 bits
/// still arrives some day.
const LOWEST_RATE: f64 = 1e-6;

/// A rate, in bytes a µs.
pub(crate) fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    deserializer.deserialize_f64(Checked(|value| {
        if value >= LOWEST_RATE && value.is_finite() {
            Ok(value)
        } else {
            Err(format!("{value} is not a rate of {LOWEST_RATE} bytes a µs or more"))
        }
    }))
}

/// A part of a whole, from 0 to 1.
pub(crate) fn fraction<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    deserializer.deserialize_f64(Checked(|value| {
        let problem = || format!("{value} is not a fraction from 0 to 1");
        (0.0..=1.0).contains(&value).then_some(value.abs()).ok_or_else(problem)
    }))
}

/// One string, or a list of them.
pub(crate) fn one_or_many<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(OneNameOrMany)
}

struct OneNameOrMany;

impl<'de> Visitor<'de> for OneNameOrMany {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name or a list of names")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Vec<String>, E> {
        Ok(vec![name.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Vec<String>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(sequence))
    }
}

/// Whether a number can be left out of a file, where 0 is what its absence means.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(crate) fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

/// A count that files may leave out.
pub(crate) fn one() -> usize {
    1
}

/// Whether a count is left out of files.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
pub(crate) fn is_one(count: &usize) -> bool {
    *count == 1
}
