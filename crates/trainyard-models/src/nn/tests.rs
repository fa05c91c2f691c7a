//! Every layer against Burn's own of the same weights.

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::conv as burns_conv;
use burn::nn::{PaddingConfig1d, PaddingConfig2d};
use burn::tensor::{DType, Device, Gradients, Int, Tensor, TensorData};

use super::linear::linear;
use super::*;

/// Output, gradient of the input where there is one, gradients of the weights in their order.
type Found = Vec<Vec<f32>>;

struct Taker<'a> {
    gradients: &'a mut Gradients,
    found: Found,
}

impl ModuleVisitor for Taker<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad_remove(self.gradients).expect("a gradient");
        assert_eq!(gradient.dims(), param.val().dims());
        self.found.push(read(gradient));
    }
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().unwrap()
}

fn some<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let number = |i: u64| (trainyard_engine::mix(&[seed, i]) >> 40) as f32 / (1 << 24) as f32 - 0.5;
    let values: Vec<f32> = (0..shape.iter().product::<usize>() as u64).map(number).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff())
}

fn run<M: Module, const D: usize, const E: usize>(
    module: &M,
    x: Option<&Tensor<D>>,
    forward: impl FnOnce() -> Tensor<E>,
) -> Found {
    let output = forward();
    let weights = some(output.dims(), 77);
    let mut gradients = (output.clone() * weights).sum().backward();
    let mut found = vec![read(output.inner())];
    found.extend(x.map(|x| read(x.grad_remove(&mut gradients).expect("a gradient"))));
    let mut taker = Taker { gradients: &mut gradients, found };
    module.visit(&mut taker);
    taker.found
}

fn assert_alike(ours: &Found, burns: &Found) {
    assert_eq!(ours.len(), burns.len());
    for (number, (ours, burns)) in ours.iter().zip(burns).enumerate() {
        assert_eq!(ours.len(), burns.len(), "number {number}");
        for (ours, burns) in ours.iter().zip(burns) {
            assert!(
                (ours - burns).abs() <= 1e-4 * burns.abs().max(1.0),
                "{number}: {ours} {burns}"
            );
        }
    }
}

fn device() -> Device {
    Device::flex().autodiff()
}

/// Both runs of a layer of ours and of Burn's with the same weights.
macro_rules! check {
    ($ours:expr, $burns:expr, $x:expr, [$($field:ident),*]) => {{
        let (ours, mut burns) = ($ours, $burns);
        $(burns.$field = ours.$field.clone();)*
        let x = $x.require_grad();
        let found = run(&ours, Some(&x), || ours.forward(x.clone()));
        let expected = run(&burns, Some(&x), || burns.forward(x.clone()));
        assert_alike(&found, &expected);
        // Without a graph the result is the same.
        assert_eq!(read(ours.valid().forward(x.clone().inner())), found[0]);
    }};
}

#[test]
fn a_linear_layer_is_burns() {
    let device = device();
    for (shape, outputs, bias) in [
        ([1, 1, 1], 1, false),
        ([2, 3, 5], 7, true),
        ([3, 43, 37], 65, false),
        ([2, 64, 128], 130, true),
    ] {
        let ours = LinearConfig::new(shape[2], outputs).with_bias(bias);
        let burns = burn::nn::LinearConfig::new(shape[2], outputs).with_bias(bias);
        let check =
            || check!(ours.init(&device), burns.init(&device), some(shape, 1), [weight, bias]);
        check();
        trainyard_engine::with_portable_kernels(check);
    }
}

#[test]
fn a_turned_weight_is_a_transposed_one() {
    let (x, weight) = (some([2, 3, 5], 1).require_grad(), some([7, 5], 2).require_grad());
    let gradients = |output: Tensor<3>| {
        let mut all = (output.clone() * some([2, 3, 7], 3)).sum().backward();
        let gradients = [x.grad_remove(&mut all).unwrap().flatten::<1>(0, 2), {
            weight.grad_remove(&mut all).unwrap().flatten(0, 1)
        }];
        let mut found = vec![read(output.inner())];
        found.extend(gradients.map(read));
        found
    };
    let transposed = gradients(linear(x.clone(), weight.clone().transpose(), None));
    assert_alike(&gradients(linear_turned(x.clone(), weight.clone(), None)), &transposed);
    trainyard_engine::with_portable_kernels(|| {
        assert_alike(&gradients(linear_turned(x.clone(), weight.clone(), None)), &transposed);
    });
}

#[test]
fn convolutions_are_burns() {
    let device = device();
    let ours = Conv1dConfig::new(4, 6, 3).with_groups(2).with_padding(PaddingConfig1d::Same);
    let burns =
        burns_conv::Conv1dConfig::new(4, 6, 3).with_groups(2).with_padding(PaddingConfig1d::Same);
    check!(ours.init(&device), burns.init(&device), some([2, 4, 9], 1), [weight, bias]);

    let ours = Conv2dConfig::new([3, 4], [3, 2]).with_stride([2, 1]).with_bias(false);
    let burns = burns_conv::Conv2dConfig::new([3, 4], [3, 2]).with_stride([2, 1]).with_bias(false);
    check!(ours.init(&device), burns.init(&device), some([2, 3, 8, 7], 1), [weight]);
    // More on one side than on the other.
    let padding = PaddingConfig2d::Explicit(0, 1, 2, 1);
    let ours = Conv2dConfig::new([3, 4], [3, 3]).with_padding(padding.clone());
    let burns = burns_conv::Conv2dConfig::new([3, 4], [3, 3]).with_padding(padding);
    check!(ours.init(&device), burns.init(&device), some([2, 3, 6, 6], 1), [weight, bias]);

    let ours = ConvTranspose2dConfig::new([3, 4], [3, 3]).with_stride([2, 2]).with_padding([1, 1]);
    let burns = burns_conv::ConvTranspose2dConfig::new([3, 4], [3, 3])
        .with_stride([2, 2])
        .with_padding([1, 1]);
    check!(ours.init(&device), burns.init(&device), some([2, 3, 5, 5], 1), [weight, bias]);
}

#[test]
fn norms_are_burns() {
    let device = device();
    for shape in [[1, 1, 1], [3, 43, 37], [2, 64, 128]] {
        let x = some(shape, 1);
        let ours = LayerNormConfig::new(shape[2]).with_epsilon(1e-3);
        // Its epsilon is private.
        let burns = burn::nn::LayerNormConfig::new(shape[2]).with_epsilon(1e-3);
        check!(ours.init(&device), burns.init(&device), x.clone(), [gamma, beta]);
        let (ours, burns) = (ours.with_bias(false), burns.with_bias(false));
        check!(ours.init(&device), burns.init(&device), x.clone(), [gamma]);
        let ours = RmsNormConfig::new(shape[2]).with_epsilon(1e-3);
        let burns = burn::nn::RmsNormConfig::new(shape[2]).with_epsilon(1e-3);
        let (ours, burns) = (ours.init(&device), burns.init(&device));
        check!(ours.clone(), burns.clone(), x.clone(), [gamma]);
        let x = x.require_grad();
        let portable = trainyard_engine::with_portable_kernels(|| {
            run(&ours, Some(&x), || ours.forward(x.clone()))
        });
        assert_alike(&portable, &run(&burns, Some(&x), || burns.forward(x.clone())));
    }
}

#[test]
fn a_gated_linear_unit_is_burns() {
    let device = device();
    for bias in [false, true] {
        let ours = SwiGluConfig::new(37, 65).with_bias(bias).init(&device);
        let mut burns = burn::nn::SwiGluConfig::new(37, 65).with_bias(bias).init(&device);
        let sides = [
            (&ours.linear_inner, &mut burns.linear_inner),
            (&ours.linear_outer, &mut burns.linear_outer),
        ];
        for (ours, burns) in sides {
            (burns.weight, burns.bias) = (ours.weight.clone(), ours.bias.clone());
        }
        let x = some([2, 43, 37], 1).require_grad();
        let found = run(&ours, Some(&x), || ours.forward(x.clone()));
        assert_alike(&found, &run(&burns, Some(&x), || burns.forward(x.clone())));
        assert_eq!(read(ours.valid().forward(x.clone().inner())), found[0]);
    }
}

#[test]
fn dropout_outside_a_pipeline_is_burns() {
    let (ours, x) = (DropoutConfig::new(0.5).init(), some([40, 50], 1));
    let burns = burn::nn::DropoutConfig::new(0.5).init();
    let seed = || Device::flex().seed(3);
    let (found, expected) =
        ((seed(), ours.forward(x.clone())).1, (seed(), burns.forward(x.clone())).1);
    assert_eq!(read(found), read(expected));
    // Neither without autodiff nor frozen.
    assert_eq!(read(ours.forward(x.clone().inner())), read(x.clone()));
    assert_eq!(read(ours.clone().freeze().forward(x.clone())), read(x));
    let text = format!("{ours:?}");
    assert_eq!(text, "Dropout(0.5, true)", "the engine takes modules by their text for Burn's");
}

#[test]
fn an_embedding_is_burns() {
    let ours = EmbeddingConfig::new(6, 3).init(&device());
    let mut burns = burn::nn::EmbeddingConfig::new(6, 3).init(&device());
    burns.weight = ours.weight.clone();
    for dtype in [DType::I64, DType::I32] {
        let rows = TensorData::new(vec![1_i64, 5, 1, 0, 2, 1], [2, 3]).convert_dtype(dtype);
        let rows = Tensor::<2, Int>::from_data(rows, (&Device::flex(), dtype));
        let found = run::<_, 3, 3>(&ours, None, || ours.forward(rows.clone()));
        assert_alike(&found, &run::<_, 3, 3>(&burns, None, || burns.forward(rows.clone())));
        assert_eq!(read(ours.valid().forward(rows)), found[0]);
    }
}

#[test]
fn weights_have_burns_names_and_begin_alike() {
    let names = |module: &str| {
        let fields = module.split(['{', ',']).filter_map(|piece| piece.split_once(':'));
        fields.map(|(name, _)| name.trim().to_owned()).collect::<Vec<_>>()
    };
    let device = Device::flex();
    device.seed(3);
    let ours = Conv2dConfig::new([2, 3], [3, 3]).init(&device);
    let ours_weight = read(ours.weight.val());
    device.seed(3);
    let burns = burns_conv::Conv2dConfig::new([2, 3], [3, 3]).init(&device);
    assert_eq!(ours_weight, read(burns.weight.val()));
    assert!(names(&format!("{ours:?}")).starts_with(&names(&format!("{burns:?}"))[..1]));
}

#[test]
fn other_shapes_are_what_burn_makes_of_them() {
    let device = device();
    let ours = LinearConfig::new(5, 3).init(&device);
    let mut burns = burn::nn::LinearConfig::new(5, 3).init(&device);
    (burns.weight, burns.bias) = (ours.weight.clone(), ours.bias.clone());
    // A row alone.
    let row = some([5], 1);
    let expected = read(burns.forward(row.clone()));
    assert_eq!(read(ours.forward(row.clone())), expected);
    trainyard_engine::with_portable_kernels(|| assert_eq!(read(ours.forward(row)), expected));
    // Rows and channels that do not fit are refused.
    let refused = |run: &dyn Fn()| {
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    };
    for width in [4, 8] {
        refused(&|| drop(ours.forward(some([2, width], 1))));
    }
    let norm = RmsNormConfig::new(4).init(&device);
    refused(&|| drop(norm.forward(some([2, 8], 1))));
    let norm = LayerNormConfig::new(4).init(&device);
    refused(&|| drop(norm.forward(some([2, 8], 1))));
    let conv = Conv2dConfig::new([4, 6], [1, 1]).with_groups(2).init(&device);
    refused(&|| drop(conv.forward(some([1, 2, 3, 3], 1))));
    let conv = ConvTranspose2dConfig::new([4, 6], [1, 1]).init(&device);
    refused(&|| drop(conv.forward(some([1, 3, 3, 3], 1))));
}
