//! What files of weights have otherwise than the config says.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::config::ModelConfig;
use crate::gguf::{InGguf, in_gguf, is_derived};
use crate::layout::{bare, expected, may_have};
use crate::weight::Weight;

/// A weight that is not as the config says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "problem", rename_all = "lowercase")]
pub enum Problem {
    /// The index names it, or the model needs it, and no file has it.
    Missing {
        /// Its name.
        name: String,
    },
    /// It has another shape.
    Shape {
        /// Its name.
        name: String,
        /// The shape that follows from the config.
        expected: Vec<u64>,
        /// That of the file.
        found: Vec<u64>,
    },
    /// It is the head, which shares the embedding by the config, and has other numbers.
    Untied {
        /// Its name.
        name: String,
        /// The embedding's.
        embedding: String,
    },
    /// The model has no such weight.
    Unknown {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name } => write!(f, "{name} is missing"),
            Self::Shape { name, expected, found } => {
                write!(f, "{name} is {found:?}, but must be {expected:?} by the config")
            }
            Self::Untied { name, embedding } => write!(
                f,
                "{name} has other numbers than {embedding}, and config.json says that they are one; say \
                 \"tie_word_embeddings\": false there, or take {name} out"
            ),
            Self::Unknown { name } => write!(f, "{name} is no weight of this model"),
        }
    }
}

impl Problem {
    /// The weight, as its file or the config calls it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Missing { name }
            | Self::Shape { name, .. }
            | Self::Untied { name, .. }
            | Self::Unknown { name } => name,
        }
    }

    pub(crate) fn is_of_shape(&self) -> bool {
        matches!(self, Self::Shape { .. })
    }
}

/// What is wrong with the weights of a folder.
pub(crate) fn problems(config: &ModelConfig, found: &[Weight], lost: &[String]) -> Vec<Problem> {
    let bare = |name: &str| bare(config.architecture, name).into_owned();
    let mut there: BTreeMap<String, &Weight> =
        found.iter().map(|weight| (bare(&weight.name), weight)).collect();
    let mut problems = Vec::new();
    for weight in expected(config) {
        let found = there.remove(&bare(&weight.name));
        problems.extend(compared(found, (weight.name, weight.shape)));
    }
    let is_told = |name: &String| {
        problems.iter().any(|told| matches!(told, Problem::Missing { name: told } if told == name))
    };
    let lost: Vec<_> = lost.iter().filter(|name| !is_told(name)).cloned().collect();
    problems.extend(lost.into_iter().map(|name| Problem::Missing { name }));
    let others = there.into_values().filter(|weight| !may_have(config, &weight.name));
    problems.extend(others.map(|weight| Problem::Unknown { name: weight.name.clone() }));
    problems
}

/// What is wrong with the weights of a GGUF file, by their names there.
pub(crate) fn problems_of_gguf(config: &ModelConfig, found: &[Weight]) -> Vec<Problem> {
    let mut there: BTreeMap<&str, &Weight> =
        found.iter().map(|weight| (weight.name.as_str(), weight)).collect();
    let mut problems = Vec::new();
    for weight in expected(config) {
        let Some(InGguf { name, stored }) = in_gguf(config, &weight.name) else { continue };
        let found = there.remove(name.as_str());
        problems.extend(compared(found, (name, stored.shape(&weight.shape))));
    }
    let others = there.into_keys().filter(|name| !is_derived(name));
    problems.extend(others.map(|name| Problem::Unknown { name: name.to_owned() }));
    problems
}

/// A weight beside the name and shape that it must have.
fn compared(found: Option<&Weight>, (name, shape): (String, Vec<u64>)) -> Option<Problem> {
    match found {
        None => Some(Problem::Missing { name }),
        Some(found) if found.shape != shape => Some(Problem::Shape {
            name: found.name.clone(),
            expected: shape,
            found: found.shape.clone(),
        }),
        Some(_) => None,
    }
}
