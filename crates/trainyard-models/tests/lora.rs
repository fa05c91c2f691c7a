//! Adapters beside frozen weights: over any split what one device gives, nothing for what is frozen, and the
//! gradients that PEFT has.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::SafeTensors;
use trainyard_config::BlockFormat;
use trainyard_engine::memory::CountingAllocator;
use trainyard_engine::{Layers, MeanSquaredError, MicroBatch};
use trainyard_models::nn::{Linear, LinearConfig, Lora, LoraConfig, PackedWeight};
use trainyard_plan::{LayerProfile, Recompute};
use trainyard_pretrained::Element;

use common::adapted::{Adapted, adapted};
use common::partitions::{ROWS, Subject, assert_close, derived, of_kind, plan, tensors};
use common::{LAYERS, VOCABULARY, WIDTH, of_tokens};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn subject(dropout: f64, first: usize) -> Subject {
    let (width, vocabulary) = (WIDTH, VOCABULARY);
    let sizes = Adapted {
        width,
        blocks: LAYERS - 2,
        vocabulary,
        rank: 3,
        dropout,
        first,
        packing: None,
        packs_ends: false,
    };
    of_tokens(adapted(sizes))
}

#[test]
fn adapters_over_any_split_equal_one_device() {
    subject(0.0, 0).equals_one_device(2);
}

#[test]
fn adapters_with_dropout_over_any_split_equal_one_device() {
    subject(0.1, 0).equals_one_device(2);
}

#[test]
fn adapters_in_the_last_block_alone_over_any_split_equal_one_device() {
    subject(0.1, 1).equals_one_device(2);
}

/// Rows of whole blocks.
fn packed(packing: Option<BlockFormat>) -> Subject {
    let (width, vocabulary) = (2 * WIDTH, VOCABULARY);
    let (blocks, rank, dropout, first) = (LAYERS - 2, 3, 0.0, 0);
    of_tokens(adapted(Adapted {
        width,
        blocks,
        vocabulary,
        rank,
        dropout,
        first,
        packing,
        packs_ends: false,
    }))
}

#[test]
fn adapters_beside_packed_weights_over_any_split_equal_one_device() {
    packed(Some(BlockFormat::Q4_1)).equals_one_device(2);
}

#[test]
fn packed_weights_weigh_their_blocks_and_learn_as_numbers_do() {
    let losses = |packing| {
        let subject = packed(packing);
        let costs = subject.costs(ROWS);
        let mut pipeline = subject.on_cpus(&plan(&[LAYERS], "1f1b", 2, Recompute::None));
        let losses = subject.train(&mut pipeline, 1..=20);
        (costs.layers[1].frozen_bytes, [losses[0][0], losses[19][0]])
    };
    let (numbers, expected) = losses(None);
    let norm = 4 * 2 * WIDTH as u64;
    for (packing, bytes, apart) in
        [(BlockFormat::Q8_0, 34, 0.01), (BlockFormat::Q4_1, 20, 0.1), (BlockFormat::Q4_0, 18, 0.1)]
    {
        let (frozen, found) = losses(Some(packing));
        assert_eq!((frozen - norm) * 128, (numbers - norm) * bytes, "{packing:?}");
        let is_near = (found[0] - expected[0]).abs() < apart * expected[0];
        let learns = found[1] < 0.75 * found[0];
        assert!(is_near && learns, "{packing:?}: {found:?}, with numbers {expected:?}");
        eprintln!("{packing:?}: {found:?} after 1 and 20 steps, with numbers {expected:?}");
    }
}

/// A product of blocks is that of the numbers that they hold, forward and back.
#[test]
fn a_product_with_blocks_is_one_with_their_numbers() {
    let device = Device::flex().autodiff();
    // Two tiles and a part, and rows whose blocks begin in the middle of four bytes.
    let (rows, outputs, inputs) = (5, 300, 96);
    let some = |count: usize, seed: usize| -> Vec<f32> {
        (0..count).map(|i| ((i * 37 + seed * 11) % 101) as f32 / 50.0 - 1.0).collect()
    };
    for format in [BlockFormat::Q8_0, BlockFormat::Q4_0, BlockFormat::Q4_1] {
        let numbers = some(outputs * inputs, 1);
        let packed =
            PackedWeight::of_numbers(format, [outputs, inputs], &numbers, &device).unwrap();
        // What they hold, by a product with the identity.
        let identity = Tensor::<2>::eye(inputs, &device);
        let held = packed.linear(identity);
        let x = TensorData::new(some(rows * inputs, 2), [rows, inputs]);
        let g = Tensor::<2>::from_data(
            TensorData::new(some(rows * outputs, 3), [rows, outputs]),
            &device,
        );
        let run = |product: &dyn Fn(Tensor<2>) -> Tensor<2>| {
            let x = Tensor::<2>::from_data(x.clone(), &device).require_grad();
            let y = product(x.clone());
            let mut gradients = (y.clone() * g.clone()).sum().backward();
            let of_x = x.grad_remove(&mut gradients).unwrap();
            [y.inner(), of_x].map(|it| it.into_data().try_to_vec::<f32>().unwrap())
        };
        let found = run(&|x| packed.linear(x));
        let expected = run(&|x| x.matmul(held.clone().detach()));
        for (what, (found, expected)) in ["y", "∂x"].iter().zip(found.iter().zip(&expected)) {
            assert_close(&format!("{format:?} {what}"), found, expected, 1e-5, 1e-4);
        }
        let apart = held.transpose().into_data().try_to_vec::<f32>().unwrap();
        assert_close("held", &apart, &numbers, 0.0, 0.15);
    }
    assert!(PackedWeight::of_blocks(Element::Q8_0, [2, 32], &[0; 67], &device).is_none());
    assert!(PackedWeight::of_numbers(BlockFormat::Q8_0, [1, 33], &[0.0; 33], &device).is_none());
}

#[test]
fn adapters_alone_are_trained_and_saved() {
    let subject = subject(0.0, 0);
    let mut pipeline = subject.on_cpus(&plan(&[1, LAYERS], "zb-h1", 2, Recompute::None));
    let before = tensors(&mut pipeline);
    let losses = subject.train(&mut pipeline, 1..=20);
    assert!(losses[19][0] < losses[0][0], "{losses:?}");
    let after = tensors(&mut pipeline);
    let names: Vec<String> = of_kind(&after, "weight").into_keys().collect();
    let of_block = |block: usize| {
        ["down", "gate", "up"].into_iter().flat_map(move |part| {
            ["a", "b"].map(|weight| format!("block{block}/{part}.lora.{weight}"))
        })
    };
    assert_eq!(names, (0..2).flat_map(of_block).collect::<Vec<_>>());
    for name in &names {
        let name = name.replacen('/', "/weight/", 1);
        // B begins at 0, and so A has no gradient in the first step.
        assert_eq!(before[&name].1.iter().all(|value| *value == 0.0), name.contains("lora.b"));
        assert_ne!(before[&name], after[&name], "{name}");
    }
}

#[test]
fn adapters_begin_as_nothing() {
    let device = Device::flex().autodiff();
    let lora = LoraConfig::new(5, 7).with_rank(2).init(&device);
    let x = Tensor::<2>::ones([3, 5], &device);
    assert_eq!(lora.forward(x).into_data(), Tensor::<2>::zeros([3, 7], &device).into_data());
    let bound = 1.0 / 5.0_f32.sqrt();
    let a: Vec<f32> = lora.a.val().into_data().try_to_vec().unwrap();
    let is_drawn = a.iter().all(|value| value.abs() <= bound) && a.iter().any(|it| *it != 0.0);
    assert!(is_drawn, "{a:?}");
    assert!((lora.scale() - 16.0).abs() < 1e-12);
}

/// What a layer of two products keeps of one micro-batch, with the second frozen or not.
fn saved(trains: bool) -> LayerProfile {
    const WIDE: usize = 64;
    let linear = |device: &Device| LinearConfig::new(WIDE, WIDE).with_bias(false).init(device);
    let two = move |device: &Device| {
        let second = linear(device);
        vec![linear(device), if trains { second } else { second.no_grad() }]
    };
    let model =
        Layers::new("two", "features").layer("two", two, |two: &Vec<Linear>, x: Tensor<2>| {
            two.iter().fold(x, |x, linear| linear.forward(x))
        });
    let rows = TensorData::new(vec![0.5_f32; 256 * WIDE], [256, WIDE]);
    let batch = MicroBatch::new(256).with("features", rows.clone()).with("targets", rows);
    derived(&model, &MeanSquaredError, &batch).layers.remove(0)
}

#[test]
fn a_frozen_linear_layer_keeps_no_input_and_has_no_weight_gradient() {
    let (trained, frozen) = (saved(true), saved(false));
    let between = 4 * 256 * 64;
    assert!(trained.saved_bytes >= between + frozen.saved_bytes, "{trained:?}, {frozen:?}");
    // The first keeps its input and the gradient of its output.
    assert!(trained.weight_saved_bytes >= Some(between + frozen.weight_saved_bytes.unwrap()));
    let weight = 4 * 64 * 64;
    assert_eq!((frozen.param_bytes, frozen.frozen_bytes), (weight, weight));
}

/// Two linear layers with adapters, as `scripts/peft-fixture.py` has them made by PEFT.
struct Peft<'a>(SafeTensors<'a>);

impl Peft<'_> {
    fn values(&self, name: &str) -> Vec<f32> {
        let view = self.0.tensor(name).unwrap();
        let (numbers, _) = view.data().as_chunks::<4>();
        numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let shape = self.0.tensor(name).unwrap().shape().to_vec();
        Tensor::from_data(TensorData::new(self.values(name), shape), device)
    }

    /// A frozen layer, of which PyTorch has the weight as `[outputs, inputs]`, and its adapter.
    fn part(&self, name: &str, device: &Device) -> (Linear, Lora) {
        let weight: Tensor<2> = self.tensor(&format!("{name}.weight"), device);
        let [outputs, inputs] = weight.dims();
        let has_bias = self.0.tensor(&format!("{name}.bias")).is_ok();
        let bias = has_bias.then(|| self.tensor::<1>(&format!("{name}.bias"), device));
        let base = Linear {
            weight: Param::from_tensor(weight.transpose()),
            bias: bias.map(Param::from_tensor),
        };
        let mut lora = LoraConfig::new(inputs, outputs).with_rank(3).with_alpha(5.0).init(device);
        lora.a = Param::from_tensor(self.tensor(&format!("{name}.a"), device));
        lora.b = Param::from_tensor(self.tensor(&format!("{name}.b"), device));
        (base.no_grad(), lora)
    }
}

#[test]
fn outputs_and_gradients_are_those_of_peft() {
    let bytes = std::fs::read("tests/fixtures/peft.safetensors").unwrap();
    let peft = Peft(SafeTensors::deserialize(&bytes).unwrap());
    let device = Device::flex().autodiff();
    let [up, down] = ["up", "down"].map(|name| peft.part(name, &device));
    let x = peft.tensor::<3>("x", &device).require_grad();
    let run =
        |(base, lora): &(Linear, Lora), x: Tensor<3>| base.forward(x.clone()) + lora.forward(x);
    let y = run(&down, run(&up, x.clone()).tanh());
    let read = |tensor: Tensor<3>| tensor.into_data().try_to_vec::<f32>().unwrap();
    assert_close("y", &read(y.clone()), &peft.values("y"), 1e-5, 1e-5);
    let mut gradients = (y * peft.tensor::<3>("g", &device)).sum().backward();
    let of_x = read(x.grad_remove(&mut gradients).unwrap());
    assert_close("x", &of_x, &peft.values("x.grad"), 1e-5, 1e-5);
    for (name, (base, lora)) in [("up", &up), ("down", &down)] {
        assert!(base.weight.val().grad_remove(&mut gradients).is_none(), "{name}");
        for (letter, weight) in [("a", &lora.a), ("b", &lora.b)] {
            let found = weight.val().grad_remove(&mut gradients).unwrap();
            let found = found.into_data().try_to_vec::<f32>().unwrap();
            let place = format!("{name}.{letter}.grad");
            assert_close(&place, &found, &peft.values(&place), 1e-5, 1e-5);
        }
    }
}
