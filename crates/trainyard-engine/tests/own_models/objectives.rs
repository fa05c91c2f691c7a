//! Objectives against what is worked out by hand in 64-bit floats: losses, gradients, metrics.

use burn::tensor::{Device, Int, Tensor, TensorData};
use trainyard_engine::{
    BinaryCrossEntropy, CrossEntropy, EngineError, Loss, MeanSquaredError, MicroBatch, Objective,
    Tensors, Value,
};

use crate::partitions::{assert_close, random, random_ints};

const CLASSES: usize = 5;

/// What an objective says of numbers: loss, its gradient, and metrics.
struct Said {
    loss: f64,
    gradient: Vec<f32>,
    metrics: Vec<(&'static str, f64)>,
}

fn said(objective: &dyn Objective, output: &TensorData, targets: impl Into<Value>) -> Said {
    let output = on_device(output).requires_grad();
    let outputs = Tensors::new().with("x", output.clone());
    let targets = Tensors::new().with("targets", targets);
    let Loss { loss, metrics } = objective.loss(outputs, targets).unwrap();
    let read = |tensor: Tensor<1>| f64::from(tensor.into_scalar::<f32>());
    let mut gradients = loss.clone().backward();
    let gradient = output.gradient(&mut gradients).unwrap().into_data().unwrap();
    Said {
        loss: read(loss),
        gradient: gradient.as_slice::<f32>().unwrap().to_vec(),
        metrics: metrics.into_iter().map(|(name, value)| (name, read(value))).collect(),
    }
}

/// Host data on the CPU device, without a graph.
fn on_device(targets: &TensorData) -> Value {
    Value::from_data(targets.clone(), &Device::flex()).unwrap()
}

fn floats(values: &[f32]) -> TensorData {
    TensorData::new(values.to_vec(), [values.len()])
}

fn assert_near(what: &str, found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 1e-5 * expected.abs() + 1e-6,
        "{what}: {found}, {expected}"
    );
}

/// Cross-entropy, its gradient and the accuracy, by the formulas.
fn by_hand(objective: &CrossEntropy, logits: &[f32], targets: &[i32]) -> (f64, Vec<f32>, f64) {
    let weight = |target: i32| {
        if objective.ignore_index == Some(i64::from(target)) {
            0.0
        } else {
            let class = usize::try_from(target).unwrap();
            objective.class_weights.get(class).map_or(1.0, |&weight| f64::from(weight))
        }
    };
    let total: f64 = targets.iter().map(|&target| weight(target)).sum();
    let smoothing = objective.label_smoothing;
    let (mut loss, mut right, mut gradient) = (0.0, 0.0, Vec::new());
    for (row, &target) in logits.chunks(CLASSES).zip(targets) {
        let share = weight(target) / total;
        let sum: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
        let likelihoods: Vec<f64> = row.iter().map(|&l| f64::from(l).exp() / sum).collect();
        let wanted = |class: usize| {
            let spread = smoothing / CLASSES as f64;
            if i32::try_from(class) == Ok(target) { 1.0 - smoothing + spread } else { spread }
        };
        for (class, likelihood) in likelihoods.iter().enumerate() {
            loss -= share * wanted(class) * likelihood.ln();
            gradient.push((share * (likelihood - wanted(class))) as f32);
        }
        let likeliest = (0..CLASSES).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        right += share * f64::from(i32::try_from(likeliest) == Ok(target));
    }
    (loss, gradient, right)
}

fn cross_entropies() -> Vec<CrossEntropy> {
    let plain = CrossEntropy::default;
    let class_weights = vec![0.5, 1.0, 2.0, 0.25, 3.0];
    vec![
        plain(),
        CrossEntropy { ignore_index: Some(2), ..plain() },
        CrossEntropy { ignore_index: Some(-100), ..plain() },
        CrossEntropy { label_smoothing: 0.1, ..plain() },
        CrossEntropy { class_weights: class_weights.clone(), ..plain() },
        CrossEntropy {
            ignore_index: Some(-1),
            label_smoothing: 0.2,
            class_weights,
            tokens: true,
            ..plain()
        },
    ]
}

#[test]
fn cross_entropy_is_the_formula() {
    for (number, objective) in cross_entropies().iter().enumerate() {
        for (batch, positions) in [(1, 3), (4, 6)] {
            let rows = batch * positions;
            let logits = random([batch, positions, CLASSES], &[number as u64, 1]);
            let mut targets = random_ints([rows], CLASSES, &[number as u64, 2]);
            let ignored = objective.ignore_index.and_then(|index| i32::try_from(index).ok());
            let values = targets.as_mut_slice::<i32>().unwrap();
            if let Some(ignored) = ignored {
                values.iter_mut().skip(1).step_by(3).for_each(|target| *target = ignored);
                values[0] = 1;
            }
            let values = values.to_vec();
            let shaped = TensorData::new(values.clone(), [batch, positions]);
            let found = said(objective, &logits, on_device(&shaped));
            let (loss, gradient, right) =
                by_hand(objective, logits.as_slice::<f32>().unwrap(), &values);
            let what = format!("objective {number} of {rows} targets");
            assert_near(&what, found.loss, loss);
            assert_close(&what, &found.gradient, &gradient, 1e-5, 1e-6);
            let [("accuracy", accuracy)] = found.metrics.as_slice() else {
                panic!("{what}: {:?}", found.metrics)
            };
            assert_near(&what, *accuracy, right);
            // What counts is the weights of the targets.
            let count = objective.count(&MicroBatch::new(batch).with("targets", shaped));
            let weight = |&target: &i32| match (ignored == Some(target), usize::try_from(target)) {
                (true, _) => 0.0,
                (_, Ok(class)) => objective.class_weights.get(class).map_or(1.0, |w| f64::from(*w)),
                (_, Err(_)) => 1.0,
            };
            assert_near(&what, count, values.iter().map(weight).sum());
        }
    }
}

#[test]
fn perplexity_is_of_tokens_alone() {
    let summary = |objective: &CrossEntropy| {
        let mut metrics = [("accuracy".to_owned(), 0.5)].into();
        objective.summarize(2.0, &mut metrics);
        (objective.unit(), metrics.into_iter().collect::<Vec<_>>())
    };
    let accuracy = ("accuracy".to_owned(), 0.5);
    let perplexity = ("perplexity".to_owned(), 2.0_f64.exp());
    assert_eq!(summary(&CrossEntropy::default()), ("rows", vec![accuracy.clone()]));
    assert_eq!(summary(&CrossEntropy::tokens()), ("tokens", vec![accuracy, perplexity]));
}

#[test]
fn nothing_that_counts_gives_a_gradient_of_nothing() {
    let objective = CrossEntropy { ignore_index: Some(-1), ..CrossEntropy::default() };
    let logits = random([3, CLASSES], &[1]);
    let found = said(&objective, &logits, on_device(&TensorData::new(vec![-1_i32; 3], [3])));
    assert_eq!(found.gradient, vec![0.0; 3 * CLASSES]);
}

#[test]
fn binary_cross_entropy_is_the_formula() {
    let logits = [0.0_f32, 0.3, -2.0, 5.0, -5.0, 30.0, -30.0, 80.0, -80.0, 80.0, -80.0, 1.5];
    let targets = [0.0_f32, 1.0, 0.25, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.75];
    let count = logits.len() as f64;
    let (mut loss, mut gradient) = (0.0, Vec::new());
    for (&logit, &target) in logits.iter().zip(&targets) {
        let (z, t) = (f64::from(logit), f64::from(target));
        // log(1 + e⁻ᶻ) and log(1 + eᶻ), of which none overflows here in 64 bits.
        loss += (t * (-z).exp().ln_1p() + (1.0 - t) * z.exp().ln_1p()) / count;
        gradient.push(((1.0 / (1.0 + (-z).exp()) - t) / count) as f32);
    }
    let found = said(&BinaryCrossEntropy, &floats(&logits), on_device(&floats(&targets)));
    assert_near("loss", found.loss, loss);
    assert_close("gradient", &found.gradient, &gradient, 1e-5, 1e-6);
    // On one side of a half both, or on none of both.
    let right = logits.iter().zip(&targets).filter(|(z, t)| (**z > 0.0) == (**t > 0.5)).count();
    let [("accuracy", accuracy)] = found.metrics.as_slice() else { panic!("{:?}", found.metrics) };
    assert_near("accuracy", *accuracy, right as f64 / count);
}

#[test]
fn binary_cross_entropy_takes_zeros_and_ones_as_integers_too() {
    let logits = random([4, 2], &[3]);
    let ones = TensorData::new(vec![0_i32, 1, 1, 0, 1, 1, 0, 0], [4, 2]);
    let same = TensorData::new(vec![0.0_f32, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0], [4, 2]);
    let [as_ints, as_floats] =
        [ones, same].map(|targets| said(&BinaryCrossEntropy, &logits, on_device(&targets)));
    assert!((as_ints.loss - as_floats.loss).abs() == 0.0);
    assert_eq!(as_ints.gradient, as_floats.gradient);
    assert_eq!(as_ints.metrics, as_floats.metrics);
}

#[test]
fn mean_squared_error_is_the_formula() {
    let [output, targets] = [1, 2].map(|kind| random([3, 2, 4], &[kind]));
    let pairs = output.as_slice::<f32>().unwrap().iter().zip(targets.as_slice::<f32>().unwrap());
    let differences: Vec<f64> = pairs.map(|(&y, &t)| f64::from(y) - f64::from(t)).collect();
    let count = differences.len() as f64;
    let found = said(&MeanSquaredError, &output, on_device(&targets));
    assert_near("loss", found.loss, differences.iter().map(|d| d * d).sum::<f64>() / count);
    let gradient: Vec<f32> = differences.iter().map(|d| (2.0 * d / count) as f32).collect();
    assert_close("gradient", &found.gradient, &gradient, 1e-5, 1e-7);
    assert!(found.metrics.is_empty());
}

#[test]
fn targets_that_do_not_match_are_refused() {
    let objectives: [&dyn Objective; 3] =
        [&CrossEntropy::default(), &BinaryCrossEntropy, &MeanSquaredError];
    for objective in objectives {
        let outputs = || Tensors::new().with("x", on_device(&random([4, CLASSES], &[1])));
        let numbers = Tensor::<1, Int>::arange(0..3, &Device::flex());
        let wrong = [
            Tensors::new().with("targets", on_device(&random([3], &[2]))),
            Tensors::new().with("targets", on_device(&random_ints([3], 2, &[2]))),
            Tensors::new().with("targets", numbers.clone().equal_elem(1)),
            Tensors::new(),
        ];
        for targets in wrong {
            let refused = objective.loss(outputs(), targets).err().unwrap();
            assert!(matches!(refused, EngineError::WrongTensor { .. }), "{refused:?}");
        }
    }
}
