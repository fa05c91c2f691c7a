//! Dropout whose mask follows from a seed and the elements' numbers (Srivastava et al. 2014): nothing of it is
//! kept for the backward.

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, Wgpu};
use burn::tensor::{Tensor, TensorData};
use multiversion::multiversion;
use rayon::prelude::*;
use trainyard_engine::kernels::{DropoutMask, GpuTensor, Kernel};

use super::{CHUNK, Fused, apply, apply_on_gpu, input, shape, tensor, values};

/// Elements whose random numbers come together.
const FOUR: usize = 4;

/// Zeroes a share of the elements, at least 0 and below 1, and scales the rest up by `1/(1 − share)`. The
/// same elements on every device, to the bit.
pub(crate) fn dropout<const D: usize>(x: Tensor<D>, share: f64, seed: u64) -> Tensor<D> {
    let dropout = Dropout(DropoutMask::new(share, seed));
    let on_gpu = || apply_on_gpu(Kernel::Dropout, dropout, [input(&x)]);
    let fused = apply(dropout, [input(&x)]).or_else(on_gpu);
    fused.unwrap_or_else(|| {
        let (dims, mut mask) = (x.dims(), vec![1.0; x.shape().num_elements()]);
        multiply(dropout.0, 0, &mut mask);
        let device = x.device().without_autodiff();
        x * Tensor::from_data(TensorData::new(mask, dims), &device)
    })
}

#[derive(Clone, Copy, Debug)]
struct Dropout(DropoutMask);

impl Dropout {
    fn run(self, x: &FlexTensor) -> FlexTensor {
        let mut output = values(x).to_vec();
        let chunks = output.par_chunks_mut(CHUNK).enumerate();
        chunks.for_each(|(chunk, output)| multiply(self.0, chunk * CHUNK / FOUR, output));
        tensor(output, shape(x))
    }
}

impl Fused<Flex, 1> for Dropout {
    type Saved = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
        (self.run(&x), ())
    }

    fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 1]) -> [FlexTensor; 1] {
        [self.run(&gradient)]
    }
}

impl Fused<Wgpu, 1> for Dropout {
    type Saved = ();

    fn forward(&self, [x]: [GpuTensor; 1]) -> (GpuTensor, ()) {
        (self.0.apply(&x), ())
    }

    fn backward(&self, (): (), gradient: GpuTensor, _: [bool; 1]) -> [GpuTensor; 1] {
        [self.0.apply(&gradient)]
    }
}

/// Multiplies elements of a tensor by their factors, from the one of a four's number on.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn multiply(mask: DropoutMask, four: usize, elements: &mut [f32]) {
    for (elements, four) in elements.chunks_mut(FOUR).zip(four as u32..) {
        for (element, factor) in elements.iter_mut().zip(mask.factors(four)) {
            *element *= factor;
        }
    }
}
