//! Types of numbers that do not go together are refused before anything is trained.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, FloatDType, Tensor};
use trainyard_engine::{
    AdamW, DeriveSettings, GroupedOptimizer, Layers, MeanSquaredError, Model, derive_profile,
};

use crate::partitions::{ROWS, random};
use trainyard_engine::MicroBatch;

const WIDTH: usize = 6;

fn linear(device: &Device) -> Linear {
    LinearConfig::new(WIDTH, WIDTH).init(device)
}

/// Why a model is not even derived.
fn refusal(model: &dyn Model) -> String {
    let [features, targets] = [0, 1].map(|kind| random([ROWS, WIDTH], &[kind]));
    let sample = MicroBatch::new(ROWS).with("features", features).with("targets", targets);
    let optimizer: GroupedOptimizer = AdamW::default().into();
    let settings = DeriveSettings { seed: 1, optimizer: &optimizer, portable: true };
    let derived = derive_profile(model, &MeanSquaredError, &sample, &settings, &|_, _| {});
    derived.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_layer_that_gives_sixteen_bits_is_refused() {
    let model = Layers::new("halves", "features")
        .layer("plain", linear, |linear: &Linear, x: Tensor<2>| linear.forward(x))
        .layer("half", linear, |linear: &Linear, x: Tensor<2>| {
            linear.forward(x).cast(FloatDType::F16)
        });
    let says = refusal(&model);
    assert!(says.contains("half") && says.contains("32-bit floats as 'x'"), "{says}");
}

#[test]
fn a_layer_that_mixes_types_is_refused() {
    let model =
        Layers::new("mixed", "features").layer("mixes", linear, |linear: &Linear, x: Tensor<2>| {
            linear.forward(x.clone()) + x.cast(FloatDType::F16)
        });
    let says = refusal(&model);
    assert!(says.contains("mixes"), "{says}");
}

#[derive(Module, Debug)]
struct Half {
    weight: Param<Tensor<2>>,
}

#[test]
fn a_weight_in_sixteen_bits_is_refused() {
    let half = |device: &Device| {
        let weight = Tensor::<2>::ones([WIDTH, WIDTH], &device.clone().autodiff());
        Half { weight: Param::from_tensor(weight.cast(FloatDType::F16).detach()) }
    };
    let model = Layers::new("half", "features").layer("half", half, |half: &Half, x: Tensor<2>| {
        x.matmul(half.weight.val().cast(FloatDType::F32))
    });
    let says = refusal(&model);
    assert!(says.contains("weight 'weight' is F16"), "{says}");
}

#[test]
fn a_layer_that_computes_in_sixteen_bits_and_gives_32_is_trained() {
    let model = Layers::new("within", "features").layer(
        "within",
        linear,
        |linear: &Linear, x: Tensor<2>| {
            let half = FloatDType::F16;
            let product = x.cast(half).matmul(linear.weight.val().cast(half));
            product.cast(FloatDType::F32)
        },
    );
    let [features, targets] = [0, 1].map(|kind| random([ROWS, WIDTH], &[kind]));
    let sample = MicroBatch::new(ROWS).with("features", features).with("targets", targets);
    let optimizer: GroupedOptimizer = AdamW::default().into();
    let settings = DeriveSettings { seed: 1, optimizer: &optimizer, portable: true };
    derive_profile(&model, &MeanSquaredError, &sample, &settings, &|_, _| {}).unwrap();
}
