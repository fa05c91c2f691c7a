//! What is made of times that were measured on a busy machine. The machine is a model: a core
//! whose scheduler gives slices in turn to the measured thread and to other work.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "these numbers have to be exact")]

#[path = "common/numbers.rs"]
mod numbers;

use numbers::Numbers;
use proptest::prelude::*;
use trainyard_plan::Noise;
use trainyard_plan::compare::median;
use trainyard_plan::noise::{Timing, is_steady, quantile, typical};

/// When a busy thread wants the core: in the first `on` µs of every `every` µs.
#[derive(Clone, Copy, Debug)]
struct Load {
    on: f64,
    every: f64,
}

const NONE: Load = Load { on: 0.0, every: 1e6 };
const THREE_TENTHS: Load = Load { on: 0.3e6, every: 1e6 };
const ALWAYS: Load = Load { on: 1e6, every: 1e6 };

/// A core and its scheduler.
struct Core {
    load: Load,
    /// Length of a time slice, µs; each is a little longer or shorter.
    slice: f64,
    now: f64,
    left_of_slice: f64,
    numbers: Numbers,
}

impl Core {
    fn new(load: Load, slice: f64, phase: f64, seed: u64) -> Self {
        let mut numbers = Numbers(seed);
        for _ in 0..9 {
            numbers.below(2);
        }
        Self { load, slice, now: phase * load.every, left_of_slice: slice, numbers }
    }

    fn jitter(&mut self) -> f64 {
        0.8 + 0.4 * self.numbers.below(1000) as f64 / 1000.0
    }

    /// Does so much work, µs of core time.
    fn work(&mut self, us: f64) -> Timing {
        let start = self.now;
        let mut left = us;
        while left > 0.0 {
            let at = self.now % self.load.every;
            if at >= self.load.on {
                // The core is its own until the load comes back.
                let run = left.min(self.load.every - at);
                self.now += run;
                left -= run;
                continue;
            }
            let run = left.min(self.left_of_slice);
            self.now += run;
            self.left_of_slice -= run;
            left -= run;
            if self.left_of_slice <= 0.0 {
                let until_off = (self.load.on - self.now % self.load.every).max(0.0);
                self.now += (self.slice * self.jitter()).min(until_off);
                self.left_of_slice = self.slice * self.jitter();
            }
        }
        Timing { wall_us: self.now - start, own_us: Some(us) }
    }

    /// Work with the variation that real work has.
    fn run(&mut self, us: f64) -> Timing {
        let us = us * (0.98 + 0.06 * self.numbers.below(1000) as f64 / 1000.0);
        self.work(us)
    }
}

/// The control kernel's time, µs.
const KERNEL_US: f64 = 200.0;

/// Runs of an action and of the control kernel in between, for so long, and of the kernel alone for
/// a second of undisturbed time where the machine is busy; the action's, and the kernel's times.
fn measure(core: &mut Core, action_us: f64, at_least_us: f64) -> (Vec<Timing>, Vec<f64>) {
    let (mut timings, mut control) = (Vec::new(), Vec::new());
    let end = core.now + at_least_us;
    while core.now < end {
        let timing = core.run(action_us);
        timings.push(timing);
        // An eighth of the work is the kernel's.
        let runs = (action_us / 8.0 / KERNEL_US).ceil() as usize;
        control.extend((0..runs).map(|_| core.run(KERNEL_US).wall_us));
    }
    if Noise::of(&control).is_busy() {
        let runs = (1e6 / KERNEL_US) as usize;
        control.extend((0..runs).map(|_| core.run(KERNEL_US).wall_us));
    }
    (timings, control)
}

/// The median of steps of so much work, over a minute of the same load.
fn median_step(load: Load, slice: f64, step_us: f64, seed: u64) -> f64 {
    let mut core = Core::new(load, slice, 0.0, seed);
    let mut steps = Vec::new();
    while core.now < 60e6 {
        steps.push(core.run(step_us).wall_us);
    }
    median(steps)
}

/// What measuring actions predicts of a step that consists of `count` of them.
fn predict(timings: &[Timing], noise: Noise, count: f64) -> f64 {
    count * typical(timings, noise.is_busy()) * noise.slowdown()
}

fn within(predicted: f64, measured: f64, limit: f64) -> Result<(), TestCaseError> {
    let error = predicted / measured - 1.0;
    prop_assert!(error.abs() <= limit, "{predicted} for {measured}: {error:+.3}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Load that is there for 0.3 s of every second, met at any moment: the median step of a
    /// minute is within 15 %.
    #[test]
    fn load_that_comes_and_goes(
        seed in any::<u64>(),
        phase in 0.0..1.0f64,
        slice in 1e3..8e3f64,
        action_us in 100.0..12e3f64,
        count in 4.0..12.0f64,
    ) {
        let mut core = Core::new(THREE_TENTHS, slice, phase, seed);
        let (timings, control) = measure(&mut core, action_us, 3e6);
        let noise = Noise::of(&control);
        prop_assert!(!noise.is_sustained(), "{noise:?}");
        let measured = median_step(THREE_TENTHS, slice, action_us * count, seed ^ 1);
        within(predict(&timings, noise, count), measured, 0.15)?;
    }

    /// Load that is there all the time: within 25 %, by the share of a core. Steps are longer than
    /// the scheduler's slices; shorter ones are mostly undisturbed.
    #[test]
    fn load_that_stays(
        seed in any::<u64>(),
        slice in 1e3..8e3f64,
        action_us in 100.0..12e3f64,
        step_us in 40e3..200e3f64,
    ) {
        let count = step_us / action_us;
        let mut core = Core::new(ALWAYS, slice, 0.0, seed);
        let (timings, control) = measure(&mut core, action_us, 3e6);
        let noise = Noise::of(&control);
        prop_assert!(noise.is_sustained(), "{noise:?}");
        prop_assert!((0.4..0.6).contains(&noise.share), "{noise:?}");
        let measured = median_step(ALWAYS, slice, action_us * count, seed ^ 1);
        within(predict(&timings, noise, count), measured, 0.25)?;
    }

    /// Without a clock that says how long a thread had the core, short actions are told as well.
    #[test]
    fn short_actions_need_no_clock_of_their_own(
        seed in any::<u64>(),
        slice in 2e3..8e3f64,
        action_us in 100.0..1e3f64,
        always in any::<bool>(),
    ) {
        let load = if always { ALWAYS } else { THREE_TENTHS };
        let mut core = Core::new(load, slice, 0.0, seed);
        let (mut timings, control) = measure(&mut core, action_us, 3e6);
        for timing in &mut timings {
            timing.own_us = None;
        }
        let undisturbed = typical(&timings, Noise::of(&control).is_busy());
        within(undisturbed, action_us, 0.1)?;
    }

    /// A quiet machine is none of it, and times are what they always were.
    #[test]
    fn a_quiet_machine_is_not_busy(
        seed in any::<u64>(),
        action_us in 100.0..12e3f64,
    ) {
        let mut core = Core::new(NONE, 4e3, 0.0, seed);
        let (timings, control) = measure(&mut core, action_us, 1e6);
        let noise = Noise::of(&control);
        prop_assert!(!noise.is_busy(), "{noise:?}");
        prop_assert_eq!(noise.slowdown(), 1.0);
        within(typical(&timings, false), action_us * 1.01, 0.02)?;
    }

    /// Whatever a clock says, the figures can be written to a file and read again.
    #[test]
    fn noise_of_anything_is_a_sound_figure(times in prop::collection::vec(0.0..1e7f64, 0..200)) {
        let noise = Noise::of(&times);
        for value in [noise.share, noise.disturbed, noise.uncertainty] {
            prop_assert!((0.0..=1.0).contains(&value), "{noise:?}");
        }
        prop_assert!(noise.slowdown().is_finite() && noise.slowdown() >= 1.0, "{noise:?}");
        let text = serde_json::to_string(&noise).unwrap();
        prop_assert_eq!(serde_json::from_str::<Noise>(&text).unwrap(), noise);
    }
}

#[test]
fn nothing_measured_is_no_noise() {
    assert_eq!(Noise::of(&[]), Noise::NONE);
    assert_eq!(Noise::of(&[0.0; 5]), Noise::NONE);
    assert_eq!(typical(&[], true), 0.0);
    assert_eq!(quantile(&[], 0.5), 0.0);
    assert!(!is_steady(&[]) && !is_steady(&[1.0]));
}

#[test]
fn a_series_is_steady_when_its_halves_agree() {
    assert!(is_steady(&[10.0, 10.2, 9.9, 10.1, 10.3, 10.0]));
    assert!(!is_steady(&[10.0, 10.2, 9.9, 14.1, 14.3, 14.0]));
}

#[test]
fn the_words_say_how_far_off_a_prediction_may_be() {
    let sustained = Noise { share: 0.6, disturbed: 0.9, uncertainty: 0.4 };
    let passing = Noise { share: 0.85, disturbed: 0.3, uncertainty: 0.15 };
    let (sustained, passing) = (sustained.to_string(), passing.to_string());
    assert!(sustained.starts_with("the machine was busy: ±40 %;"), "{sustained}");
    assert!(passing.starts_with("the machine was busy now and then: ±15 %;"), "{passing}");
}

#[test]
fn measured_again_only_where_a_busy_machine_has_become_quieter() {
    let of = |share| Noise { share, disturbed: 1.0, uncertainty: 1.0 - share };
    for (before, now, again) in [
        (0.5, 1.0, true),
        (0.5, 0.6, true),
        (0.001, 0.1, true),
        // As busy as then, as far as a second of the control kernel can tell, or busier.
        (0.5, 0.5, false),
        (0.5, 0.53, false),
        (0.5, 0.2, false),
        // Then, too, it was quiet.
        (0.91, 1.0, false),
        (1.0, 1.0, false),
    ] {
        assert_eq!(of(now).is_quieter_than(&of(before)), again, "{before}, then {now}");
    }
    // Load that comes and goes leaves times as they are and a prediction as uncertain.
    let passing = Noise { disturbed: 0.3, ..of(0.6) };
    assert!(Noise::NONE.is_quieter_than(&passing));
}
