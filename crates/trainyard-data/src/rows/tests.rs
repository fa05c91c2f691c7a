//! Tests of the tasks.

use serde_json::{Value, json};

use super::*;

pub(crate) fn sample(_folder: &std::path::Path) -> Value {
    json!({ "builtin": "waves", "inputs": 3, "outputs": 2 })
}

fn values(batch: &Batch, name: &str) -> Vec<f32> {
    match batch.get(name) {
        Some(HostTensor::F32 { values, .. }) => values.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn points_lie_on_the_arm_that_their_target_names() {
    let options = RowsOptions { builtin: "spiral".to_owned(), ..RowsOptions::default() };
    let batch = RowsSource::open(&options).unwrap().batch(Cursor::new(3), 400).unwrap();
    let (points, arms) = (values(&batch, "features"), values(&batch, "targets"));
    for (point, arm) in points.chunks(2).zip(arms.chunks(2)) {
        let (radius, angle) = (point[0].hypot(point[1]), point[1].atan2(point[0]));
        // How many turns the point is ahead of where the first arm is at its radius.
        let turns = f64::from(angle) / (2.0 * PI) - 1.5 * f64::from(radius);
        let expected = if arm == [1.0, 0.0] { 0.0 } else { 0.5 };
        let off = (turns - expected).rem_euclid(1.0);
        assert!(off.min(1.0 - off) * f64::from(radius) < 1e-5, "{point:?} {arm:?}");
    }
    let first: f32 = arms.iter().step_by(2).sum();
    assert!((150.0..250.0).contains(&first), "{first} of 400 on the first arm");
}

#[test]
fn waves_are_a_function_of_their_inputs() {
    let options = RowsOptions { builtin: "waves".to_owned(), inputs: 4, outputs: 3 };
    let batch = RowsSource::open(&options).unwrap().batch(Cursor::new(3), 50).unwrap();
    let (inputs, targets) = (values(&batch, "features"), values(&batch, "targets"));
    assert!(inputs.iter().all(|x| (-1.0..1.0).contains(x)));
    for (input, target) in inputs.chunks(4).zip(targets.chunks(3)) {
        for (output, found) in target.iter().enumerate() {
            let wave = |(i, x): (usize, &f32)| {
                let phase = ((output * 7 + i * 3) % 11) as f64 / 11.0;
                (PI * (f64::from(*x) + phase)).sin()
            };
            let expected = input.iter().enumerate().map(wave).sum::<f64>() / 2.0;
            assert!((f64::from(*found) - expected).abs() < 1e-5);
        }
    }
}

#[test]
fn validation_ends() {
    let source = RowsSource::open(&RowsOptions::default()).unwrap();
    assert_eq!(source.validation(3, None).count(), 20);
    assert_eq!(source.validation(0, Some(2)).map(|batch| batch.unwrap().rows).sum::<usize>(), 2);
    assert_eq!(source.info().samples, None);
}

#[test]
fn sizes_that_a_task_cannot_have_are_refused() {
    let error = |builtin: &str, inputs, outputs| {
        let builtin = builtin.to_owned();
        RowsSource::open(&RowsOptions { builtin, inputs, outputs }).err().unwrap().to_string()
    };
    let three = error("spiral", 3, 2);
    assert!(
        three.contains("data.inputs is 3 with 2 outputs")
            && three.contains("2 with 2 outputs for the task 'spiral'"),
        "{three}"
    );
    assert!(
        error("wave", 2, 2).contains("data.builtin is \"wave\", but must be one of spiral, waves")
    );
    assert!(error("waves", 0, 2).contains("data.inputs is 0"));
    assert!(error("waves", 2, 65_537).contains("data.outputs is 65537"));
}
