//! Random numbers of a layer's forward, which follow from a seed.
//!
//! Layers may take seeds of their own ([`next_seed`]). Or they draw from Burn's generator: each of Burn's
//! backends has one for the whole process, and whoever wants its numbers to follow from a seed has to be
//! alone with it, from seeding to the last draw.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

use burn::tensor::Device;

use crate::{EngineError, mix};

thread_local! {
    /// The seed of the forward that runs on this thread, and how many were taken from it.
    static SEEDS: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
}

/// Runs a layer's forward, in which [`next_seed`] gives seeds that follow from this one.
pub(crate) fn with_seeds<T>(seed: u64, forward: impl FnOnce() -> T) -> T {
    struct Restore(Option<(u64, u64)>);
    impl Drop for Restore {
        fn drop(&mut self) {
            SEEDS.set(self.0);
        }
    }
    let _restore = Restore(SEEDS.replace(Some((seed, 0))));
    forward()
}

/// A seed for something random in a layer's forward: another at each call. It follows from the run's seed,
/// the step, the micro-batch, the layer and the number of the call, so that it is the same on every partition
/// and when a forward is computed again. None where no pipeline trains the layer.
pub fn next_seed() -> Option<u64> {
    let (seed, calls) = SEEDS.get()?;
    SEEDS.set(Some((seed, calls + 1)));
    Some(mix(&[seed, calls]))
}

static GENERATOR: Mutex<()> = Mutex::new(());

/// Runs `draw` alone with a device's generator, from a seed.
pub(crate) fn with_generator<T>(device: &Device, seed: u64, draw: impl FnOnce() -> T) -> T {
    let _guard = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    device.seed(seed);
    draw()
}

/// [`with_generator`] for work that a device may put off: all of it is launched before another seeds
/// the generator. Nobody waits until it is done.
///
/// # Errors
/// Those of `draw`, and [`EngineError::Driver`] when the device fails.
pub(crate) fn with_generator_to_the_end<T>(
    device: &Device,
    seed: u64,
    draw: impl FnOnce() -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    with_generator(device, seed, || {
        let drawn = draw()?;
        // Seeds are drawn on the host when a kernel is launched; with fusion Burn collects operations
        // first, and a flush launches them.
        if cfg!(feature = "fusion") {
            device.flush().map_err(EngineError::driver)?;
        }
        Ok(drawn)
    })
}

/// Whether a module draws numbers in its forward, from its text: whether one of Burn's modules that
/// do is in it.
pub(crate) fn draws(module: &str) -> bool {
    let dropouts = module.split("Dropout { prob: ").skip(1);
    let mut probabilities = dropouts.filter_map(|rest| rest.split([',', ' ', '}']).next());
    let others = ["GaussianNoise {", "RRelu {"];
    probabilities.any(|prob| prob.parse() != Ok(0.0_f64))
        || others.iter().any(|name| module.contains(name))
}

#[cfg(test)]
mod tests {
    use burn::nn::attention::MultiHeadAttentionConfig;
    use burn::nn::{DropoutConfig, GaussianNoiseConfig, LinearConfig};

    use super::*;

    #[test]
    fn seeds_are_others_at_each_call_and_the_same_when_a_forward_runs_again() {
        let forward = || [next_seed(), next_seed(), next_seed()];
        assert_eq!(forward(), [None; 3]);
        let first = with_seeds(7, forward);
        assert!(first.iter().all(Option::is_some));
        assert!(first[0] != first[1] && first[1] != first[2] && first[0] != first[2]);
        assert_eq!(with_seeds(7, forward), first);
        assert_ne!(with_seeds(8, forward), first);
        // One inside another, and a panic, leave no trace.
        let nested = with_seeds(7, || (next_seed(), with_seeds(8, next_seed), next_seed()));
        assert_eq!((nested.0, nested.2), (first[0], first[1]));
        assert!(std::panic::catch_unwind(|| with_seeds(7, || panic!("a layer"))).is_err());
        assert_eq!(next_seed(), None);
    }

    #[test]
    fn modules_that_draw_are_known_by_their_text() {
        let device = Device::flex();
        assert!(draws(&format!("{:?}", DropoutConfig::new(0.05).init())));
        assert!(!draws(&format!("{:?}", DropoutConfig::new(0.0).init())));
        assert!(draws(&format!("{:?}", GaussianNoiseConfig::new(0.1).init())));
        let attention = MultiHeadAttentionConfig::new(8, 2);
        assert!(draws(&format!("{:?}", attention.init(&device))));
        assert!(!draws(&format!("{:?}", attention.with_dropout(0.0).init(&device))));
        assert!(!draws(&format!("{:?}", LinearConfig::new(2, 2).init(&device))));
    }
}
