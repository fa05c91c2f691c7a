//! The validations of a run, and which of them can be told apart by their losses.

use std::collections::{BTreeMap, BTreeSet};

use trainyard_plan::journal::Record;

/// Validations by their steps.
#[derive(Clone, Debug, Default)]
pub struct Validations {
    /// Loss, and over how much it was taken.
    by_step: BTreeMap<u64, (f64, u64)>,
    /// Step from which a part of the run goes on, until it makes one.
    from: Option<u64>,
}

impl Validations {
    /// Takes the next record of a journal. What a part of the run makes again takes the place of what was
    /// made before; a part that makes no step changes nothing.
    pub fn push(&mut self, record: &Record) {
        match record {
            Record::Header(header) => self.from = Some(header.first_step),
            Record::Step { .. } => self.begin_part(),
            Record::Validation { step, loss, tokens, .. } => {
                self.begin_part();
                self.insert(*step, *loss, *tokens);
            }
            _ => {}
        }
    }

    fn begin_part(&mut self) {
        if let Some(from) = self.from.take() {
            self.forget_after(from);
        }
    }

    /// Forgets those after a step.
    pub fn forget_after(&mut self, step: u64) {
        self.by_step.retain(|known, _| *known <= step);
    }

    /// Adds one over so many tokens or rows.
    pub fn insert(&mut self, step: u64, loss: f64, tokens: u64) {
        self.by_step.insert(step, (loss, tokens));
    }

    /// Whether the weights after a step were validated.
    #[must_use]
    pub fn has(&self, step: u64) -> bool {
        self.by_step.contains_key(&step)
    }

    /// Steps and losses of those over as much as most: a loss over other data is not less or more. One
    /// that is not a number is none.
    #[must_use]
    pub fn comparable(&self) -> BTreeMap<u64, f64> {
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for (_, tokens) in self.by_step.values() {
            *counts.entry(*tokens).or_default() += 1;
        }
        let usual = counts.iter().max_by_key(|(tokens, count)| (**count, **tokens));
        let usual = usual.map(|(tokens, _)| *tokens);
        let alike = self
            .by_step
            .iter()
            .filter(|(_, (loss, tokens))| Some(*tokens) == usual && loss.is_finite());
        alike.map(|(step, (loss, _))| (*step, *loss)).collect()
    }

    /// The steps with the lowest losses, at most `keep`.
    #[must_use]
    pub fn best(&self, keep: usize) -> BTreeSet<u64> {
        let mut all: Vec<(u64, f64)> = self.comparable().into_iter().collect();
        all.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        all.into_iter().take(keep).map(|(step, _)| step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_those_of_the_lowest_losses_over_as_much() {
        let mut validations = Validations::default();
        for (step, loss) in [(10, 3.0), (20, 1.0), (30, 2.0), (40, f64::NAN), (50, -f64::NAN)] {
            validations.insert(step, loss, 160);
        }
        // The last looks at more.
        validations.insert(60, 0.5, 1000);
        assert_eq!(validations.best(2), BTreeSet::from([20, 30]));
        assert_eq!(validations.best(0), BTreeSet::new());
        assert!(validations.has(60) && !validations.has(70));
    }

    #[test]
    fn a_part_that_goes_back_takes_the_place_of_what_was_made_before() {
        let validation = |step, loss| Record::Validation {
            at_ns: 0,
            step,
            loss,
            tokens: 10,
            rows: None,
            whole: false,
            metrics: BTreeMap::new(),
        };
        let header = |first_step| {
            let text = format!(
                r#"{{"type":"header","format":"trainyard-journal","version":1,"program":"","started_unix_ms":1,
                "first_step":{first_step},"steps":9,"model":"m","parameters":1,"devices":[]}}"#
            );
            serde_json::from_str::<Record>(&text).unwrap()
        };
        let mut validations = Validations::default();
        let records = [header(0), validation(2, 3.0), validation(4, 1.0), header(2)];
        for record in &records {
            validations.push(record);
        }
        assert_eq!(validations.best(1), BTreeSet::from([4]), "it has made nothing yet");
        validations.push(&validation(3, 2.0));
        assert_eq!(validations.comparable(), BTreeMap::from([(2, 3.0), (3, 2.0)]));
    }
}
