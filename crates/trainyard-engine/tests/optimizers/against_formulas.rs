//! Small cases worked out from the papers' formulas, in 64-bit floats where they are not exact.

use burn::tensor::{Device, Tensor, TensorData};
use trainyard_engine::optimizer::{
    Adafactor, AdamW, Gradient, GroupEntry, GroupFactors, Lion, Muon, Optimizer, Sgd, State,
    Update, WeightSpec,
};

use crate::common::{DECAYING, Place, assert_near, bits, gradient, on_device, trained, update};

/// The values of a weight after steps with these gradients.
fn steps(
    optimizer: &dyn Optimizer,
    shape: &[usize],
    mut values: Vec<f32>,
    gradients: &[&[f32]],
    factors: GroupFactors,
) -> Vec<f32> {
    let weight = WeightSpec::trained("w", shape);
    let mut state: Option<State> = None;
    for (step, gradient) in (1..).zip(gradients) {
        let flat = |values: Vec<f32>| {
            let length = values.len();
            TensorData::new(values, [length])
        };
        let entry = GroupEntry {
            weight: &weight,
            values: Tensor::from_data(flat(values), &Device::flex()),
            gradient: Gradient::Host(flat(gradient.to_vec())),
            state: &mut state,
            factors,
        };
        let update = Update { step, learning_rate: 0.5, gradient_scale: 1.0 };
        let updated = optimizer.update_weight(entry, &update).unwrap();
        values = updated.values.try_into_vec_as::<f32>().unwrap();
    }
    values
}

fn decay(weight_decay: f64) -> GroupFactors {
    GroupFactors { weight_decay, ..GroupFactors::default() }
}

/// The pass over the values that every run so far was trained with: to the last bit, so that a run
/// goes on as it began.
#[test]
fn adamw_on_the_host_is_the_pass_it_always_was() {
    let adamw = AdamW { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.0 };
    let begun = trained(&[4, 6], DECAYING);
    let mut weights = begun.values.clone();
    let (mut first, mut second) = (vec![0.0_f32; 24], vec![0.0_f32; 24]);
    for step in 1..=5 {
        let Update { learning_rate, gradient_scale, .. } = update(step);
        let rate = learning_rate * DECAYING.learning_rate;
        let exponent = i32::try_from(step).unwrap();
        let keep = (1.0 - rate * DECAYING.weight_decay) as f32;
        let rate = (rate / (1.0 - 0.9_f64.powi(exponent))) as f32;
        let correction = (1.0 / (1.0 - 0.99_f64.powi(exponent))) as f32;
        let (keep1, keep2) = (0.9_f64 as f32, 0.99_f64 as f32);
        for (i, g) in gradient(24, step).into_iter().enumerate() {
            let g = g * gradient_scale as f32;
            first[i] = keep1 * first[i] + (1.0 - keep1) * g;
            second[i] = keep2 * second[i] + (1.0 - keep2) * g * g;
            let denominator = (second[i] * correction).sqrt() + 1e-8_f64 as f32;
            weights[i] = weights[i] * keep - rate * first[i] / denominator;
        }
    }
    let trained = begun.train(&adamw, &Place::Host, 1..=5);
    assert_eq!(bits(&trained.values), bits(&weights));
    let [held_first, held_second] = trained.state.unwrap().entries().unwrap().try_into().unwrap();
    assert_eq!((held_first.values, held_second.values), (first, second));
}

/// `v ← μ·v + g`, `w ← w − rate·(g + μ·v)`, with `g ← g + λ·w`: all of it in powers of two.
#[test]
fn sgd_by_hand() {
    let sgd = Sgd { momentum: 0.5, nesterov: false, weight_decay: 0.0 };
    let gradients: [&[f32]; 2] = [&[2.0], &[1.0]];
    // v = 2, w = 1 − 1 = 0; v = 1 + 1, w = 0 − 1.
    assert_eq!(steps(&sgd, &[1], vec![1.0], &gradients, decay(0.0)), [-1.0]);
    // g = 2.5, v = 2.5, w = −0.25; g = 0.875, v = 2.125, w = −0.25 − 1.0625.
    assert_eq!(steps(&sgd, &[1], vec![1.0], &gradients, decay(0.5)), [-1.3125]);
    let nesterov = Sgd { nesterov: true, ..sgd };
    // v = 2, w = 1 − 0.5·(2 + 1); v = 2, w = −0.5 − 0.5·(1 + 1).
    assert_eq!(steps(&nesterov, &[1], vec![1.0], &gradients, decay(0.0)), [-1.5]);
}

/// Algorithm 2 of arXiv 2302.06675.
#[test]
fn lion_by_hand() {
    let lion = Lion { beta1: 0.5, beta2: 0.75, weight_decay: 0.0 };
    let gradients: [&[f32]; 2] = [&[4.0, 0.0, -8.0], &[-0.5, 0.0, 1.0]];
    // m = 1, 0, −2 after the first step; the second's directions are 0.5·m + 0.5·g: 0.25, 0, −0.5.
    let values = steps(&lion, &[3], vec![1.0, 2.0, 3.0], &gradients, decay(0.0));
    assert_eq!(values, [0.0, 2.0, 4.0]);
    // Each step keeps 1 − 0.5·0.5 of the weight.
    let values = steps(&lion, &[3], vec![1.0, 2.0, 3.0], &gradients, decay(0.5));
    let keep = |w: f32, step: f32| (w * 0.75 + step) * 0.75 + step;
    assert_eq!(values, [keep(1.0, -0.5), keep(2.0, 0.0), keep(3.0, 0.5)]);
}

/// Algorithm 4 of arXiv 1804.04235: `v̂ = r·cᵀ/mean(r)` of mean squares `r` and `c`.
#[test]
fn adafactor_of_a_matrix_by_the_paper() {
    let (rows, columns) = (2, 3);
    let gradients: [&[f32]; 3] = [
        &[0.5, -1.0, 2.0, 0.25, 0.75, -0.5],
        &[1.0, 1.0, -1.0, -2.0, 0.5, 0.125],
        &[-0.5, 0.25, 4.0, 1.5, -1.0, 1.0],
    ];
    let begun = vec![1.0, -2.0, 3.0, -4.0, 5.0, -6.0];
    let mut weights: Vec<f64> = begun.iter().map(|&w: &f32| f64::from(w)).collect();
    let (mut row, mut column) = (vec![0.0; rows], vec![0.0; columns]);
    for (step, gradient) in (1..).zip(gradients) {
        let new = f64::from(step).powf(-0.8);
        let at = |i: usize, j: usize| f64::from(gradient[i * columns + j]);
        for (i, row) in row.iter_mut().enumerate() {
            let mean = (0..columns).map(|j| at(i, j).powi(2)).sum::<f64>() / columns as f64;
            *row = (1.0 - new) * *row + new * mean;
        }
        for (j, column) in column.iter_mut().enumerate() {
            let mean = (0..rows).map(|i| at(i, j).powi(2)).sum::<f64>() / rows as f64;
            *column = (1.0 - new) * *column + new * mean;
        }
        let mean_row = row.iter().sum::<f64>() / rows as f64;
        let mut direction = Vec::new();
        for (i, row) in row.iter().enumerate() {
            for (j, column) in column.iter().enumerate() {
                direction.push(at(i, j) / (row * column / mean_row).sqrt());
            }
        }
        let square: f64 = direction.iter().map(|u| u * u).sum();
        let clipping = (square / direction.len() as f64).sqrt().max(1.0);
        for (w, u) in weights.iter_mut().zip(direction) {
            *w = *w * (1.0 - 0.5 * 0.1) - 0.5 * u / clipping;
        }
    }
    let found = steps(&Adafactor::default(), &[2, 3], begun, &gradients, decay(0.1));
    let expected: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
    assert_near("adafactor", &found, &expected, 1e-5);
}

/// Newton–Schulz turns each singular value `s` of the momentum, divided by the root of the sum of
/// their squares, into `a·s + b·s³ + c·s⁵`, five times. Those of a diagonal matrix are plain to see.
#[test]
fn muon_of_a_diagonal_matrix_by_its_polynomial() {
    let polynomial = |s: f64| 3.4445 * s - 4.775 * s.powi(3) + 2.0315 * s.powi(5);
    let five_times = |s: f64| (0..5).fold(s, |s, _| polynomial(s));
    let length = 0.5 * 0.2 * 3.0_f64.sqrt();
    let [a, b] = [0.6, 0.8].map(|s| (-length * five_times(s)) as f32);
    let gradient: &[f32] = &[3.0, 0.0, 0.0, 0.0, 4.0, 0.0];
    let found = steps(&Muon::default(), &[2, 3], vec![0.0; 6], &[gradient], decay(0.0));
    assert_near("muon", &found, &[a, 0.0, 0.0, 0.0, b, 0.0], 1e-5);
    let tall: &[f32] = &[3.0, 0.0, 0.0, 4.0, 0.0, 0.0];
    let found = steps(&Muon::default(), &[3, 2], vec![0.0; 6], &[tall], decay(0.0));
    assert_near("muon", &found, &[a, 0.0, 0.0, b, 0.0, 0.0], 1e-5);
}

/// Whatever the matrix, a step's singular values are all near 1 times its length, and so its root
/// mean square is near 0.2, that of AdamW's steps.
#[test]
fn muons_steps_are_nearly_orthogonal() {
    let begun = trained(&[6, 9], GroupFactors::default());
    let before = begun.values.clone();
    let after = begun.train(&Muon::default(), &on_device(), 1..=1).values;
    let length = update(1).learning_rate * 0.2 * 3.0;
    let step: Vec<f64> =
        before.iter().zip(&after).map(|(b, a)| f64::from(b - a) / length).collect();
    let row = |i: usize| &step[9 * i..9 * (i + 1)];
    for i in 0..6 {
        for j in 0..6 {
            let product: f64 = row(i).iter().zip(row(j)).map(|(x, y)| x * y).sum();
            let expected = if i == j { 1.0 } else { 0.0 };
            assert!((product - expected).abs() < 0.6, "rows {i} and {j}: {product}");
        }
    }
}
