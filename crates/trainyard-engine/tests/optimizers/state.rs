//! Optimizer state on its way into a checkpoint and back.

use burn::tensor::Device;
use trainyard_engine::optimizer::{
    Adafactor, AdamW, GroupFactors, Lion, Optimizer, Sgd, State, StateEntry, WeightSpec,
};

use crate::common::{DECAYING, Place, SHAPES, bits, on_device, optimizers, trained};

#[test]
fn a_run_goes_on_from_saved_state_as_if_nothing_had_been() {
    for optimizer in optimizers() {
        let optimizer = optimizer.as_ref();
        for shape in SHAPES {
            for place in [Place::Host, on_device()] {
                let halfway = trained(shape, DECAYING).train(optimizer, &place, 1..=3);
                let expected = halfway.clone().train(optimizer, &place, 4..=6);
                let entries = halfway.state.as_ref().unwrap().entries().unwrap();
                let kept = optimizer.state(&halfway.weight, &DECAYING);
                let mut restored = halfway.clone();
                restored.state = State::from_entries(kept, entries.clone()).unwrap();
                if matches!(place, Place::Device(_)) {
                    restored.state = restored.state.map(|it| it.to_device(&Device::flex()));
                }
                let again = restored.state.as_ref().unwrap();
                assert_eq!(again.entries().unwrap(), entries);
                let found = restored.train(optimizer, &place, 4..=6);
                let what = format!("{} {shape:?} {place:?}", optimizer.name());
                assert_eq!(bits(&found.values), bits(&expected.values), "{what}");
            }
        }
    }
}

/// Saved by a CPU device, loaded on another kind of device, and back.
#[test]
fn state_moves_between_host_and_device() {
    for optimizer in optimizers() {
        let optimizer = optimizer.as_ref();
        for shape in SHAPES {
            let [host, device] = [Place::Host, on_device()];
            let run = trained(shape, DECAYING)
                .train(optimizer, &host, 1..=2)
                .train(optimizer, &device, 3..=4)
                .train(optimizer, &host, 5..=6);
            let expected = trained(shape, DECAYING).train(optimizer, &host, 1..=6);
            let what = format!("{} {shape:?}", optimizer.name());
            crate::common::assert_near(&what, &run.values, &expected.values, 2e-5);
        }
    }
}

fn saved(optimizer: &dyn Optimizer, weight: &WeightSpec) -> Vec<StateEntry> {
    let begun = trained(&weight.shape, GroupFactors::default());
    let state = begun.train(optimizer, &Place::Host, 1..=1).state;
    state.map(|state| state.entries().unwrap()).unwrap_or_default()
}

#[test]
fn state_that_is_not_the_optimizers_is_refused_in_words() {
    let weight = WeightSpec::trained("w", [4, 6]);
    let load = |optimizer: &dyn Optimizer, entries: Vec<StateEntry>| {
        let kept = optimizer.state(&weight, &GroupFactors::default());
        State::from_entries(kept, entries).map(|state| state.is_some())
    };
    let adamw = AdamW::default();
    assert_eq!(load(&adamw, Vec::new()), Ok(false));
    assert_eq!(load(&adamw, saved(&adamw, &weight)), Ok(true));

    let message = load(&adamw, saved(&Lion::default(), &weight)).unwrap_err();
    let expected = "it holds the optimizer state 'momentum', this run's optimizer keeps the optimizer state 'first', 'second'";
    assert_eq!(message, expected);
    let message = load(&Lion::default(), saved(&adamw, &weight)).unwrap_err();
    assert!(message.contains("'first', 'second'"), "{message}");
    let message = load(&Adafactor::default(), saved(&adamw, &weight)).unwrap_err();
    assert!(message.contains("keeps the optimizer state 'row', 'column'"), "{message}");
    let without = Sgd { momentum: 0.0, ..Sgd::default() };
    let message = load(&without, saved(&Sgd::default(), &weight)).unwrap_err();
    assert!(message.contains("keeps no optimizer state"), "{message}");

    let half = saved(&adamw, &weight).into_iter().take(1).collect();
    let message = load(&adamw, half).unwrap_err();
    assert!(message.contains("it holds the optimizer state 'first',"), "{message}");
    let other = saved(&adamw, &WeightSpec::trained("w", [6, 4]));
    let message = load(&adamw, other).unwrap_err();
    assert!(message.contains("has 24 values of shape [6, 4]"), "{message}");
    let mut short = saved(&adamw, &weight);
    short[1].values.pop();
    let message = load(&adamw, short).unwrap_err();
    assert!(message.contains("'second' has 23 values"), "{message}");
}
