//! The prediction of a step's time, corrected from the first steps.

use trainyard_plan::compare::{WARM_UP_STEPS, median};

/// Steps from which a prediction is corrected, at least, beside those that warm up.
const STEPS: usize = 5;
/// So long these steps take at least, µs: load that comes and goes every second or so is not taken
/// for one that stays.
const LONG_ENOUGH_US: f64 = 3e6;

/// Waits until there are enough steps.
pub(super) struct Correction {
    predicted_us: f64,
    seen: usize,
    /// Times of the steps that count, µs; none any more once it is made.
    steps: Option<Vec<f64>>,
}

/// What the first steps made of a prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Corrected {
    /// The corrected prediction of a step, µs.
    pub(super) step_us: f64,
    /// Corrected ÷ as planned.
    pub(super) factor: f64,
}

impl Correction {
    /// Of a plan that predicts steps of so many µs.
    pub(super) fn of(predicted_us: f64) -> Self {
        Self { predicted_us, seen: 0, steps: Some(Vec::new()) }
    }

    /// Takes the time of the next step, µs; gives the correction when there are enough, once.
    pub(super) fn step(&mut self, us: f64) -> Option<Corrected> {
        self.seen += 1;
        let steps = self.steps.as_mut().filter(|_| self.seen > WARM_UP_STEPS)?;
        steps.push(us);
        if steps.len() < STEPS || steps.iter().sum::<f64>() < LONG_ENOUGH_US {
            return None;
        }
        let step_us = median(self.steps.take()?);
        let factor = step_us / self.predicted_us;
        factor.is_finite().then_some(Corrected { step_us, factor })
    }
}

#[cfg(test)]
mod tests {
    use super::{Corrected, Correction};

    /// The step after which the correction came, and the correction.
    fn correct(predicted_us: f64, steps: impl Iterator<Item = f64>) -> Option<(usize, Corrected)> {
        let mut correction = Correction::of(predicted_us);
        let mut found = None;
        for (index, us) in steps.enumerate() {
            if let Some(corrected) = correction.step(us) {
                assert!(found.is_none(), "it came twice");
                found = Some((index + 1, corrected));
            }
        }
        found
    }

    #[test]
    fn warm_up_does_not_count_and_the_median_of_some_seconds_does() {
        let steps = [9e6; 5].into_iter().chain(std::iter::repeat_n(1e5, 100));
        let expected = Corrected { step_us: 1e5, factor: 0.5 };
        assert_eq!(correct(2e5, steps), Some((35, expected)));
    }

    #[test]
    fn long_steps_are_not_waited_for_long() {
        let expected = Corrected { step_us: 6e7, factor: 2.0 };
        assert_eq!(correct(3e7, std::iter::repeat_n(6e7, 20)), Some((10, expected)));
    }

    #[test]
    fn a_disturbed_part_of_the_steps_does_not_change_it() {
        let steps = (0..200).map(|step| if step % 10 < 3 { 2e5 } else { 1e5 });
        let (_, corrected) =
            correct(1e5, steps).unwrap_or((0, Corrected { step_us: 0.0, factor: 0.0 }));
        assert_eq!(corrected.factor, 1.0);
    }

    #[test]
    fn few_steps_and_no_prediction_correct_nothing() {
        assert_eq!(correct(1e5, std::iter::repeat_n(1e5, 30)), None);
        assert_eq!(correct(0.0, std::iter::repeat_n(1e6, 30)), None);
    }
}
