//! Groups of weights by the patterns that their names match.

use super::check::not_negative;
use super::{GroupFactors, Optimizer, WeightSpec};
use crate::EngineError;

pub use trainyard_config::OptimizerGroup;

/// The name of a layer's weight, as patterns match it: `block0/attention.output.weight`.
pub(crate) fn weight_name(layer: &str, weight: &WeightSpec) -> String {
    format!("{layer}/{}", weight.path)
}

/// The groups of a run, in their order: a weight is of the first whose pattern its name matches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimizerGroups(pub Vec<OptimizerGroup>);

impl OptimizerGroups {
    /// How a weight is updated. Unless its group says otherwise, weights of two or more dimensions
    /// decay by the optimizer's weight decay, and all others do not.
    pub fn factors(
        &self,
        optimizer: &dyn Optimizer,
        layer: &str,
        weight: &WeightSpec,
    ) -> GroupFactors {
        let usual = if weight.decays() { optimizer.weight_decay() } else { 0.0 };
        match self.of(layer, weight) {
            None => GroupFactors { weight_decay: usual, ..GroupFactors::default() },
            Some(group) => GroupFactors {
                learning_rate: group.learning_rate_factor,
                weight_decay: group.weight_decay.unwrap_or(usual),
                matrices: group.matrices,
            },
        }
    }

    /// A weight's group.
    fn of(&self, layer: &str, weight: &WeightSpec) -> Option<&OptimizerGroup> {
        // Most runs have no groups, and no need for names.
        if self.0.is_empty() {
            return None;
        }
        self.of_name(&weight_name(layer, weight)).and_then(|number| self.0.get(number))
    }

    /// The number of the group of the weight with a name, from 0.
    fn of_name(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|group| matches(&group.pattern, name))
    }

    /// Refuses factors that make no sense.
    ///
    /// # Errors
    /// [`EngineError::Plan`] with the first number that is below 0 or above 1000.
    pub fn check(&self) -> Result<(), EngineError> {
        for (number, group) in self.0.iter().enumerate() {
            let key = |name: &str| format!("optimizer.group.{number}.{name}");
            not_negative(&key("learning_rate_factor"), group.learning_rate_factor)?;
            not_negative(&key("weight_decay"), group.weight_decay.unwrap_or(0.0))?;
        }
        Ok(())
    }

    /// Refuses a group that no weight is of. `names` are those of the weights that are updated, as
    /// patterns match them.
    ///
    /// # Errors
    /// [`EngineError::BadOption`] with the group's pattern, and names that it could match.
    pub fn check_used(&self, names: &[String]) -> Result<(), EngineError> {
        let mut used = vec![false; self.0.len()];
        for number in names.iter().filter_map(|name| self.of_name(name)) {
            used[number] = true;
        }
        let Some(number) = used.iter().position(|used| !used) else { return Ok(()) };
        let pattern = &self.0[number].pattern;
        let must = match names.iter().find(|name| matches(pattern, name)) {
            Some(name) => format!(
                "a pattern of weights that no group before it has: '{name}', and all others that it \
                 matches, are of the group {:?}; put this one before it",
                self.0[self.of_name(name).unwrap_or(number)].pattern
            ),
            None => format!("a pattern of names of weights, such as {}", examples(names)),
        };
        let key = format!("optimizer.group.{number}.pattern");
        Err(EngineError::BadOption { key, value: format!("{pattern:?}"), must })
    }
}

/// A few of the names, from the first layer to the last.
fn examples(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let step = names.len().div_ceil(SHOWN).max(1);
    names.iter().step_by(step).map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Whether a name matches a pattern as a whole. Where it does not go on, the last `*` takes one
/// character more; an earlier one need not, since the last could have taken the same.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut read) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while read < name.len() {
        match pattern.get(at) {
            Some('*') => {
                last_star = Some((at, read));
                at += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == name[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((star, taken)) = last_star else { return false };
                last_star = Some((star, taken + 1));
                (at, read) = (star + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|&rest| rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AdamW;

    /// By the definition: a `*` takes no character, or one and is still there.
    fn by_definition(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], rest) => rest.is_empty(),
            (['*', others @ ..], _) => {
                by_definition(others, name)
                    || !name.is_empty() && by_definition(pattern, &name[1..])
            }
            (['?', others @ ..], [_, rest @ ..]) => by_definition(others, rest),
            ([one, others @ ..], [other, rest @ ..]) => one == other && by_definition(others, rest),
            (_, []) => false,
        }
    }

    /// All texts of up to so many of these characters.
    fn texts(of: &[char], longest: usize) -> Vec<Vec<char>> {
        let mut all = vec![Vec::new()];
        let mut last = all.clone();
        for _ in 0..longest {
            let longer = last.iter().flat_map(|text: &Vec<char>| {
                of.iter().map(|&one| [text.as_slice(), &[one]].concat())
            });
            last = longer.collect();
            all.extend_from_slice(&last);
        }
        all
    }

    #[test]
    fn patterns_match_as_defined() {
        let names = texts(&['a', '/'], 6);
        for pattern in texts(&['a', '/', '*', '?'], 5) {
            let text = String::from_iter(&pattern);
            for name in &names {
                let expected = by_definition(&pattern, name);
                let name = String::from_iter(name);
                assert_eq!(matches(&text, &name), expected, "{text} and {name}");
            }
        }
    }

    fn group(pattern: &str) -> OptimizerGroup {
        OptimizerGroup::new(pattern)
    }

    #[test]
    fn the_first_pattern_that_matches_counts() {
        let groups = OptimizerGroups(vec![
            OptimizerGroup { weight_decay: Some(0.5), ..group("*norm*") },
            OptimizerGroup { learning_rate_factor: 0.1, matrices: false, ..group("embed/*") },
            OptimizerGroup { learning_rate_factor: 9.0, ..group("*") },
        ]);
        let adamw = AdamW { weight_decay: 0.2, ..AdamW::default() };
        let factors = |layer, path, shape: &[usize]| {
            let factors = groups.factors(&adamw, layer, &WeightSpec::trained(path, shape));
            (factors.learning_rate, factors.weight_decay, factors.matrices)
        };
        assert_eq!(factors("block0", "norm1.gamma", &[4]), (1.0, 0.5, true));
        assert_eq!(factors("embed", "norm.gamma", &[4]), (1.0, 0.5, true));
        assert_eq!(factors("embed", "tokens", &[9, 4]), (0.1, 0.2, false));
        assert_eq!(factors("head", "bias", &[4]), (9.0, 0.0, true));
    }

    #[test]
    fn without_groups_matrices_decay_and_nothing_else() {
        let adamw = AdamW { weight_decay: 0.2, ..AdamW::default() };
        let decay = |shape: &[usize]| {
            let weight = WeightSpec::trained("w", shape);
            OptimizerGroups::default().factors(&adamw, "layer", &weight)
        };
        let expected = |weight_decay| GroupFactors { weight_decay, ..GroupFactors::default() };
        assert_eq!(decay(&[3, 4]), expected(0.2));
        assert_eq!(decay(&[3, 4, 2, 2]), expected(0.2));
        assert_eq!(decay(&[3]), expected(0.0));
        assert_eq!(decay(&[]), expected(0.0));
    }

    #[test]
    fn a_group_without_weights_is_refused() {
        let names = ["layer/a", "layer/b"].map(str::to_owned);
        let refused = |patterns: &[&str]| {
            let groups = OptimizerGroups(patterns.iter().map(|&pattern| group(pattern)).collect());
            groups.check_used(&names).err().map(|error| error.to_string())
        };
        assert_eq!(refused(&[]), None);
        assert_eq!(refused(&["layer/a", "*"]), None);
        assert_eq!(
            refused(&["layer/a", "lyer/b"]).unwrap(),
            "optimizer.group.1.pattern is \"lyer/b\", but must be a pattern of names of weights, such \
             as layer/a, layer/b"
        );
        assert_eq!(
            refused(&["l*", "layer/a"]).unwrap(),
            "optimizer.group.1.pattern is \"layer/a\", but must be a pattern of weights that no group \
             before it has: 'layer/a', and all others that it matches, are of the group \"l*\"; put \
             this one before it"
        );
    }

    #[test]
    fn examples_are_few_and_from_the_whole_model() {
        let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        assert_eq!(examples(&names), "0, 17, 34, 51, 68, 85");
        assert_eq!(examples(&names[..2]), "0, 1");
        assert_eq!(examples(&[]), "");
    }

    #[test]
    fn factors_without_sense_are_refused() {
        let groups = OptimizerGroups(vec![
            group("*"),
            OptimizerGroup { learning_rate_factor: f64::NAN, ..group("*") },
        ]);
        let message = groups.check().unwrap_err().to_string();
        assert_eq!(message, "optimizer.group.1.learning_rate_factor is NaN, but must be 0 to 1000");
    }
}
