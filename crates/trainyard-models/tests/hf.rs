//! Pretrained decoders against `transformers`: small checkpoints of every architecture, with what it computes
//! (`scripts/hf-fixtures.py`).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use std::path::Path;
use std::sync::Arc;

use burn::tensor::TensorData;
use trainyard_config::{DataSection, KindSection};
use trainyard_engine::{Device, HostTensors, MicroBatch, Pipeline};
use trainyard_models::hf::{self, HfModel};
use trainyard_models::{Recipe, Request, Tuning, gpt};
use trainyard_plan::{Plan, Recompute, Schedule};
use trainyard_pretrained::Pretrained;

use common::adapter;
use common::expected::{Expected, assert_near, folder, gradients, names};
use common::partitions::{
    ROWS, Subject, assert_close, cpus, of_kind, options, plan, showing_gradients, tensors, whole,
    with_all_kernels,
};

const ARCHITECTURES: [&str; 10] = [
    "llama", "llama3", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "gpt2", "gpt_neox",
];
const CONTEXT: usize = 12;

/// Largest difference that is allowed, as a part of the largest number of a tensor.
const LOGITS: f32 = 1e-5;
const GRADIENTS: f32 = 2e-5;

fn model(folder: &Path, context: usize) -> HfModel {
    let pretrained = Pretrained::open(folder).unwrap();
    pretrained.check().unwrap();
    HfModel::new(Arc::new(pretrained), context).unwrap()
}

fn subject_of(expected: &Expected, model: HfModel) -> Subject {
    let [tokens, targets] = ["tokens", "targets"].map(|name| expected.ints(name));
    Subject::new(model, gpt::objective(), move |_| {
        MicroBatch::new(ROWS).with("tokens", tokens.clone()).with("targets", targets.clone())
    })
}

fn subject(name: &str) -> (Expected, Subject) {
    let expected = Expected::of(name);
    let subject = subject_of(&expected, model(&folder(name), CONTEXT));
    (expected, subject)
}

fn logits(output: HostTensors) -> Vec<f32> {
    let (_, logits) = output.into_iter().find(|(name, _)| &**name == "logits").unwrap();
    logits.try_to_vec().unwrap()
}

/// Loss, gradients and logits on some devices.
fn equals_transformers(name: &str, ends: &[usize], devices: Vec<Device>, parts: [f32; 2]) {
    let expected = Expected::of(name);
    let model = model(&folder(name), CONTEXT);
    let names = names(&model);
    let subject = subject_of(&expected, model);
    let plan = plan(ends, "1f1b", 2, Recompute::None);
    let mut pipeline = subject.distribute(&plan, devices, showing_gradients());
    let found = logits(pipeline.output(&subject.batch(1).tensors).unwrap());
    assert_near(&format!("{name}: logits"), &found, &expected.floats("logits").1, parts[0]);
    let [loss, _] = subject.train(&mut pipeline, [1])[0];
    let expected_loss = f64::from(expected.floats("loss").1[0]);
    assert!((loss - expected_loss).abs() < 1e-5 * expected_loss, "{name}: {loss} {expected_loss}");
    let found = gradients(&mut pipeline, &names);
    expected.assert_gradients(name, &found, parts[1]);
}

#[test]
fn logits_loss_and_every_gradient_are_those_of_transformers() {
    for name in ARCHITECTURES {
        let layers = subject(name).1.layers();
        equals_transformers(name, &[layers], cpus(1), [LOGITS, GRADIENTS]);
    }
}

#[test]
fn decoders_on_an_adapter_equal_transformers() {
    let Some((_, info)) = adapter::known().into_iter().next() else { return };
    // The second has heads that fit a kernel of ours, the others have none.
    for name in ["llama", "llama3", "gemma3"] {
        let layers = subject(name).1.layers();
        equals_transformers(name, &[2, layers], with_all_kernels(&[&info, &info]), [1e-4, 1e-4]);
    }
}

/// What a model writes behind a prompt, a whole forward a token, the likeliest each time.
fn greedy(pipeline: &mut Pipeline, prompt: &[i32], count: usize) -> Vec<i32> {
    let mut tokens = prompt.to_vec();
    for _ in 0..count {
        let batch =
            MicroBatch::new(1).with("tokens", TensorData::new(tokens.clone(), [1, tokens.len()]));
        let logits = logits(pipeline.output(&batch.tensors).unwrap());
        tokens.push(likeliest(&logits[logits.len() - logits.len() / tokens.len()..]));
    }
    tokens
}

fn likeliest(logits: &[f32]) -> i32 {
    let likeliest = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
    i32::try_from(likeliest.unwrap()).unwrap()
}

#[test]
fn sixty_four_tokens_are_those_of_transformers() {
    for name in ARCHITECTURES {
        // Longer than the context of the run, so that positions beyond it are looked up too.
        let (expected, subject) = subject(name);
        let expected: Vec<i32> = expected.ints("greedy").try_to_vec().unwrap();
        let mut pipeline = subject.on_cpus(&whole(subject.layers(), 2));
        let (prompt, written) = expected.split_at(expected.len() - 64);
        assert_eq!(greedy(&mut pipeline, prompt, written.len()), expected, "{name}");
    }
}

/// The same, a position at a time with keys and values that stay on the devices.
fn continued(pipeline: &mut Pipeline, prompt: &[i32], count: usize) -> Vec<i32> {
    let (mut tokens, mut fed) = (prompt.to_vec(), 0);
    let mut sequences = pipeline.sequences();
    while tokens.len() < prompt.len() + count {
        let more = TensorData::new(tokens[fed..].to_vec(), [1, tokens.len() - fed]);
        fed = tokens.len();
        sequences.feed(0, vec![("tokens".into(), more)]).unwrap();
        let (_, output) = sequences.next_output().unwrap().unwrap();
        tokens.push(likeliest(&logits(output)));
    }
    tokens
}

#[test]
fn tokens_are_the_same_one_position_at_a_time() {
    for name in ARCHITECTURES {
        let (expected, subject) = subject(name);
        let expected: Vec<i32> = expected.ints("greedy").try_to_vec().unwrap();
        let (prompt, written) = expected.split_at(expected.len() - 64);
        for ends in [vec![subject.layers()], vec![2, subject.layers()]] {
            let mut pipeline = subject.on_cpus(&plan(&ends, "1f1b", 2, Recompute::None));
            let found = continued(&mut pipeline, prompt, written.len());
            assert_eq!(found, expected, "{name} {ends:?}");
        }
    }
}

#[test]
fn one_two_and_three_devices_give_the_same_bits() {
    for name in ARCHITECTURES {
        let (_, subject) = subject(name);
        subject.equals_one_device_on_two_and_three(name);
    }
}

/// Two devices, the rows of each micro-batch in three slices.
fn sliced(layers: usize) -> Plan {
    let whole = plan(&[2, layers], "1f1b", 2, Recompute::None);
    let schedule = Schedule::in_slices("1f1b", 2, 1, 6, 3).unwrap();
    Plan::new("test", whole.stages, schedule, 6)
}

#[test]
fn slices_of_the_context_give_what_whole_rows_give() {
    for name in ARCHITECTURES {
        let (_, subject) = subject(name);
        let layers = subject.layers();
        let mut one = subject.distribute(&whole(layers, 2), cpus(1), showing_gradients());
        let expected_loss = subject.train(&mut one, [1])[0][0];
        let expected = of_kind(&tensors(&mut one), "first");
        let mut pipeline =
            subject.distribute_for(&sliced(layers), cpus(2), showing_gradients(), ROWS / 2);
        let rows = subject.micro_batches(1, 2).into_iter();
        let slices = rows.flat_map(|rows| rows.cut(3).unwrap()).collect();
        let loss = pipeline.step(1, 0.01, slices).unwrap().loss;
        assert!((loss - expected_loss).abs() < 1e-5 * expected_loss, "{name}: {loss}");
        let found = of_kind(&tensors(&mut pipeline), "first");
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (weight, (_, expected)) in &expected {
            assert_near(&format!("{name}: ∂{weight}"), &found[weight].1, expected, GRADIENTS);
        }
    }
}

/// What the recipe says of a model and a context.
fn refusal(path: &Path, context: Option<i64>) -> String {
    let path = ("path".to_owned(), path.to_str().unwrap().into());
    let context = context.map(|context| ("context".to_owned(), context.into()));
    let options = [path].into_iter().chain(context).collect();
    let model = KindSection { kind: "hf".to_owned(), options };
    let data = DataSection { kind: None, validation_fraction: 0.1, options: toml::Table::new() };
    let tuning = Tuning::Full;
    let request = Request { model: &model, data: &data, vocabulary: Some(37), tuning };
    let loaded = hf::HfRecipe.load(&request);
    loaded.map_or_else(|error| error.to_string(), |job| format!("a context of {:?}", job.context))
}

#[test]
fn what_cannot_be_trained_is_refused_by_its_name() {
    let llama = folder("llama");
    assert_eq!(refusal(&llama, None), "a context of Some(96)");
    assert_eq!(refusal(&llama, Some(12)), "a context of Some(12)");
    let long = refusal(&llama, Some(97));
    assert!(long.contains("at most 96, the positions that this model was made for"), "{long}");
    let nothing = refusal(Path::new("no/such/model"), None);
    assert!(nothing.contains("no downloaded model of this name"), "{nothing}");

    let copy = tempfile::tempdir().unwrap();
    let config = std::fs::read_to_string(llama.join("config.json")).unwrap();
    std::fs::write(copy.path().join("config.json"), &config).unwrap();
    let bare = refusal(copy.path(), None);
    assert!(bare.contains("there are no weights"), "{bare}");
    let one_more = config.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
    std::fs::write(copy.path().join("config.json"), one_more).unwrap();
    std::fs::copy(llama.join("model.safetensors"), copy.path().join("model.safetensors")).unwrap();
    let missing = refusal(copy.path(), None);
    assert!(missing.contains("model.layers.2.input_layernorm.weight is missing"), "{missing}");
    let bert = config.replace("\"llama\"", "\"bert\"").replace("\"silu\"", "\"gelu\"");
    std::fs::write(copy.path().join("config.json"), bert).unwrap();
    let encoder = refusal(copy.path(), None);
    assert!(encoder.contains("that of a decoder; BERT is an encoder"), "{encoder}");
}

/// Real weights, where they are on this machine.
#[test]
fn stories260k_writes_what_it_is_known_to_write() {
    let folder = Path::new("/work/shared/data/stories260k");
    let Ok(known) = std::fs::read_to_string(folder.join("expected.json")) else { return };
    let known: serde_json::Value = serde_json::from_str(&known).unwrap();
    let ints = |name: &str| -> Vec<i32> { serde_json::from_value(known[name].clone()).unwrap() };
    let (ids, written) = (ints("ids"), ints("greedy_ids_from_bos"));
    let last: Vec<f32> = serde_json::from_value(known["last_logits"].clone()).unwrap();
    let model = model(folder, 256);
    let row = TensorData::new(vec![1_i32; ROWS * 8], [ROWS, 8]);
    let subject = Subject::new(model, gpt::objective(), move |_| {
        MicroBatch::new(ROWS).with("tokens", row.clone()).with("targets", row.clone())
    });
    let mut pipeline = subject.distribute(
        &plan(&[3, subject.layers()], "1f1b", 2, Recompute::None),
        cpus(2),
        options(),
    );
    let batch = MicroBatch::new(1).with("tokens", TensorData::new(ids.clone(), [1, ids.len()]));
    let found = logits(pipeline.output(&batch.tensors).unwrap());
    let found = &found[found.len() - last.len()..];
    // Known to five digits.
    assert_close("logits", found, &last, 0.0, 2e-5 * 10.0);
    let text = greedy(&mut pipeline, &written[..1], written.len() - 1);
    assert_eq!(text, written);
}
