//! Which token comes next, of what a model says of all of them.
//!
//! The filters are those of Hugging Face's transformers, in its order: repetition penalty, temperature, top-k,
//! top-p, min-p; each looks at what the one before has left.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::error::RunError;

/// How freely tokens are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sampling {
    /// By which logits are divided; 0 always takes the likeliest token.
    pub(crate) temperature: f64,
    /// Only the so many likeliest tokens are taken, and those that are as likely as the last of them; 0 takes all.
    pub(crate) top_k: usize,
    /// Only the likeliest tokens are taken that together reach this probability; 1 takes all.
    pub(crate) top_p: f64,
    /// Only tokens are taken that are at least so many times as likely as the likeliest; 0 takes all.
    pub(crate) min_p: f64,
    /// By which the logits of tokens that the text has already are divided, and multiplied below 0; 1 changes
    /// none (Keskar et al., arXiv 1909.05858, §4.1).
    pub(crate) repetition_penalty: f64,
}

impl Sampling {
    /// As the model says, but for the temperature.
    pub(crate) fn at(temperature: f64) -> Self {
        Self { temperature, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0 }
    }

    /// Refuses numbers that make no sense, by the name of their option.
    ///
    /// # Errors
    /// [`RunError::BadValue`] for the first of them.
    pub(crate) fn check(&self) -> Result<(), RunError> {
        let Self { temperature, top_p, min_p, repetition_penalty, .. } = *self;
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        let checks = [
            (
                "--temperature",
                temperature,
                temperature.is_finite() && temperature >= 0.0,
                "0 or more",
            ),
            ("--top-p", top_p, is_share(top_p), "from 0 to 1"),
            ("--min-p", min_p, is_share(min_p), "from 0 to 1"),
            (
                "--repetition-penalty",
                repetition_penalty,
                repetition_penalty.is_finite() && repetition_penalty > 0.0,
                "above 0; 1 changes nothing",
            ),
        ];
        match checks.into_iter().find(|(_, _, is_sound, _)| !is_sound) {
            None => Ok(()),
            Some((option, value, _, must)) => Err(RunError::BadValue {
                key: option.to_owned(),
                value: value.to_string(),
                must: must.to_owned(),
            }),
        }
    }

    /// The next token after those in `text`, from the logits of all tokens.
    pub(crate) fn choose(&self, logits: &[f32], text: &[u32], random: &mut ChaCha8Rng) -> u32 {
        let mut logits = logits.to_vec();
        self.penalize(&mut logits, text);
        let token = if self.temperature == 0.0 {
            let greatest = greatest(&logits);
            logits.iter().position(|&logit| logit >= greatest).unwrap_or(0)
        } else {
            draw(&self.weights(&logits), random)
        };
        u32::try_from(token).unwrap_or(0)
    }

    /// Makes tokens that the text has already less likely.
    fn penalize(&self, logits: &mut [f32], text: &[u32]) {
        let penalty = self.repetition_penalty as f32;
        if (penalty - 1.0).abs() == 0.0 {
            return;
        }
        let mut seen: Vec<u32> = text.to_vec();
        seen.sort_unstable();
        seen.dedup();
        for token in seen {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
            }
        }
    }

    /// How likely each token is beside the likeliest; 0 for those that are left out.
    fn weights(&self, logits: &[f32]) -> Vec<f64> {
        let greatest = greatest(logits);
        let weight = |logit: &f32| match (f64::from(logit - greatest) / self.temperature).exp() {
            weight if weight.is_nan() => 0.0,
            weight => weight,
        };
        let mut weights: Vec<f64> = logits.iter().map(weight).collect();
        if self.top_k > 0 && self.top_k < weights.len() {
            let mut ordered = weights.clone();
            let (_, least, _) =
                ordered.select_nth_unstable_by(self.top_k - 1, |a, b| b.total_cmp(a));
            leave_out(&mut weights, |_, weight| weight < *least);
        }
        if self.top_p < 1.0 {
            let kept = smallest_set(&weights, self.top_p);
            leave_out(&mut weights, |token, _| !kept[token]);
        }
        if self.min_p > 0.0 {
            // The likeliest weighs 1, whatever was left out.
            leave_out(&mut weights, |_, weight| weight < self.min_p);
        }
        weights
    }
}

fn greatest(logits: &[f32]) -> f32 {
    logits.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

fn leave_out(weights: &mut [f64], is_out: impl Fn(usize, f64) -> bool) {
    for (token, weight) in weights.iter_mut().enumerate() {
        if is_out(token, *weight) {
            *weight = 0.0;
        }
    }
}

/// Which tokens are in the smallest set that has so large a share of all weights; at least one is.
fn smallest_set(weights: &[f64], share: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
    let enough = share * weights.iter().sum::<f64>();
    let mut kept = vec![false; weights.len()];
    let mut sum = 0.0;
    for (place, token) in order.into_iter().enumerate() {
        if place > 0 && sum >= enough {
            break;
        }
        kept[token] = true;
        sum += weights[token];
    }
    kept
}

/// A place, each as likely as its weight says.
fn draw(weights: &[f64], random: &mut ChaCha8Rng) -> usize {
    let mut left = random.random::<f64>() * weights.iter().sum::<f64>();
    let mut last = 0;
    for (place, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        left -= weight;
        last = place;
        if left <= 0.0 {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "these are equal to the last bit or wrong")]
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    /// Logits of these probabilities.
    fn logits(of: &[f64]) -> Vec<f32> {
        of.iter().map(|share| share.ln() as f32).collect()
    }

    fn kept(sampling: Sampling, of: &[f64]) -> Vec<usize> {
        let weights = sampling.weights(&logits(of));
        (0..of.len()).filter(|&token| weights[token] > 0.0).collect()
    }

    const SHARES: [f64; 5] = [0.1, 0.4, 0.05, 0.3, 0.15];

    #[test]
    fn top_k_keeps_the_likeliest_and_their_equals() {
        let top = |top_k| Sampling { top_k, ..Sampling::at(1.0) };
        assert_eq!(kept(top(1), &SHARES), [1]);
        assert_eq!(kept(top(3), &SHARES), [1, 3, 4]);
        assert_eq!(kept(top(0), &SHARES), [0, 1, 2, 3, 4]);
        assert_eq!(kept(top(9), &SHARES), [0, 1, 2, 3, 4]);
        assert_eq!(kept(top(2), &[0.2, 0.4, 0.2, 0.2]), [0, 1, 2, 3]);
    }

    #[test]
    fn top_p_keeps_the_smallest_set_that_reaches_it() {
        let top = |top_p| Sampling { top_p, ..Sampling::at(1.0) };
        assert_eq!(kept(top(0.0), &SHARES), [1]);
        assert_eq!(kept(top(0.39), &SHARES), [1]);
        assert_eq!(kept(top(0.41), &SHARES), [1, 3]);
        assert_eq!(kept(top(0.69), &SHARES), [1, 3]);
        assert_eq!(kept(top(0.71), &SHARES), [1, 3, 4]);
        assert_eq!(kept(top(1.0), &SHARES), [0, 1, 2, 3, 4]);
        // Of what top-k has left.
        let both = Sampling { top_k: 2, ..top(0.56) };
        assert_eq!(kept(both, &SHARES), [1]);
        assert_eq!(kept(Sampling { top_p: 0.58, ..both }, &SHARES), [1, 3]);
    }

    #[test]
    fn min_p_keeps_what_is_likely_beside_the_likeliest() {
        let least = |min_p| Sampling { min_p, ..Sampling::at(1.0) };
        assert_eq!(kept(least(0.3), &SHARES), [1, 3, 4]);
        assert_eq!(kept(least(0.76), &SHARES), [1]);
        assert_eq!(kept(least(1.0), &SHARES), [1]);
        // After the temperature, which brings them nearer to each other.
        assert_eq!(kept(Sampling { temperature: 2.0, ..least(0.6) }, &SHARES), [1, 3, 4]);
    }

    #[test]
    fn tokens_of_the_text_are_made_less_likely_once_each() {
        let sampling = Sampling { repetition_penalty: 2.0, ..Sampling::at(0.0) };
        let mut logits = vec![3.0, -1.0, 2.0, 0.0];
        sampling.penalize(&mut logits, &[1, 0, 1, 0, 77]);
        assert_eq!(logits, [1.5, -2.0, 2.0, 0.0]);
        let random = &mut ChaCha8Rng::seed_from_u64(1);
        assert_eq!(sampling.choose(&[3.0, -1.0, 2.0, 0.0], &[], random), 0);
        assert_eq!(sampling.choose(&[3.0, -1.0, 2.0, 0.0], &[0], random), 2);
    }

    #[test]
    fn the_first_of_the_likeliest_is_taken_without_chance() {
        let random = &mut ChaCha8Rng::seed_from_u64(1);
        assert_eq!(Sampling::at(0.0).choose(&[0.5, f32::NAN, 2.0, 2.0], &[], random), 2);
    }

    #[test]
    fn tokens_come_as_often_as_they_are_likely() {
        let random = &mut ChaCha8Rng::seed_from_u64(1);
        let mut counts = [0_u32; 5];
        for _ in 0..20_000 {
            counts[Sampling::at(1.0).choose(&logits(&SHARES), &[], random) as usize] += 1;
        }
        for (count, share) in counts.into_iter().zip(SHARES) {
            assert!((f64::from(count) / 20_000.0 - share).abs() < 0.02, "{counts:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_option() {
        let sound = Sampling::at(0.8);
        assert!(sound.check().is_ok());
        for (option, sampling) in [
            ("--temperature is -1", Sampling::at(-1.0)),
            ("--temperature is NaN", Sampling::at(f64::NAN)),
            ("--top-p is 1.5", Sampling { top_p: 1.5, ..sound }),
            ("--min-p is -0.1", Sampling { min_p: -0.1, ..sound }),
            ("--repetition-penalty is 0", Sampling { repetition_penalty: 0.0, ..sound }),
        ] {
            let error = sampling.check().unwrap_err().to_string();
            assert!(error.starts_with(option), "{error}");
        }
    }

    proptest! {
        #[test]
        fn something_is_always_left(
            logits in prop::collection::vec(-50.0_f32..50.0, 1..20), top_k in 0..22_usize,
            top_p in 0.0..=1.0, min_p in 0.0..=1.0, temperature in 0.01..5.0
        ) {
            let sampling = Sampling { temperature, top_k, top_p, min_p, repetition_penalty: 1.1 };
            let token = sampling.choose(&logits, &[0, 3], &mut ChaCha8Rng::seed_from_u64(1));
            prop_assert!((token as usize) < logits.len());
            prop_assert!(sampling.weights(&logits)[greatest_at(&logits)] > 0.0);
        }
    }

    fn greatest_at(logits: &[f32]) -> usize {
        logits.iter().position(|&logit| logit >= greatest(logits)).unwrap()
    }
}
