//! Convolutions, as Burn's `nn` has them.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, PaddingConfig1d, PaddingConfig2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor, module};

use super::convolution_gradients::{Convolution1, Convolution2, Transposed2};
use crate::weighted::apply;

/// [`burn::nn::conv::Conv1dConfig`].
#[derive(Config, Debug)]
pub struct Conv1dConfig {
    /// Channels that come in.
    pub channels_in: usize,
    /// Channels that go out.
    pub channels_out: usize,
    /// The size of the kernel.
    pub kernel_size: usize,
    /// The stride.
    #[config(default = "1")]
    pub stride: usize,
    /// Distance between the kernel's elements.
    #[config(default = "1")]
    pub dilation: usize,
    /// Groups of channels that are convolved each by itself.
    #[config(default = "1")]
    pub groups: usize,
    /// What is added around the input.
    #[config(default = "PaddingConfig1d::Valid")]
    pub padding: PaddingConfig1d,
    /// Whether there is a bias.
    #[config(default = true)]
    pub bias: bool,
    /// How the weights begin.
    #[config(
        default = "Initializer::KaimingUniform { gain: 1.0 / 3.0_f64.sqrt(), fan_out_only: false }"
    )]
    pub initializer: Initializer,
}

impl Conv1dConfig {
    /// Makes the layer.
    ///
    /// # Panics
    /// As Burn's does, for channels that the groups do not divide.
    pub fn init(&self, device: &Device) -> Conv1d {
        let burns = burn::nn::conv::Conv1dConfig::new(
            self.channels_in,
            self.channels_out,
            self.kernel_size,
        )
        .with_stride(self.stride)
        .with_dilation(self.dilation)
        .with_groups(self.groups)
        .with_padding(self.padding.clone())
        .with_bias(self.bias)
        .with_initializer(self.initializer.clone())
        .init(device);
        Conv1d {
            weight: burns.weight,
            bias: burns.bias,
            stride: self.stride,
            kernel_size: self.kernel_size,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding.clone(),
        }
    }
}

/// [`burn::nn::conv::Conv1d`], with a weight gradient that can wait.
#[derive(Module, Debug)]
pub struct Conv1d {
    /// `[channels_out, channels_in / groups, kernel_size]`
    pub weight: Param<Tensor<3>>,
    /// `[channels_out]`
    pub bias: Option<Param<Tensor<1>>>,
    /// The stride.
    pub stride: usize,
    /// The size of the kernel.
    pub kernel_size: usize,
    /// Distance between the kernel's elements.
    pub dilation: usize,
    /// Groups of channels that are convolved each by itself.
    pub groups: usize,
    /// What is added around the input.
    #[module(skip)]
    pub padding: PaddingConfig1d,
}

impl Conv1d {
    /// `[batch, channels_in, length_in]` to `[batch, channels_out, length_out]`
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let [_, _, length] = input.dims();
        let padding = match self.padding {
            PaddingConfig1d::Valid => (0, 0),
            PaddingConfig1d::Same => same_padding(length, self.kernel_size, self.stride),
            PaddingConfig1d::Explicit(left, right) => (left, right),
        };
        let options =
            ConvOptions::new_with_padding([self.stride], [padding], [self.dilation], self.groups);
        let (weight, bias) = (self.weight.val(), self.bias.as_ref().map(Param::val));
        // Burn says what is wrong with other channels.
        let fits = input.dims()[1] == weight.dims()[1] * self.groups;
        let split = || apply(&Convolution1(options.clone()), &input, &weight, bias.as_ref());
        fits.then(split).flatten().unwrap_or_else(|| module::conv1d(input, weight, bias, options))
    }
}

/// [`burn::nn::conv::Conv2dConfig`].
#[derive(Config, Debug)]
pub struct Conv2dConfig {
    /// Channels that come in and that go out.
    pub channels: [usize; 2],
    /// The size of the kernel.
    pub kernel_size: [usize; 2],
    /// The stride.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// Distance between the kernel's elements.
    #[config(default = "[1, 1]")]
    pub dilation: [usize; 2],
    /// Groups of channels that are convolved each by itself.
    #[config(default = "1")]
    pub groups: usize,
    /// What is added around the input.
    #[config(default = "PaddingConfig2d::Valid")]
    pub padding: PaddingConfig2d,
    /// Whether there is a bias.
    #[config(default = true)]
    pub bias: bool,
    /// How the weights begin.
    #[config(
        default = "Initializer::KaimingUniform { gain: 1.0 / 3.0_f64.sqrt(), fan_out_only: false }"
    )]
    pub initializer: Initializer,
}

impl Conv2dConfig {
    /// Makes the layer.
    ///
    /// # Panics
    /// As Burn's does, for channels that the groups do not divide.
    pub fn init(&self, device: &Device) -> Conv2d {
        let burns = burn::nn::conv::Conv2dConfig::new(self.channels, self.kernel_size)
            .with_stride(self.stride)
            .with_dilation(self.dilation)
            .with_groups(self.groups)
            .with_padding(self.padding.clone())
            .with_bias(self.bias)
            .with_initializer(self.initializer.clone())
            .init(device);
        Conv2d {
            weight: burns.weight,
            bias: burns.bias,
            stride: self.stride,
            kernel_size: self.kernel_size,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding.clone(),
        }
    }
}

/// [`burn::nn::conv::Conv2d`], with a weight gradient that can wait.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[channels_out, channels_in / groups, kernel_height, kernel_width]`
    pub weight: Param<Tensor<4>>,
    /// `[channels_out]`
    pub bias: Option<Param<Tensor<1>>>,
    /// The stride.
    pub stride: [usize; 2],
    /// The size of the kernel.
    pub kernel_size: [usize; 2],
    /// Distance between the kernel's elements.
    pub dilation: [usize; 2],
    /// Groups of channels that are convolved each by itself.
    pub groups: usize,
    /// What is added around the input.
    #[module(skip)]
    pub padding: PaddingConfig2d,
}

impl Conv2d {
    /// `[batch, channels_in, height_in, width_in]` to `[batch, channels_out, height_out, width_out]`
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = input.dims();
        let (kernel, stride) = (self.kernel_size, self.stride);
        let (rows, columns) = match self.padding {
            PaddingConfig2d::Valid => ((0, 0), (0, 0)),
            PaddingConfig2d::Same => (
                same_padding(height, kernel[0], stride[0]),
                same_padding(width, kernel[1], stride[1]),
            ),
            PaddingConfig2d::Explicit(top, left, bottom, right) => ((top, bottom), (left, right)),
        };
        let options =
            ConvOptions::new_with_padding(self.stride, [rows, columns], self.dilation, self.groups);
        let (weight, bias) = (self.weight.val(), self.bias.as_ref().map(Param::val));
        let fits = input.dims()[1] == weight.dims()[1] * self.groups;
        let split = || apply(&Convolution2(options.clone()), &input, &weight, bias.as_ref());
        fits.then(split).flatten().unwrap_or_else(|| module::conv2d(input, weight, bias, options))
    }
}

/// [`burn::nn::conv::ConvTranspose2dConfig`].
#[derive(Config, Debug)]
pub struct ConvTranspose2dConfig {
    /// Channels that come in and that go out.
    pub channels: [usize; 2],
    /// The size of the kernel.
    pub kernel_size: [usize; 2],
    /// The stride.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// Distance between the kernel's elements.
    #[config(default = "[1, 1]")]
    pub dilation: [usize; 2],
    /// Groups of channels that are convolved each by itself.
    #[config(default = "1")]
    pub groups: usize,
    /// What is taken off around the output.
    #[config(default = "[0, 0]")]
    pub padding: [usize; 2],
    /// What is added to the output's end.
    #[config(default = "[0, 0]")]
    pub padding_out: [usize; 2],
    /// Whether there is a bias.
    #[config(default = true)]
    pub bias: bool,
    /// How the weights begin.
    #[config(
        default = "Initializer::KaimingUniform { gain: 1.0 / 3.0_f64.sqrt(), fan_out_only: false }"
    )]
    pub initializer: Initializer,
}

impl ConvTranspose2dConfig {
    /// Makes the layer.
    ///
    /// # Panics
    /// As Burn's does, for channels that the groups do not divide.
    pub fn init(&self, device: &Device) -> ConvTranspose2d {
        let burns = burn::nn::conv::ConvTranspose2dConfig::new(self.channels, self.kernel_size)
            .with_stride(self.stride)
            .with_dilation(self.dilation)
            .with_groups(self.groups)
            .with_padding(self.padding)
            .with_padding_out(self.padding_out)
            .with_bias(self.bias)
            .with_initializer(self.initializer.clone())
            .init(device);
        ConvTranspose2d {
            weight: burns.weight,
            bias: burns.bias,
            stride: self.stride,
            kernel_size: self.kernel_size,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding,
            padding_out: self.padding_out,
            channels: self.channels,
        }
    }
}

/// [`burn::nn::conv::ConvTranspose2d`], with a weight gradient that can wait.
#[derive(Module, Debug)]
pub struct ConvTranspose2d {
    /// `[channels_in, channels_out / groups, kernel_height, kernel_width]`
    pub weight: Param<Tensor<4>>,
    /// `[channels_out]`
    pub bias: Option<Param<Tensor<1>>>,
    /// The stride.
    pub stride: [usize; 2],
    /// The size of the kernel.
    pub kernel_size: [usize; 2],
    /// Distance between the kernel's elements.
    pub dilation: [usize; 2],
    /// Groups of channels that are convolved each by itself.
    pub groups: usize,
    /// What is taken off around the output.
    pub padding: [usize; 2],
    /// What is added to the output's end.
    pub padding_out: [usize; 2],
    /// Channels that come in and that go out.
    pub channels: [usize; 2],
}

impl ConvTranspose2d {
    /// `[batch, channels_in, height_in, width_in]` to `[batch, channels_out, height_out, width_out]`
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let options = ConvTransposeOptions::new(
            self.stride,
            self.padding,
            self.padding_out,
            self.dilation,
            self.groups,
        );
        let (weight, bias) = (self.weight.val(), self.bias.as_ref().map(Param::val));
        let fits = input.dims()[1] == weight.dims()[0];
        let split = || apply(&Transposed2(options.clone()), &input, &weight, bias.as_ref());
        fits.then(split)
            .flatten()
            .unwrap_or_else(|| module::conv_transpose2d(input, weight, bias, options))
    }
}

/// What is added before and after so that the output is as large as the input, or the input divided by the
/// stride; of an odd number the larger part comes after, as in ONNX.
fn same_padding(size: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let steps = size.div_ceil(stride).saturating_sub(1);
    let padding = if size > 0 { (steps * stride + kernel).saturating_sub(size) } else { 0 };
    (padding / 2, padding.div_ceil(2))
}
