//! A batch's loss, metrics and gradients are those of the whole batch however it is cut, also where
//! micro-batches count unequally.

use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Int, Tensor, TensorData};
use trainyard_engine::{CrossEntropy, Evaluation, Layers, MicroBatch, StepResult};
use trainyard_plan::Recompute;

use crate::partitions::{ROWS, Subject, cpus, cut, options, plan, random_ints, tensors};

const POSITIONS: usize = 6;
const TOKENS: usize = 7;
/// Target of positions that do not count.
const NOTHING: i32 = -1;

fn speaker() -> Layers {
    Layers::new("speaker", "tokens")
        .layer(
            "embed",
            |device| EmbeddingConfig::new(TOKENS, 8).init(device),
            |embedding: &Embedding, tokens: Tensor<2, Int>| embedding.forward(tokens).tanh(),
        )
        .layer(
            "head",
            |device| LinearConfig::new(8, TOKENS).init(device),
            |linear: &Linear, x: Tensor<3>| linear.forward(x),
        )
}

/// Few positions count, in some rows more than in others, and in the last row none.
fn batch(step: u64) -> MicroBatch {
    let [tokens, mut targets] =
        [0, 1].map(|kind| random_ints([ROWS, POSITIONS], TOKENS, &[step, kind]));
    let rows = targets.as_mut_slice::<i32>().unwrap().chunks_mut(POSITIONS);
    for (row, counted) in rows.zip([5, 1, 3, 0]) {
        row[counted..].fill(NOTHING);
    }
    MicroBatch::new(ROWS).with("tokens", tokens).with("targets", targets)
}

fn objectives() -> Vec<CrossEntropy> {
    let ignoring = || CrossEntropy { ignore_index: Some(NOTHING.into()), ..CrossEntropy::tokens() };
    let class_weights = vec![0.5, 1.0, 2.0, 0.25, 3.0, 1.5, 0.75];
    vec![
        ignoring(),
        CrossEntropy { label_smoothing: 0.1, ..ignoring() },
        CrossEntropy { class_weights, ..ignoring() },
    ]
}

/// Ways to cut the rows: each micro-batch counts differently, and the last may count nothing.
const CUTS: [&[usize]; 4] = [&[4], &[2, 2], &[1, 1, 1, 1], &[3, 1]];

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-5 * expected.abs() + 1e-7
}

#[test]
fn a_step_does_not_depend_on_how_the_batch_is_cut() {
    for objective in objectives() {
        let subject = Subject::new(speaker(), objective, batch);
        let mut outcomes: Vec<(Vec<StepResult>, Vec<f32>)> = Vec::new();
        for rows in CUTS {
            let plan = plan(&[1, 2], "1f1b", rows.len(), Recompute::None);
            let mut pipeline = subject.distribute_for(&plan, cpus(2), options(), 4);
            let steps = (1..=3)
                .map(|step| pipeline.step(step, 0.01, cut(&subject.batch(step), rows)).unwrap());
            let steps = steps.collect();
            let weights = tensors(&mut pipeline).remove("embed/weight/weight").unwrap().1;
            outcomes.push((steps, weights));
        }
        let (expected, expected_weights) = &outcomes[0];
        for ((steps, weights), rows) in outcomes.iter().zip(CUTS) {
            for (found, expected) in steps.iter().zip(expected) {
                let place = format!("{rows:?}: {found:?} {expected:?}");
                assert!(near(found.loss, expected.loss), "{place}");
                assert!(near(found.gradient_norm, expected.gradient_norm), "{place}");
                let names: Vec<&str> = found.metrics.keys().map(String::as_str).collect();
                assert_eq!(names, ["accuracy", "perplexity"]);
                for (name, metric) in &found.metrics {
                    assert!(near(*metric, expected.metrics[name]), "{place}");
                }
                assert!(near(found.metrics["perplexity"], found.loss.exp()), "{place}");
            }
            crate::partitions::assert_close(
                &format!("{rows:?}"),
                weights,
                expected_weights,
                1e-4,
                1e-5,
            );
        }
    }
}

#[test]
fn an_evaluation_does_not_depend_on_how_the_data_are_cut() {
    for objective in objectives() {
        let subject = Subject::new(speaker(), objective, batch);
        let plan = plan(&[1, 2], "1f1b", 1, Recompute::None);
        let mut pipeline = subject.on_cpus(&plan);
        let mut evaluate = |rows: &[usize]| -> Evaluation {
            pipeline.evaluate(cut(&subject.batch(5), rows)).unwrap()
        };
        let expected = evaluate(CUTS[0]);
        assert!(expected.count > 0.0 && expected.loss > 0.0, "{expected:?}");
        for rows in CUTS {
            let found = evaluate(rows);
            let place = format!("{rows:?}: {found:?} {expected:?}");
            assert!(near(found.loss, expected.loss), "{place}");
            assert!(near(found.count, expected.count), "{place}");
            assert!(near(found.metrics["accuracy"], expected.metrics["accuracy"]), "{place}");
        }
    }
}

#[test]
fn tokens_are_counted_and_not_rows() {
    let subject = Subject::new(speaker(), objectives().remove(0), batch);
    let mut pipeline = subject.on_cpus(&plan(&[2], "1f1b", 1, Recompute::None));
    let evaluation = pipeline.evaluate(subject.micro_batches(1, 1)).unwrap();
    assert!((evaluation.count - 9.0).abs() < 1e-12, "5 + 1 + 3 + 0 of 24: {evaluation:?}");
    let targets = TensorData::new(vec![0_i32; ROWS * POSITIONS], [ROWS, POSITIONS]);
    let mut all = subject.batch(1);
    all.tensors.retain(|(name, _)| &**name != "targets");
    let evaluation = pipeline.evaluate(vec![all.with("targets", targets)]).unwrap();
    assert!((evaluation.count - 24.0).abs() < 1e-12, "{evaluation:?}");
}
