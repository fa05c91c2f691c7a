//! Each optimizer takes the steps that Burn's own takes with the same options.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdafactorConfig, AdamWConfig, AdjustLrFn, LionConfig, MuonConfig, Optimizer as BurnOptimizer,
    SgdConfig,
};
use burn::tensor::{Device, Tensor, TensorData};
use trainyard_engine::optimizer::{Adafactor, AdamW, GroupFactors, Lion, Muon, Optimizer, Sgd};

use crate::common::{
    DECAYING, Place, SHAPES, assert_near, bits, gradient, on_device, trained, update,
};

const STEPS: u64 = 6;

/// The values after some steps of Burn's optimizer, which sees the weight in another shape.
fn burns<const D: usize>(
    optimizer: &impl BurnOptimizer,
    shape: &[usize],
    seen: [usize; D],
    factors: GroupFactors,
) -> Vec<f32> {
    let device = Device::flex();
    let start = trained(shape, factors).values;
    let elements = start.len();
    let mut values = Tensor::<D>::from_data(TensorData::new(start, seen), &device);
    let mut state = None;
    for step in 1..=STEPS {
        let now = update(step);
        let data = TensorData::new(gradient(elements, step), seen);
        let gradient = Tensor::<D>::from_data(data, &device).mul_scalar(now.gradient_scale);
        let rate = now.learning_rate * factors.learning_rate;
        (values, state) = optimizer.step(rate, values, gradient, state);
    }
    values.reshape([elements]).try_into_vec_as::<f32>().unwrap()
}

/// Ours is near, from host and device.
fn same_steps<const D: usize>(
    ours: &dyn Optimizer,
    burn: &impl BurnOptimizer,
    shape: &[usize],
    seen: [usize; D],
) {
    let expected = burns(burn, shape, seen, DECAYING);
    for place in [Place::Host, on_device()] {
        let found = trained(shape, DECAYING).train(ours, &place, 1..=STEPS);
        let what = format!("{ours:?} of {shape:?}, {place:?}");
        assert_near(&what, &found.values, &expected, 3e-5);
    }
}

#[test]
fn adamw_takes_burns_steps() {
    let ours = AdamW { beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weight_decay: 0.0 };
    let burn = AdamWConfig::new()
        .with_beta_1(0.8)
        .with_beta_2(0.95)
        .with_epsilon(1e-6)
        .with_weight_decay(0.3)
        .build();
    same_steps(&ours, &burn, &[5], [5]);
    same_steps(&ours, &burn, &[4, 6], [4, 6]);
    same_steps(&ours, &burn, &[3, 2, 2, 2], [3, 2, 2, 2]);
}

#[test]
fn sgd_takes_burns_steps() {
    for nesterov in [false, true] {
        let ours = Sgd { momentum: 0.8, nesterov, weight_decay: 0.0 };
        let momentum = MomentumConfig { momentum: 0.8, dampening: 0.0, nesterov };
        let burn = SgdConfig::new()
            .with_momentum(Some(momentum))
            .with_weight_decay(Some(WeightDecayConfig { penalty: 0.3 }))
            .build();
        same_steps(&ours, &burn, &[5], [5]);
        same_steps(&ours, &burn, &[4, 6], [4, 6]);
    }
    let ours = Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    let decay = WeightDecayConfig { penalty: 0.3 };
    same_steps(&ours, &SgdConfig::new().with_weight_decay(Some(decay)).build(), &[4, 6], [4, 6]);
}

#[test]
fn lion_takes_burns_steps() {
    let ours = Lion { beta1: 0.8, beta2: 0.95, weight_decay: 0.0 };
    let burn = LionConfig::new().with_beta_1(0.8).with_beta_2(0.95).with_weight_decay(0.3).build();
    same_steps(&ours, &burn, &[5], [5]);
    same_steps(&ours, &burn, &[4, 6], [4, 6]);
}

#[test]
fn adafactor_takes_burns_steps() {
    for scale_by_weight in [false, true] {
        let ours = Adafactor { decay: 0.7, scale_by_weight, ..Adafactor::default() };
        let burn = AdafactorConfig::new()
            .with_decay_rate(-0.7)
            .with_relative_step(false)
            .with_scale_parameter(scale_by_weight)
            .with_weight_decay(0.3)
            .build();
        same_steps(&ours, &burn, &[5], [5]);
        same_steps(&ours, &burn, &[4, 6], [4, 6]);
        // A convolution's weight is a matrix of its first dimension and the rest.
        same_steps(&ours, &burn, &[3, 2, 2, 2], [3, 8]);
        same_steps(&ours, &burn, &[1, 7], [7]);
    }
}

#[test]
fn muon_takes_burns_steps() {
    for nesterov in [false, true] {
        let ours = Muon { momentum: 0.9, nesterov, iterations: 4, ..Muon::default() };
        let burn = MuonConfig::new()
            .with_momentum(MomentumConfig { momentum: 0.9, dampening: 0.0, nesterov })
            .with_weight_decay(Some(WeightDecayConfig { penalty: 0.3 }))
            .with_ns_steps(4)
            .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
            .build();
        same_steps(&ours, &burn, &[4, 6], [4, 6]);
        same_steps(&ours, &burn, &[6, 4], [6, 4]);
        same_steps(&ours, &burn, &[3, 2, 2, 2], [3, 8]);
    }
}

/// What Muon does not treat as a matrix is AdamW's to the last bit.
#[test]
fn muon_leaves_the_rest_to_adamw() {
    let muon = Muon::default();
    let Muon { beta1, beta2, epsilon, weight_decay, .. } = muon;
    let adamw = AdamW { beta1, beta2, epsilon, weight_decay };
    let as_vectors = GroupFactors { matrices: false, ..DECAYING };
    let rest = [(&[][..], DECAYING), (&[5], DECAYING), (&[1, 7], DECAYING), (&[4, 6], as_vectors)];
    for (shape, factors) in rest {
        let values = |optimizer: &dyn Optimizer| {
            bits(&trained(shape, factors).train(optimizer, &Place::Host, 1..=STEPS).values)
        };
        assert_eq!(values(&muon), values(&adamw), "{shape:?}");
    }
    let [_, _, matrix, ..] = SHAPES;
    let moved = |optimizer| trained(matrix, DECAYING).train(optimizer, &Place::Host, 1..=1).values;
    assert_ne!(moved(&muon), moved(&adamw));
}
