//! A linear layer.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, Wgpu};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, LinearLayout};
use burn::tensor::{DType, Device, Shape, Tensor};
use trainyard_engine::kernels::{Kernel, portable_kernels, uses};
use trainyard_engine::sixteen_bits;

use crate::fused;
use crate::sixteen::{InSixteenBits, in_32_bits};
use crate::weighted::{Weighted, apply, apply_on};

/// [`burn::nn::LinearConfig`].
#[derive(Config, Debug)]
pub struct LinearConfig {
    /// Numbers that come in.
    pub d_input: usize,
    /// Numbers that go out.
    pub d_output: usize,
    /// Whether there is a bias.
    #[config(default = true)]
    pub bias: bool,
    /// How the weights begin.
    #[config(
        default = "Initializer::KaimingUniform { gain: 1.0 / 3.0_f64.sqrt(), fan_out_only: false }"
    )]
    pub initializer: Initializer,
    /// The layout in which the weight is stored.
    #[config(default = "LinearLayout::Row")]
    pub layout: LinearLayout,
}

impl LinearConfig {
    /// Makes the layer.
    pub fn init(&self, device: &Device) -> Linear {
        let Self { d_input, d_output, bias, ref initializer, layout } = *self;
        let burns = burn::nn::LinearConfig::new(d_input, d_output)
            .with_bias(bias)
            .with_initializer(initializer.clone())
            .with_layout(layout)
            .init(device);
        Linear { weight: burns.weight, bias: burns.bias }
    }
}

/// [`burn::nn::Linear`], `x·W (+ b)` on the last dimension, with a weight gradient that can wait.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[d_input, d_output]`
    pub weight: Param<Tensor<2>>,
    /// `[d_output]`
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// `[…, d_input]` to `[…, d_output]`
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        linear(input, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}

/// `[…, inputs]` to `[…, outputs]`, with a weight `[inputs, outputs]`.
pub(crate) fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    run(false, &x, &weight, bias.as_ref())
        .unwrap_or_else(|| burn::tensor::module::linear(in_32_bits(x), weight, bias))
}

/// `[…, inputs]` to `[…, outputs]`, with a weight `[outputs, inputs]`.
pub(crate) fn linear_turned<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    run(true, &x, &weight, bias.as_ref())
        .unwrap_or_else(|| burn::tensor::module::linear(in_32_bits(x), weight.transpose(), bias))
}

/// None on a backend that is not one of the engine's, and for shapes that Burn's own function brings
/// into order or refuses.
fn run<const D: usize>(
    turned: bool,
    x: &Tensor<D>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
) -> Option<Tensor<D>> {
    let inputs = weight.dims()[usize::from(turned)];
    if D == 1 || x.dims().last() != Some(&inputs) {
        return None;
    }
    let is_f32 = |dtype| dtype == DType::F32;
    let are_f32 =
        is_f32(x.dtype()) && is_f32(weight.dtype()) && bias.is_none_or(|bias| is_f32(bias.dtype()));
    let linear = fused::Linear { turned };
    if let Some(dtype) = sixteen_bits() {
        let linear = InSixteenBits { operation: linear, dtype };
        let on_cpu = || apply_on::<Flex, _, D, 2>(&linear, x, weight, bias);
        let fused = (!portable_kernels()).then(on_cpu).flatten();
        return fused.or_else(|| apply(&Portable { turned }, x, weight, bias));
    }
    let on_cpu = || apply_on::<Flex, _, D, 2>(&linear, x, weight, bias);
    let fused = (are_f32 && !portable_kernels()).then(on_cpu).flatten();
    let has_elements = !x.dims().contains(&0) && !weight.dims().contains(&0);
    let on_gpu = || {
        let wanted = are_f32 && has_elements && uses(Kernel::Linear);
        wanted.then(|| apply_on::<Wgpu, _, D, 2>(&linear, x, weight, bias)).flatten()
    };
    let fused = fused.or_else(on_gpu);
    fused.or_else(|| apply(&Portable { turned }, x, weight, bias))
}

/// By Burn's own kernels, on any backend.
#[derive(Clone, Debug)]
struct Portable {
    turned: bool,
}

impl Portable {
    /// The weight as `[inputs, outputs]`.
    fn weight<B: Backend>(&self, weight: &FloatTensor<B>) -> FloatTensor<B> {
        let weight = weight.clone();
        if self.turned { B::float_swap_dims(weight, 0, 1) } else { weight }
    }
}

impl<B: Backend> Weighted<B> for Portable {
    fn forward(
        &self,
        x: &FloatTensor<B>,
        weight: &FloatTensor<B>,
        bias: Option<&FloatTensor<B>>,
    ) -> FloatTensor<B> {
        B::linear(x.clone(), self.weight::<B>(weight), bias.cloned())
    }

    fn input_gradient(
        &self,
        _shape: Shape,
        weight: &FloatTensor<B>,
        gradient: &FloatTensor<B>,
    ) -> FloatTensor<B> {
        B::linear_x_backward(self.weight::<B>(weight), gradient.clone())
    }

    fn weight_gradient(
        &self,
        x: FloatTensor<B>,
        _weight: FloatTensor<B>,
        gradient: FloatTensor<B>,
    ) -> FloatTensor<B> {
        // `xᵀ·∂`, or its transpose.
        let (left, right) = if self.turned { (gradient, x) } else { (x, gradient) };
        B::linear_weight_backward(left, right)
    }

    fn bias_gradient(
        &self,
        _x: FloatTensor<B>,
        _bias: FloatTensor<B>,
        gradient: FloatTensor<B>,
    ) -> FloatTensor<B> {
        B::linear_bias_backward(gradient)
    }
}
