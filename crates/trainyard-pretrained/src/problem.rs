//! What files of weights have otherwise than the config says.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::config::ModelConfig;
use crate::layout::{expected, may_have, prefix};
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
            Self::Unknown { name } => write!(f, "{name} is no weight of this model"),
        }
    }
}

/// What is wrong with the weights of a folder.
pub(crate) fn problems(config: &ModelConfig, found: &[Weight], lost: &[String]) -> Vec<Problem> {
    // A checkpoint of the bare model leaves out what its class puts before every name.
    let before = prefix(config.architecture);
    let bare = |name: &str| name.strip_prefix(before).unwrap_or(name).to_owned();
    let mut there: BTreeMap<String, &Weight> =
        found.iter().map(|weight| (bare(&weight.name), weight)).collect();
    let mut problems = Vec::new();
    for weight in expected(config) {
        match there.remove(&bare(&weight.name)) {
            None => problems.push(Problem::Missing { name: weight.name }),
            Some(found) if found.shape != weight.shape => problems.push(Problem::Shape {
                name: found.name.clone(),
                expected: weight.shape,
                found: found.shape.clone(),
            }),
            Some(_) => {}
        }
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
