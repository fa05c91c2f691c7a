//! Pretrained encoders against `transformers`: small checkpoints of every architecture and task, with what it computes
//! (`scripts/hf-fixtures.py`).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use std::sync::Arc;

use burn::tensor::TensorData;
use trainyard_config::LoraSection;
use trainyard_engine::{CrossEntropy, Device, MicroBatch, Objective, Scores, discover};
use trainyard_models::hf::{EncoderHead, EncoderTask, HfModel};
use trainyard_models::{cross_entropy, gpt};
use trainyard_plan::Recompute;
use trainyard_pretrained::{Pooling, Pretrained};

use common::adapter;
use common::encoder::encoder;
use common::expected::{Expected, assert_near, folder, gradients, names};
use common::partitions::{
    ROWS, Subject, assert_close, cpus, of_kind, plan, showing_gradients, tensors, whole,
    with_all_kernels,
};

const CONTEXT: usize = 12;
const CLASSES: usize = 5;

/// Largest difference that is allowed, as a part of the largest number of a tensor.
const OUTPUT: f32 = 1e-5;
const GRADIENTS: f32 = 2e-5;

/// A checkpoint with a head, and the file that says what it computes.
struct Case {
    folder: &'static str,
    file: &'static str,
    head: EncoderHead,
}

fn cases() -> Vec<Case> {
    let classes = |pooling| EncoderHead::Classes { classes: CLASSES, pooling };
    let of = |folder, file, head| Case { folder, file, head };
    vec![
        of("bert", "expected", EncoderHead::Masked),
        of("roberta", "expected", EncoderHead::Masked),
        of("distilbert", "expected", EncoderHead::Masked),
        of("bert_classes", "expected", classes(Pooling::First)),
        of("roberta_classes", "expected", classes(Pooling::First)),
        of("distilbert_classes", "expected", classes(Pooling::First)),
        of("bert_classes", "mean", classes(Pooling::Mean)),
        of("bert_classes", "pairs", EncoderHead::Pairs { pooling: Pooling::Mean }),
    ]
}

impl Case {
    fn name(&self) -> String {
        format!("{}/{}", self.folder, self.file)
    }

    fn expected(&self) -> Expected {
        Expected::in_file(self.folder, self.file)
    }

    fn model(&self, dropout: f64) -> HfModel {
        let pretrained = Pretrained::open(&folder(self.folder)).unwrap();
        pretrained.check().unwrap();
        let types = self.expected().has("token_types");
        let task = EncoderTask { head: self.head, dropout, segments: true, types };
        HfModel::encoder(Arc::new(pretrained), CONTEXT, task).unwrap()
    }

    fn subject(&self, model: HfModel) -> Subject {
        let objective: Arc<dyn Objective> = match self.head {
            EncoderHead::Masked => Arc::new(gpt::objective()),
            EncoderHead::Classes { .. } => {
                Arc::new(CrossEntropy { kernel: cross_entropy, ..CrossEntropy::default() })
            }
            EncoderHead::Pairs { .. } => Arc::new(Scores),
        };
        let expected = self.expected();
        let batch = ["tokens", "segments", "token_types", "targets"].into_iter();
        let batch = batch.filter(|name| expected.has(name)).fold(
            MicroBatch::new(ROWS),
            |batch, name| match (name, self.head) {
                ("targets", EncoderHead::Pairs { .. }) => {
                    let (shape, scores) = expected.floats(name);
                    batch.with(name, TensorData::new(scores, shape))
                }
                _ => batch.with(name, expected.ints(name)),
            },
        );
        Subject::of(Arc::new(model), objective, move |_| batch.clone())
    }
}

#[test]
fn output_loss_and_every_gradient_are_those_of_transformers() {
    for case in cases() {
        let layers = case.subject(case.model(0.0)).layers();
        for ends in [vec![layers], vec![1, 2, layers]] {
            equals_transformers(&case, &ends, cpus(ends.len()), [OUTPUT, GRADIENTS]);
        }
    }
}

#[test]
fn encoders_on_an_adapter_equal_transformers() {
    let Some((_, info)) = adapter::known().into_iter().next() else { return };
    for case in cases() {
        let layers = case.subject(case.model(0.0)).layers();
        equals_transformers(&case, &[2, layers], with_all_kernels(&[&info, &info]), [1e-4, 1e-4]);
    }
}

/// `near` are the largest differences of outputs and gradients, as parts of the largest number.
fn equals_transformers(case: &Case, ends: &[usize], devices: Vec<Device>, near: [f32; 2]) {
    let (name, expected, model) = (case.name(), case.expected(), case.model(0.0));
    let names = names(&model);
    let subject = case.subject(model);
    let plan = plan(ends, "1f1b", 2, Recompute::None);
    let mut pipeline = subject.distribute(&plan, devices, showing_gradients());
    let output = pipeline.output(&subject.batch(1).tensors).unwrap();
    let (of, found) = output.into_iter().next().unwrap();
    let found: Vec<f32> = found.try_to_vec().unwrap();
    let wanted = expected.floats(&of).1;
    if case.head == EncoderHead::Masked {
        // What a row is filled up with sees other things there.
        let segments: Vec<i32> = expected.ints("segments").try_to_vec().unwrap();
        let width = wanted.len() / segments.len();
        let of_texts = |all: &[f32]| -> Vec<f32> {
            let rows = all.chunks(width).zip(&segments);
            rows.filter(|(_, it)| **it > 0).flat_map(|(row, _)| row.to_vec()).collect()
        };
        assert_near(&name, &of_texts(&found), &of_texts(&wanted), near[0]);
    } else {
        assert_near(&name, &found, &wanted, near[0]);
    }
    let [loss, _] = subject.train(&mut pipeline, [1])[0];
    let wanted = f64::from(expected.floats("loss").1[0]);
    assert!((loss - wanted).abs() < f64::from(near[0]) * wanted, "{name}: {loss} {wanted}");
    expected.assert_gradients(&name, &gradients(&mut pipeline, &names), near[1]);
}

/// Gradients of the first step and losses of a few more; the tolerances are those of decoders.
#[test]
fn an_encoder_on_the_cpu_and_every_adapter_equals_the_cpu() {
    let subject = encoder(|model| model);
    let layers = subject.layers();
    let observe = |ends: &[usize], devices: Vec<Device>| {
        let plan = plan(ends, "1f1b", 2, Recompute::None);
        let mut pipeline = subject.distribute(&plan, devices, showing_gradients());
        let mut steps = subject.train(&mut pipeline, [1]);
        let gradients = of_kind(&tensors(&mut pipeline), "first");
        steps.extend(subject.train(&mut pipeline, 2..=4));
        (gradients, steps)
    };
    let (expected, expected_steps) = observe(&[layers], cpus(1));
    for (words, info) in adapter::known() {
        let cpu = discover::cpu();
        for infos in [[&cpu, &info], [&info, &cpu]] {
            let (found, steps) = observe(&[2, layers], with_all_kernels(&infos));
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
            for (name, (_, expected)) in &expected {
                assert_close(&format!("{words}: {name}"), &found[name].1, expected, 1e-5, 4e-5);
            }
            for (found, expected) in steps.iter().zip(&expected_steps) {
                let apart = (found[0] - expected[0]).abs();
                assert!(apart <= 1e-3 * expected[0], "{words}: {steps:?} {expected_steps:?}");
            }
        }
    }
}

#[test]
fn one_two_and_three_devices_give_the_same_bits() {
    for case in cases() {
        let subject = case.subject(case.model(0.1));
        subject.equals_one_device_on_two_and_three(&case.name());
    }
}

#[test]
fn dropout_drops() {
    let case = &cases()[3];
    let losses = [0.0, 0.5].map(|dropout| {
        let subject = case.subject(case.model(dropout));
        let mut pipeline = subject.on_cpus(&whole(subject.layers(), 1));
        subject.train(&mut pipeline, [1])[0][0]
    });
    assert!((losses[0] - losses[1]).abs() > 1e-3, "{losses:?}");
}

#[test]
fn a_head_that_files_do_not_have_is_drawn_from_the_seed_alone() {
    let head = EncoderHead::Classes { classes: 9, pooling: Pooling::First };
    let case = Case { folder: "bert", file: "expected", head };
    let pretrained = Arc::new(Pretrained::open(&folder("bert")).unwrap());
    let task = EncoderTask { head, dropout: 0.0, segments: true, types: true };
    let model = || HfModel::encoder(Arc::clone(&pretrained), CONTEXT, task).unwrap();
    let targets = TensorData::new(vec![0_i32, 8, 3, 8], [ROWS]);
    let subject = case.subject(model());
    let mut batch = subject.batch(1);
    batch.tensors.retain(|(name, _)| &**name != "targets");
    let batch = batch.with("targets", targets);
    let objective = Arc::new(CrossEntropy::default());
    let subject = Subject::of(Arc::new(model()), objective, move |_| batch.clone());
    let layers = subject.layers();
    let expected = subject.outcome(&whole(layers, 2), 2);
    assert_eq!(subject.outcome(&plan(&[2, layers], "1f1b", 2, Recompute::None), 2), expected);
    // Nothing is known at first.
    assert!((expected.steps[0][0] - 9.0_f64.ln()).abs() < 0.2, "{:?}", expected.steps);
    assert!(expected.steps[1][0] < expected.steps[0][0], "{:?}", expected.steps);
}

#[test]
fn adapters_of_an_encoder_train_beside_its_own_head() {
    let case = &cases()[6];
    let lora = LoraSection { rank: 3, ..LoraSection::default() };
    let model = case.model(0.0).with_adapters(&lora).unwrap();
    let subject = case.subject(model);
    let layers = subject.layers();
    let mut pipeline = subject.distribute(&whole(layers, 1), cpus(1), showing_gradients());
    let [loss, _] = subject.train(&mut pipeline, [1])[0];
    // Adapters begin with nothing to add.
    let wanted = f64::from(case.expected().floats("loss").1[0]);
    assert!((loss - wanted).abs() < 1e-5 * wanted, "{loss} {wanted}");
    let found = of_kind(&tensors(&mut pipeline), "first");
    let trained: Vec<&str> = found.keys().map(String::as_str).collect();
    assert!(
        trained.iter().all(|name| name.contains(".lora.") || name.starts_with("head/classes.")),
        "{trained:?}"
    );
    let (_, expected) = case.expected().floats("gradient.classifier.weight");
    assert_close("classifier", &found["head/classes.weight"].1, &expected, 0.0, 1e-5);
    let outcome = |plan| subject.outcome(&plan, 2);
    assert_eq!(outcome(plan(&[2, layers], "1f1b", 2, Recompute::None)), outcome(whole(layers, 2)));
}
