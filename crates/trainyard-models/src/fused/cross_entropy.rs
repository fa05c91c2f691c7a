//! Cross-entropy of the softmax of logits, the mean over all rows.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Autodiff, Flex, Wgpu};
use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Int, Tensor};
use multiversion::multiversion;
use rayon::prelude::*;
use trainyard_engine::kernels::{self, GpuIntTensor, GpuTensor, Kernel, uses};

use super::simd::{exp, largest, sum};
use super::{Fused, apply, apply_on_gpu, input, shape, tensor, values};

/// Rows that one task computes.
const ROWS: usize = 64;

/// `mean(−log softmax(logits)[target])` for logits `[rows, classes]` and targets `[rows]`.
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    let classes = logits.dims()[1];
    let fused = host_targets(&targets, classes)
        .and_then(|targets| apply(CrossEntropy { targets: Arc::new(targets) }, [input(&logits)]));
    let on_gpu = || {
        let targets = uses(Kernel::CrossEntropy).then(|| gpu_targets(&targets)).flatten()?;
        apply_on_gpu(Kernel::CrossEntropy, CrossEntropyOnGpu { targets }, [input(&logits)])
    };
    let fused = fused.or_else(on_gpu);
    fused.unwrap_or_else(|| {
        let chosen = targets.unsqueeze_dim(1);
        log_softmax(logits, 1).gather(1, chosen).mean().neg()
    })
}

/// The targets of a CPU tensor; None elsewhere, or when one is no class (Burn then says so).
fn host_targets(targets: &Tensor<1, Int>, classes: usize) -> Option<Vec<usize>> {
    let tensor = match targets.clone().try_into_primitive::<Autodiff<Flex>>() {
        Ok(tensor) => tensor,
        Err(_) => targets.clone().try_into_primitive::<Flex>().ok()?,
    };
    let tensor = tensor.to_contiguous();
    let class = |target: i64| usize::try_from(target).ok().filter(|&class| class < classes);
    match tensor.dtype() {
        DType::I64 => tensor.as_slice::<i64>()?.iter().map(|&target| class(target)).collect(),
        DType::I32 => {
            tensor.as_slice::<i32>()?.iter().map(|&target| class(target.into())).collect()
        }
        _ => None,
    }
}

/// The targets of a wgpu device's tensor.
fn gpu_targets(targets: &Tensor<1, Int>) -> Option<GpuIntTensor> {
    if targets.dtype() != DType::I32 {
        return None;
    }
    match targets.clone().try_into_primitive::<Autodiff<Wgpu>>() {
        Ok(targets) => Some(targets),
        Err(_) => targets.clone().try_into_primitive::<Wgpu>().ok(),
    }
}

#[derive(Clone, Debug)]
struct CrossEntropyOnGpu {
    targets: GpuIntTensor,
}

impl Fused<Wgpu, 1> for CrossEntropyOnGpu {
    /// The gradient of the logits, which the forward gives for free.
    type Saved = GpuTensor;

    fn forward(&self, [logits]: [GpuTensor; 1]) -> (GpuTensor, GpuTensor) {
        let (losses, gradient) = kernels::cross_entropy(&logits, &self.targets);
        (Wgpu::float_mean(losses), gradient)
    }

    fn backward(&self, saved: GpuTensor, gradient: GpuTensor, _: [bool; 1]) -> [GpuTensor; 1] {
        let gradient = Wgpu::float_reshape(gradient, [1, 1].into());
        [Wgpu::float_mul(saved, gradient)]
    }
}

#[derive(Clone, Debug)]
struct CrossEntropy {
    targets: Arc<Vec<usize>>,
}

impl Fused<Flex, 1> for CrossEntropy {
    /// The gradient of the logits, which the forward gives for free.
    type Saved = FlexTensor;

    fn forward(&self, [logits]: [FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        let rows = self.targets.len();
        let classes = values(&logits).len() / rows.max(1);
        let mut gradient = vec![0.0; rows * classes];
        let mut losses = vec![0.0; rows];
        let outputs = gradient.par_chunks_mut(ROWS * classes).zip(losses.par_chunks_mut(ROWS));
        let inputs = values(&logits).par_chunks(ROWS * classes).zip(self.targets.par_chunks(ROWS));
        outputs.zip(inputs).for_each(|((gradient, losses), (logits, targets))| {
            forward(logits, targets, 1.0 / rows as f32, gradient, losses);
        });
        let total: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
        let mean = (total / rows as f64) as f32;
        (tensor(vec![mean], [1]), tensor(gradient, shape(&logits)))
    }

    fn backward(
        &self,
        mut saved: FlexTensor,
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [FlexTensor; 1] {
        let factor = values(&gradient).first().copied().unwrap_or_default();
        for value in saved.storage_mut::<f32>() {
            *value *= factor;
        }
        [saved]
    }
}

/// Row by row `log Σ eˡ − l[target]`, and `(softmax − [target])·share` as its gradient.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn forward(
    logits: &[f32],
    targets: &[usize],
    share: f32,
    gradient: &mut [f32],
    losses: &mut [f32],
) {
    let classes = logits.len() / targets.len().max(1);
    let rows = logits.chunks_exact(classes).zip(gradient.chunks_exact_mut(classes));
    for (((logits, gradient), &target), loss) in rows.zip(targets).zip(losses) {
        let most = largest(logits);
        for (power, &logit) in gradient.iter_mut().zip(logits) {
            *power = exp(logit - most);
        }
        let total = sum(classes, |i| gradient[i]);
        *loss = total.ln() - (logits[target] - most);
        let factor = share / total;
        for value in gradient.iter_mut() {
            *value *= factor;
        }
        gradient[target] -= share;
    }
}
