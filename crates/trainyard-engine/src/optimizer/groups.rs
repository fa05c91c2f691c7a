//! Groups of weights by the patterns that their names match.

use super::check::not_negative;
use super::{GroupFactors, Optimizer, WeightSpec};
use crate::EngineError;

/// How the weights whose names match a pattern are updated: `[[optimizer.group]]` in a run file.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerGroup {
    /// Matches names of the form `layer/path`, such as `block0/attention.output.weight`: `*` any
    /// characters or none, `?` any one character, all others themselves.
    pub pattern: String,
    /// The learning rate is multiplied by this.
    pub learning_rate: f64,
    /// Weight decay; None leaves it as it is without the group.
    pub weight_decay: Option<f64>,
    /// Whether optimizers with a rule for matrices may use it here.
    pub matrices: bool,
}

impl OptimizerGroup {
    /// A group that changes nothing yet.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), learning_rate: 1.0, weight_decay: None, matrices: true }
    }
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
        match self.of(layer, weight).and_then(|number| self.0.get(number)) {
            None => GroupFactors { weight_decay: usual, ..GroupFactors::default() },
            Some(group) => GroupFactors {
                learning_rate: group.learning_rate,
                weight_decay: group.weight_decay.unwrap_or(usual),
                matrices: group.matrices,
            },
        }
    }

    /// The number of a weight's group, from 0.
    pub fn of(&self, layer: &str, weight: &WeightSpec) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        let name = format!("{layer}/{}", weight.path);
        self.0.iter().position(|group| matches(&group.pattern, &name))
    }

    /// Refuses factors that make no sense.
    ///
    /// # Errors
    /// [`EngineError::Plan`] with the first number that is below 0 or above 1000.
    pub fn check(&self) -> Result<(), EngineError> {
        for (number, group) in self.0.iter().enumerate() {
            let key = |name: &str| format!("optimizer.group.{number}.{name}");
            not_negative(&key("learning_rate"), group.learning_rate)?;
            not_negative(&key("weight_decay"), group.weight_decay.unwrap_or(0.0))?;
        }
        Ok(())
    }

    /// The first group that no weight is of: its pattern is mistyped, or an earlier group takes
    /// all that it matches. `weights` are the model's, each with its layer's name.
    pub fn unused<'a>(
        &self,
        weights: impl IntoIterator<Item = (&'a str, &'a WeightSpec)>,
    ) -> Option<&OptimizerGroup> {
        let mut used = vec![false; self.0.len()];
        for (layer, weight) in weights {
            if let Some(number) = self.of(layer, weight) {
                used[number] = true;
            }
        }
        self.0.iter().zip(used).find_map(|(group, used)| (!used).then_some(group))
    }
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
            OptimizerGroup { learning_rate: 0.1, matrices: false, ..group("embed/*") },
            OptimizerGroup { learning_rate: 9.0, ..group("*") },
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
    fn a_group_without_weights_is_found() {
        let weights = [WeightSpec::trained("a", [2]), WeightSpec::trained("b", [2])];
        let named = || weights.iter().map(|weight| ("layer", weight));
        let unused = |patterns: &[&str]| {
            let groups = OptimizerGroups(patterns.iter().map(|&pattern| group(pattern)).collect());
            groups.unused(named()).map(|group| group.pattern.clone())
        };
        assert_eq!(unused(&["layer/a", "*"]), None);
        assert_eq!(unused(&["layer/a", "lyer/b"]), Some("lyer/b".to_owned()));
        assert_eq!(unused(&["*", "layer/a"]), Some("layer/a".to_owned()));
    }

    #[test]
    fn factors_without_sense_are_refused() {
        let groups = OptimizerGroups(vec![
            group("*"),
            OptimizerGroup { learning_rate: f64::NAN, ..group("*") },
        ]);
        let message = groups.check().unwrap_err().to_string();
        assert_eq!(message, "optimizer.group.1.learning_rate is NaN, but must be 0 to 1000");
    }
}
