//! The prediction of a step's time, corrected from the first steps.

use trainyard_plan::Noise;
use trainyard_plan::compare::{WARM_UP_STEPS, median};

/// Steps from which a prediction is corrected, at least, beside those that warm up.
const STEPS: usize = 5;
/// So long these steps take at least, µs: load that comes and goes every second or so is not taken
/// for one that stays.
const LONG_ENOUGH_US: f64 = 3e6;

/// Waits until there are enough steps.
pub(super) struct Correction {
    predicted_us: f64,
    /// While the costs behind the prediction were measured.
    noise: Option<Noise>,
    seen: usize,
    /// Times of the steps that count, µs; none any more once it is made.
    steps: Option<Vec<f64>>,
}

/// What the first steps made of a prediction.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Corrected {
    /// The corrected prediction of a step, µs.
    pub(super) step_us: f64,
    /// Corrected ÷ as planned.
    pub(super) factor: f64,
    /// From what it follows, in words.
    pub(super) reason: String,
}

impl Correction {
    /// Of a plan that predicts steps of so many µs from costs that were measured beside this noise.
    pub(super) fn of(predicted_us: f64, noise: Option<Noise>) -> Self {
        Self { predicted_us, noise, seen: 0, steps: Some(Vec::new()) }
    }

    /// Takes the time of the next step, µs; gives the correction when there are enough, once.
    pub(super) fn step(&mut self, us: f64) -> Option<Corrected> {
        self.seen += 1;
        let steps = self.steps.as_mut().filter(|_| self.seen > WARM_UP_STEPS)?;
        steps.push(us);
        if steps.len() < STEPS || steps.iter().sum::<f64>() < LONG_ENOUGH_US {
            return None;
        }
        let steps = self.steps.take()?;
        let of_steps = format!("the median of {} steps", steps.len());
        let reason = match self.noise {
            Some(noise) => format!("{of_steps}; when the costs were measured, {noise}"),
            None => of_steps,
        };
        let step_us = median(steps);
        let factor = step_us / self.predicted_us;
        factor.is_finite().then_some(Corrected { step_us, factor, reason })
    }
}

#[cfg(test)]
mod tests {
    use trainyard_plan::Noise;

    use super::{Corrected, Correction};

    /// The step after which the correction came, and the correction.
    fn correct(
        predicted_us: f64,
        noise: Option<Noise>,
        steps: impl Iterator<Item = f64>,
    ) -> Option<(usize, Corrected)> {
        let mut correction = Correction::of(predicted_us, noise);
        let mut found = None;
        for (index, us) in steps.enumerate() {
            if let Some(corrected) = correction.step(us) {
                assert!(found.is_none(), "it came twice");
                found = Some((index + 1, corrected));
            }
        }
        found
    }

    fn corrected(step_us: f64, factor: f64, reason: &str) -> Corrected {
        Corrected { step_us, factor, reason: reason.to_owned() }
    }

    #[test]
    fn warm_up_does_not_count_and_the_median_of_some_seconds_does() {
        let steps = [9e6; 5].into_iter().chain(std::iter::repeat_n(1e5, 100));
        let expected = corrected(1e5, 0.5, "the median of 30 steps");
        assert_eq!(correct(2e5, None, steps), Some((35, expected)));
    }

    #[test]
    fn long_steps_are_not_waited_for_long() {
        let expected = corrected(6e7, 2.0, "the median of 5 steps");
        assert_eq!(correct(3e7, None, std::iter::repeat_n(6e7, 20)), Some((10, expected)));
    }

    #[test]
    fn a_disturbed_part_of_the_steps_does_not_change_it() {
        let steps = (0..200).map(|step| if step % 10 < 3 { 2e5 } else { 1e5 });
        let factor = correct(1e5, None, steps).map(|(_, corrected)| corrected.factor);
        assert_eq!(factor, Some(1.0));
    }

    #[test]
    fn few_steps_and_no_prediction_correct_nothing() {
        assert_eq!(correct(1e5, None, std::iter::repeat_n(1e5, 30)), None);
        assert_eq!(correct(0.0, None, std::iter::repeat_n(1e6, 30)), None);
    }

    #[test]
    fn a_busy_machine_is_named_as_the_reason() {
        let noise = Noise { share: 0.6, disturbed: 0.9, uncertainty: 0.4 };
        let found = correct(1e6, Some(noise), std::iter::repeat_n(1e6, 20));
        let reason = found.map(|(_, corrected)| corrected.reason).unwrap_or_default();
        assert!(reason.contains("the machine was busy: ±40 %"), "{reason}");
    }
}
