//! Adapters in pretrained decoders: over any split and in slices what one device gives, from where the pretrained
//! model is, and nothing but adapters in checkpoints.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trainyard_config::{DataSection, KindSection, LoraSection};
use trainyard_engine::MicroBatch;
use trainyard_models::hf::{self, HfModel};
use trainyard_models::{Recipe, Request, Tuning, gpt};
use trainyard_plan::{Plan, Recompute, Schedule};
use trainyard_pretrained::Pretrained;

use common::partitions::{
    ROWS, Subject, assert_close, cpus, of_kind, plan, random_ints, showing_gradients, tensors,
    whole,
};

const ARCHITECTURES: [&str; 8] =
    ["llama", "mistral", "qwen2", "qwen3", "gemma2", "phi3", "gpt2", "gpt_neox"];
const CONTEXT: usize = 12;
const VOCABULARY: usize = 37;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hf").join(name)
}

fn pretrained(name: &str) -> HfModel {
    HfModel::new(Arc::new(Pretrained::open(&folder(name)).unwrap()), CONTEXT).unwrap()
}

fn lora(targets: &[&str], layers: &[u32], dropout: f64) -> LoraSection {
    let targets = targets.iter().map(|&name| name.to_owned()).collect();
    LoraSection { rank: 2, dropout, targets, layers: layers.to_vec(), ..LoraSection::default() }
}

fn subject(model: HfModel) -> Subject {
    Subject::new(model, gpt::objective(), |step| {
        let [tokens, targets] =
            [0, 1].map(|kind| random_ints([ROWS, CONTEXT], VOCABULARY, &[step, kind]));
        MicroBatch::new(ROWS).with("tokens", tokens).with("targets", targets)
    })
}

fn adapted(name: &str, lora: &LoraSection) -> Subject {
    subject(pretrained(name).with_adapters(lora).unwrap())
}

#[test]
fn adapters_over_any_split_equal_one_device() {
    adapted("llama", &lora(&["all"], &[], 0.1)).equals_one_device(2);
}

#[test]
fn adapters_in_the_last_block_alone_over_any_split_equal_one_device() {
    adapted("llama", &lora(&["attention"], &[1], 0.0)).equals_one_device(2);
}

/// Every architecture: adapters begin as nothing, train on two devices as on one, and are all that is saved.
#[test]
fn every_architecture_trains_its_adapters_alone() {
    for name in ARCHITECTURES {
        let full = subject(pretrained(name));
        let adapted = adapted(name, &lora(&["all"], &[], 0.0));
        let layers = adapted.layers();
        let mut begin = full.on_cpus(&whole(layers, 2));
        let expected = begin.evaluate(full.micro_batches(1, 2)).unwrap().loss;
        let mut one = adapted.on_cpus(&whole(layers, 2));
        let found = one.evaluate(adapted.micro_batches(1, 2)).unwrap().loss;
        assert_eq!(found.to_bits(), expected.to_bits(), "{name}");
        let mut two = adapted.on_cpus(&plan(&[2, layers], "zb-h1", 2, Recompute::None));
        let losses = adapted.train(&mut one, 1..=3);
        assert_eq!(losses, adapted.train(&mut two, 1..=3), "{name}");
        let saved: BTreeSet<String> = of_kind(&tensors(&mut two), "weight").into_keys().collect();
        assert!(!saved.is_empty() && saved.iter().all(|it| it.contains(".lora.")), "{saved:?}");
        let of_block = |it: &&String| it.starts_with("block0/");
        let (first, all) = (saved.iter().filter(of_block).count(), saved.len());
        assert_eq!(all, first * (layers - 2), "{name}: {saved:?}");
    }
}

/// Rows cut into slices: what carries no gradient is handed on all the same.
#[test]
fn slices_of_the_context_give_what_whole_rows_give() {
    for (targets, blocks) in [("all", &[][..]), ("mlp", &[1][..]), ("attention", &[1][..])] {
        let subject = adapted("llama", &lora(&[targets], blocks, 0.0));
        let layers = subject.layers();
        let mut one = subject.distribute(&whole(layers, 2), cpus(1), showing_gradients());
        // B begins at 0, where A has no gradient.
        let expected_losses = subject.train(&mut one, 1..=2);
        let expected = of_kind(&tensors(&mut one), "first");
        for (ends, recompute) in [
            ([1, layers], Recompute::None),
            ([2, layers], Recompute::None),
            ([2, layers], Recompute::Full),
        ] {
            let stages = plan(&ends, "1f1b", 2, recompute).stages;
            let schedule = Schedule::in_slices("1f1b", 2, 1, 6, 3).unwrap();
            let sliced = Plan::new("test", stages, schedule, 6);
            let mut pipeline =
                subject.distribute_for(&sliced, cpus(2), showing_gradients(), ROWS / 2);
            for (step, [expected, _]) in (1..).zip(&expected_losses) {
                let rows = subject.micro_batches(step, 2).into_iter();
                let slices = rows.flat_map(|rows| rows.cut(3).unwrap()).collect();
                let loss = pipeline.step(step, 0.01, slices).unwrap().loss;
                assert!((loss - expected).abs() < 1e-5 * expected, "{targets}: {loss}");
            }
            let found = of_kind(&tensors(&mut pipeline), "first");
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
            for (weight, (_, expected)) in &expected {
                let most = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                assert_close(weight, &found[weight].1, expected, 1e-3, 1e-4 * most);
            }
        }
    }
}

fn loaded(tuning: Tuning<'_>) -> Result<usize, String> {
    let path = ("path".to_owned(), folder("llama").to_str().unwrap().into());
    let model = KindSection { kind: "hf".to_owned(), options: [path].into_iter().collect() };
    let data = DataSection { kind: None, validation_fraction: 0.1, options: toml::Table::new() };
    let request = Request { model: &model, data: &data, vocabulary: Some(VOCABULARY), tuning };
    request.check_method(&hf::HfRecipe).map_err(|error| error.to_string())?;
    let job = hf::HfRecipe.load(&request).map_err(|error| error.to_string())?;
    Ok(job.model.layers().len())
}

#[test]
fn a_run_file_asks_for_adapters() {
    assert_eq!(loaded(Tuning::Lora(&lora(&["q_proj", "v", "mlp"], &[0], 0.0))), Ok(4));
    assert_eq!(loaded(Tuning::Qlora(&lora(&["all"], &[], 0.0))), Ok(4));
    let refused = loaded(Tuning::Lora(&lora(&["query"], &[], 0.0))).unwrap_err();
    let known = "products of this model: q, k, v, o, gate, up, down";
    assert!(refused.contains("lora.targets is \"query\"") && refused.contains(known), "{refused}");
    let refused = loaded(Tuning::Lora(&lora(&["q"], &[2], 0.0))).unwrap_err();
    assert!(refused.contains("lora.layers is 2"), "{refused}");
}
