//! Pretrained decoders whose frozen weights are in blocks of few bits: those of a GGUF file as they lie there, products
//! of blocks, vectors of tokens and the head, over any split what one device gives.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device as BurnDevice;
use serde_json::json;
use trainyard_config::{BlockFormat, LoraSection};
use trainyard_engine::{Device, MicroBatch, Model, discover};
use trainyard_models::gpt;
use trainyard_models::hf::{EncoderHead, EncoderTask, HfModel};
use trainyard_plan::Recompute;
use trainyard_pretrained::{Element, Pretrained};

use common::partitions::{
    Held, ROWS, SEED, Subject, assert_close, cpus, of_kind, options, plan, random_ints,
    showing_gradients, tensors, whole, with_all_kernels,
};
use common::{adapter, encoder, random_files};

const CONTEXT: usize = 12;
const VOCABULARY: usize = 38;

/// A Llama in Hugging Face layout, of rows that are whole blocks.
fn llama(folder: &Path, tied: bool) -> Pretrained {
    let config = json!({
        "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 64, "vocab_size": VOCABULARY, "hidden_act": "silu",
        "max_position_embeddings": 32, "tie_word_embeddings": tied
    });
    random_files::of_config(folder, &config)
}

/// The same as a GGUF file of one kind of blocks.
fn gguf(folder: &Path, tied: bool, element: Element) -> Pretrained {
    let model = llama(&folder.join("folder"), tied);
    let file = folder.join("model.gguf");
    model
        .write_gguf(&file, element, &model.as_it_is(), &mut |name: &str| model.values(name))
        .unwrap();
    Pretrained::open(&file).unwrap()
}

fn lora(packing: BlockFormat, embedding_packing: Option<BlockFormat>) -> LoraSection {
    LoraSection { rank: 2, packing, embedding_packing, ..LoraSection::default() }
}

/// With frozen weights as numbers.
fn numbers(pretrained: Pretrained, lora: &LoraSection) -> HfModel {
    HfModel::new(Arc::new(pretrained), CONTEXT).unwrap().with_adapters(lora).unwrap()
}

fn subject(model: HfModel, vocabulary: usize) -> Subject {
    Subject::new(model, gpt::objective(), move |step| {
        let [tokens, targets] =
            [0, 1].map(|kind| random_ints([ROWS, CONTEXT], vocabulary, &[step, kind]));
        MicroBatch::new(ROWS).with("tokens", tokens).with("targets", targets)
    })
}

/// The bytes of a layer's blocks by the paths of their matrices, and all paths.
fn held(model: &HfModel, layer: usize) -> (Vec<(String, Vec<u8>)>, BTreeSet<String>) {
    let built = model.build(layer, SEED, &BurnDevice::flex()).unwrap();
    let paths: Vec<String> = built.weights().iter().map(|weight| weight.path.clone()).collect();
    let values = built.weight_values();
    let packed = paths.iter().zip(values).filter_map(|(path, values)| {
        let path = path.strip_suffix("packed.blocks")?;
        let bits: Vec<f32> = values.into_data().try_to_vec().unwrap();
        let bytes = bits.iter().flat_map(|bits| bits.to_bits().to_le_bytes()).collect();
        Some((path.to_owned(), bytes))
    });
    (packed.collect(), paths.into_iter().collect())
}

/// What the file has of a weight, in the order of Hugging Face's rows.
fn stored(pretrained: &Pretrained, name: &str) -> Vec<u8> {
    let raw = pretrained.raw(name).unwrap();
    (0..raw.rows()).flat_map(|row| raw.row(row).unwrap().to_vec()).collect()
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainyard-pretrained/tests/gguf/llama.gguf")
}

/// Of a file with every kind of blocks, and rows of queries and keys in llama.cpp's order.
#[test]
fn a_gguf_files_own_blocks_are_held_as_they_lie() {
    let model = numbers(Pretrained::open(&fixture()).unwrap(), &lora(BlockFormat::Q4_1, None));
    let model = model.packed();
    let mut kinds = BTreeSet::new();
    for layer in 1..=3 {
        let (packed, paths) = held(&model, layer);
        assert!(!paths.iter().any(|path| path.ends_with("_proj.weight")), "{paths:?}");
        for name in model.names(layer).iter().filter(|it| it.name.ends_with("_proj.weight")) {
            let product = name.path.strip_suffix("weight").unwrap();
            let (_, found) = packed.iter().find(|(path, _)| path == product).unwrap();
            let raw = model.pretrained().raw(&name.name).unwrap();
            let is_packed = raw.element.block_numbers() > 1;
            let format = if is_packed { raw.element } else { Element::Q4_1 };
            let said = model.held_as(layer, &format!("{product}packed.blocks"));
            assert_eq!(said.as_deref(), Some(format.name()), "{}", name.name);
            if raw.element.block_numbers() == 1 {
                // Packed from numbers.
                let bytes = Element::Q4_1.bytes_of(&raw.shape).unwrap();
                assert_eq!(found.len() as u64, bytes, "{}", name.name);
                continue;
            }
            kinds.insert(raw.element.name());
            let mut expected = stored(model.pretrained(), &name.name);
            expected.resize(expected.len().next_multiple_of(4), 0);
            assert!(*found == expected, "{}", name.name);
        }
    }
    let all = ["q4_0", "q4_1", "q4_k", "q5_0", "q5_1", "q5_k", "q6_k", "q8_0"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
    // What is packed has eight bits and more there, so that the loss is near that of numbers.
    let model = |packing| numbers(Pretrained::open(&fixture()).unwrap(), &lora(packing, None));
    let losses = [model(BlockFormat::Q8_0), model(BlockFormat::Q8_0).packed()].map(|model| {
        let subject = subject(model, 5);
        let mut pipeline = subject.on_cpus(&whole(subject.layers(), 1));
        pipeline.evaluate(subject.micro_batches(1, 1)).unwrap().loss
    });
    assert!((losses[0] - losses[1]).abs() < 0.02 * losses[0], "{losses:?}");
}

/// What two steps show.
struct Observed {
    losses: Vec<f64>,
    /// Of the second: B begins at 0, where A has no gradient.
    gradients: BTreeMap<String, Held>,
}

impl Observed {
    fn of(subject: &Subject, ends: &[usize], devices: Vec<Device>) -> Self {
        let plan = plan(ends, "1f1b", 2, Recompute::None);
        let mut pipeline = subject.distribute(&plan, devices, showing_gradients());
        let steps = subject.train(&mut pipeline, 1..=2);
        let losses = steps.into_iter().map(|[loss, _]| loss).collect();
        Self { losses, gradients: of_kind(&tensors(&mut pipeline), "first") }
    }

    /// The same but for a part of the largest number of each.
    fn equals(&self, what: &str, expected: &Self, part: f32) {
        for (found, expected) in self.losses.iter().zip(&expected.losses) {
            let apart = (found - expected).abs();
            assert!(apart <= f64::from(part) * expected, "{what}: {found} is not {expected}");
        }
        let [found, wanted] = [&self.gradients, &expected.gradients];
        assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
        for (name, (_, wanted)) in wanted {
            let most = wanted.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            assert_close(&format!("{what}: {name}"), &found[name].1, wanted, 0.0, part * most);
        }
    }
}

/// Of a file in blocks, its numbers as numbers and its blocks as they are give the same, whether the head has the
/// embedding's weights or its own.
#[test]
fn a_file_in_blocks_trains_as_its_numbers_do() {
    for (tied, element) in [(true, Element::Q8_0), (false, Element::Q4_0), (true, Element::Q4_1)] {
        let folder = tempfile::tempdir().unwrap();
        let open = || gguf(folder.path(), tied, element);
        let lora = lora(BlockFormat::Q8_0, None);
        let of = |model| subject(model, VOCABULARY);
        let (expected, packed) = (of(numbers(open(), &lora)), of(numbers(open(), &lora).packed()));
        let layers = expected.layers();
        let expected_run = Observed::of(&expected, &[layers], cpus(1));
        for ends in [vec![layers], vec![2, layers]] {
            let found = Observed::of(&packed, &ends, cpus(ends.len()));
            found.equals(&format!("{} {ends:?}", element.name()), &expected_run, 1e-5);
        }
        // All matrices weigh their blocks.
        let [numbers, blocks] = [&expected, &packed].map(|subject| subject.costs(ROWS).layers);
        assert!(numbers.iter().all(|layer| layer.frozen_as.is_empty()));
        assert!(blocks.iter().all(|layer| layer.frozen_as == [element.name()]), "{blocks:?}");
        let [numbers, blocks] = [numbers, blocks]
            .map(|layers| layers.iter().map(|layer| layer.frozen_bytes).sum::<u64>());
        let gains = 4 * 5 * 32;
        assert_eq!(
            (numbers - gains) * element.block_bytes(),
            (blocks - gains) * 4 * element.block_numbers(),
            "{}",
            element.name()
        );
    }
}

#[test]
fn a_packed_model_with_tied_ends_over_any_split_equals_one_device() {
    let folder = tempfile::tempdir().unwrap();
    let pretrained = gguf(folder.path(), true, Element::Q8_0);
    let model = numbers(pretrained, &lora(BlockFormat::Q8_0, None)).packed();
    let (embed, paths) = held(&model, 0);
    let mut expected = stored(model.pretrained(), "model.embed_tokens.weight");
    expected.resize(expected.len().next_multiple_of(4), 0);
    assert_eq!(embed, [(String::new(), expected)]);
    assert_eq!(paths, BTreeSet::from(["packed.blocks".to_owned()]));
    subject(model, VOCABULARY).equals_one_device(2);
}

#[test]
fn a_packed_model_on_the_cpu_and_every_adapter_equals_the_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let pretrained = gguf(folder.path(), true, Element::Q4_0);
    let subject = subject(numbers(pretrained, &lora(BlockFormat::Q8_0, None)).packed(), VOCABULARY);
    let layers = subject.layers();
    let expected = Observed::of(&subject, &[layers], cpus(1));
    for (words, info) in adapter::known() {
        for infos in [[&discover::cpu(), &info], [&info, &discover::cpu()]] {
            Observed::of(&subject, &[2, layers], with_all_kernels(&infos))
                .equals(words, &expected, 1e-4);
        }
    }
}

/// How the packed weights of a layer are held, as the model says it.
fn formats(model: &HfModel, layer: usize) -> String {
    let (packed, _) = held(model, layer);
    let said = packed
        .iter()
        .map(|(path, _)| model.held_as(layer, &format!("{path}packed.blocks")).unwrap());
    said.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

/// An encoder in the blocks of a GGUF file: those of its products and of the vectors of tokens as they lie, what is
/// left as numbers, and a head that trains. It computes what the same numbers outside blocks give.
#[test]
fn an_encoder_in_the_blocks_of_a_file_computes_with_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = (32, 2, encoder::VOCABULARY as u64, encoder::CONTEXT as u64);
    let files = random_files::bert(&folder.path().join("folder"), sizes);
    let file = folder.path().join("model.gguf");
    let mut values = |name: &str| files.values(name);
    files.write_gguf(&file, Element::Q8_0, &files.as_it_is(), &mut values).unwrap();
    let lora = lora(BlockFormat::Q4_0, None);
    let model = || {
        let model = encoder::of_classes(Pretrained::open(&file).unwrap(), 0.0);
        model.with_adapters(&lora).unwrap()
    };
    let packed = model().packed();
    let (embed, paths) = held(&packed, 0);
    let mut expected = stored(packed.pretrained(), "bert.embeddings.word_embeddings.weight");
    expected.resize(expected.len().next_multiple_of(4), 0);
    assert_eq!(embed, [(String::new(), expected)]);
    assert!(paths.contains("positions") && !paths.contains("tokens"), "{paths:?}");
    let (block, _) = held(&packed, 1);
    assert_eq!(block.len(), 6, "{block:?}");
    let head = held(&packed, 3).1;
    assert_eq!(head, ["classes.bias", "classes.weight"].map(str::to_owned).into());
    let exact = encoder::subject(model());
    let layers = exact.layers();
    let expected = Observed::of(&exact, &[layers], cpus(1));
    let subject = encoder::subject(packed);
    Observed::of(&subject, &[2, layers], cpus(2)).equals("an encoder", &expected, 1e-4);
    subject.equals_one_device_on_two_and_three("an encoder");
}

/// The head for masked tokens shares the blocks of the vectors of tokens.
#[test]
fn an_encoder_whose_ends_are_packed_finds_masked_tokens_on_any_split() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = (32, 2, VOCABULARY as u64, CONTEXT as u64);
    let files = Arc::new(random_files::bert(folder.path(), sizes));
    let task =
        EncoderTask { head: EncoderHead::Masked, dropout: 0.0, segments: false, types: false };
    let model = |ends| {
        let lora = lora(BlockFormat::Q8_0, ends);
        let model = HfModel::encoder(Arc::clone(&files), CONTEXT, task).unwrap();
        model.with_adapters(&lora).unwrap().packed()
    };
    assert!(held(&model(None), 0).1.contains("tokens"));
    let packed = model(Some(BlockFormat::Q8_0));
    for layer in [0, 3] {
        let (blocks, paths) = held(&packed, layer);
        let of_tokens = blocks.iter().find(|(path, _)| path.is_empty()).unwrap();
        assert_eq!(of_tokens.1.len(), VOCABULARY * 34, "{paths:?}");
    }
    let loss = |model: HfModel| {
        let subject = subject(model, VOCABULARY);
        let mut pipeline = subject.on_cpus(&whole(subject.layers(), 2));
        subject.train(&mut pipeline, 1..=2)[1][0]
    };
    let (found, expected) = (loss(model(Some(BlockFormat::Q8_0))), loss(model(None)));
    assert!((found - expected).abs() < 0.02 * expected, "{found} {expected}");
    subject(packed, VOCABULARY).equals_one_device_on_two_and_three("masked tokens");
}

/// Numbers of files stay numbers outside blocks, unless they are asked to be packed.
#[test]
fn ends_are_packed_where_a_run_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let of = |tied: bool, ends| {
        let folder = folder.path().join(tied.to_string());
        numbers(llama(&folder, tied), &lora(BlockFormat::Q4_1, ends)).packed()
    };
    for tied in [true, false] {
        let model = of(tied, None);
        assert!(held(&model, 0).1.contains("tokens") && held(&model, 3).1.contains("weight"));
        assert_eq!(model.held_as(3, "weight"), None);
        let model = of(tied, Some(BlockFormat::Q8_0));
        let formats = [0, 1, 3].map(|layer| formats(&model, layer));
        assert_eq!(formats, ["q8_0", "q4_1", "q8_0"]);
        for layer in [0, 3] {
            let (packed, paths) = held(&model, layer);
            assert_eq!(packed[0].1.len(), VOCABULARY * 34, "{paths:?}");
            assert!(!paths.contains("tokens") && !paths.contains("weight"), "{paths:?}");
        }
        let subject = subject(model, VOCABULARY);
        let layers = subject.layers();
        let mut pipeline =
            subject.distribute(&plan(&[1, layers], "1f1b", 2, Recompute::None), cpus(2), options());
        let losses = subject.train(&mut pipeline, 1..=2);
        assert!(losses.iter().all(|[loss, _]| loss.is_finite()), "{losses:?}");
    }
}
