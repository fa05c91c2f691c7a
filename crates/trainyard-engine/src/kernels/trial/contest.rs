//! What the kernels of a trial are given, and how what they give is compared.

use burn::backend::ops::FloatTensorOps;
use burn::backend::{TensorMetadata, Wgpu};
use burn::tensor::{Device as BurnDevice, Gradients, Tensor, TensorData};

use crate::EngineError;
use crate::kernels::{Fit, GpuTensor};

/// How far a kernel's numbers may be from Burn's, beside the largest of them.
const TOLERANCE: f32 = 1e-3;

/// Sizes at which a device has something to do.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) context: usize,
    pub(super) heads: usize,
    pub(super) width: usize,
}

impl Sizes {
    pub(super) fn of(fit: Fit) -> Self {
        if fit.is_software {
            Self { batch: 2, context: 64, heads: 4, width: 128 }
        } else {
            Self { batch: 8, context: 256, heads: 8, width: 512 }
        }
    }

    pub(super) fn rows(self) -> usize {
        self.batch * self.context
    }
}

/// Where kernels are tried.
pub(super) struct Contest {
    pub(super) device: BurnDevice,
    pub(super) sizes: Sizes,
}

/// What a run gives: values and gradients, each flat.
pub(super) type Numbers = Vec<Tensor<1>>;
/// Computes it, as often as it is called.
pub(super) type Run<'a> = Box<dyn Fn() -> Result<Numbers, EngineError> + 'a>;

impl Contest {
    /// Numbers between −1 and 1 that look random.
    pub(super) fn numbers<const D: usize>(&self, shape: [usize; D], salt: u32) -> Tensor<D> {
        let number = |at: u32| {
            let mixed = (at ^ salt.wrapping_mul(0x9E37_79B9)).wrapping_mul(0x85EB_CA6B);
            let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xC2B2_AE35);
            (mixed >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let count = shape.iter().product::<usize>() as u32;
        let values: Vec<f32> = (0..count).map(number).collect();
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }
}

/// A tensor of a kernel, flat.
pub(super) fn flat(tensor: GpuTensor) -> Tensor<1> {
    let count = tensor.shape().num_elements();
    Tensor::from_primitive::<Wgpu>(Wgpu::float_reshape(tensor, [count].into()))
}

/// The gradient that a backward left, flat.
pub(super) fn of<const D: usize>(
    tensor: &Tensor<D>,
    gradients: &mut Gradients,
) -> Result<Tensor<1>, EngineError> {
    let gradient = tensor.grad_remove(gradients);
    let gradient = gradient.ok_or_else(|| EngineError::internal("a backward gave no gradient"))?;
    let count = gradient.dims().iter().product::<usize>();
    Ok(gradient.reshape([count]))
}

/// Whether both gave the same numbers.
pub(super) fn are_alike(ours: Numbers, burns: Numbers) -> Result<bool, EngineError> {
    for (ours, burns) in ours.into_iter().zip(burns) {
        let read = |it: Tensor<1>| it.try_into_vec_as::<f32>().map_err(EngineError::driver);
        let (ours, burns) = (read(ours)?, read(burns)?);
        let largest = burns.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= TOLERANCE * largest.max(1e-6);
        if ours.len() != burns.len() || !ours.iter().zip(&burns).all(near) {
            return Ok(false);
        }
    }
    Ok(true)
}
