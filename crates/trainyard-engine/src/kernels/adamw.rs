//! The update of AdamW.

use burn::backend::TensorMetadata;

use super::GpuTensor;
use super::launch::{LANES, Program, by_fours, groups, own, place, u32_of};

const TEXT: &str = concat!(
    include_str!("../../../../shaders/each.wgsl"),
    include_str!("../../../../shaders/adamw.wgsl")
);

/// The factors of one update: `w ← w·keep − rate·m/(√(v·second_correction) + ε)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamWFactors {
    pub(crate) beta1: f32,
    pub(crate) beta2: f32,
    pub(crate) epsilon: f32,
    pub(crate) keep: f32,
    /// The learning rate ÷ the first moment's correction.
    pub(crate) rate: f32,
    pub(crate) second_correction: f32,
    pub(crate) gradient_scale: f32,
}

/// The new values of a weight, and its first and second moment; in place, where nobody else holds them.
pub(crate) fn adamw(
    values: GpuTensor,
    gradient: &GpuTensor,
    moments: [GpuTensor; 2],
    factors: &AdamWFactors,
) -> (GpuTensor, [GpuTensor; 2]) {
    let [first, second] = moments;
    let changed = [values, first, second].map(own);
    let (element, count) = by_fours(gradient.shape().num_elements());
    let constants = [("ELEMENT", element.into()), ("LANES", LANES.into())];
    let numbers = [
        factors.beta1,
        factors.beta2,
        factors.epsilon,
        factors.keep,
        factors.rate,
        factors.second_correction,
        factors.gradient_scale,
    ];
    let numbers: Vec<u32> =
        std::iter::once(u32_of(count)).chain(numbers.map(f32::to_bits)).collect();
    {
        let [weight, first, second] = changed.each_ref().map(place);
        let tensors = [&weight, &place(gradient), &first, &second];
        Program::new(TEXT, LANES, constants).launch(groups(count, LANES), tensors, &numbers);
    }
    let [values, first, second] = changed;
    (values, [first, second])
}
