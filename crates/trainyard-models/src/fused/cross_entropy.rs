//! Cross-entropy of the softmax of logits, the mean over all rows that count.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Autodiff, Flex, TensorMetadata, Wgpu};
use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Int, Tensor};
use multiversion::multiversion;
use rayon::prelude::*;
use trainyard_engine::kernels::{self, GpuIntTensor, GpuTensor, Kernel, uses};

use super::simd::{exp, largest, sum};
use super::{Fused, apply, apply_on_gpu, input, shape, tensor, values};

/// Rows that one task computes.
const ROWS: usize = 64;

/// A target that does not count, among classes.
const IGNORED: usize = usize::MAX;

/// `mean(−log softmax(logits)[target])` for logits `[rows, classes]` and targets `[rows]`, over the rows
/// whose target is not `ignored`; 0 where none is left.
pub fn cross_entropy(
    logits: Tensor<2>,
    targets: Tensor<1, Int>,
    ignored: Option<i64>,
) -> Tensor<1> {
    let classes = logits.dims()[1];
    let fused = host_targets(&targets, classes, ignored)
        .and_then(|targets| apply(CrossEntropy { targets: Arc::new(targets) }, [input(&logits)]));
    let on_gpu = || {
        let operation = uses(Kernel::CrossEntropy).then(|| on_gpu(&targets, ignored)).flatten()?;
        apply_on_gpu(Kernel::CrossEntropy, operation, [input(&logits)])
    };
    let fused = fused.or_else(on_gpu);
    fused.unwrap_or_else(|| {
        let each = |targets: Tensor<1, Int>| {
            log_softmax(logits, 1).gather(1, targets.unsqueeze_dim(1)).flatten::<1>(0, 1)
        };
        match ignored {
            None => each(targets).mean().neg(),
            Some(ignored) => {
                let (targets, shares) = counted(&targets, ignored);
                (each(targets) * shares).mean().neg()
            }
        }
    })
}

/// The targets of a CPU tensor; None elsewhere, or when one is no class (Burn then says so).
fn host_targets(
    targets: &Tensor<1, Int>,
    classes: usize,
    ignored: Option<i64>,
) -> Option<Vec<usize>> {
    let tensor = match targets.clone().try_into_primitive::<Autodiff<Flex>>() {
        Ok(tensor) => tensor,
        Err(_) => targets.clone().try_into_primitive::<Flex>().ok()?,
    };
    let tensor = tensor.to_contiguous();
    let class = |target: i64| match usize::try_from(target) {
        _ if ignored == Some(target) => Some(IGNORED),
        Ok(class) if class < classes => Some(class),
        _ => None,
    };
    match tensor.dtype() {
        DType::I64 => tensor.as_slice::<i64>()?.iter().map(|&target| class(target)).collect(),
        DType::I32 => {
            tensor.as_slice::<i32>()?.iter().map(|&target| class(target.into())).collect()
        }
        _ => None,
    }
}

/// Targets that are all classes, and what the loss of each is to be multiplied by so that the mean over all
/// is that over those that count.
fn counted(targets: &Tensor<1, Int>, ignored: i64) -> (Tensor<1, Int>, Tensor<1>) {
    let rows = targets.dims()[0] as f64;
    let counts = targets.clone().not_equal_elem(ignored).float();
    let total = counts.clone().sum().clamp_min(1.0);
    let classes = targets.clone().mask_fill(targets.clone().equal_elem(ignored), 0);
    (classes, counts.mul_scalar(rows) / total)
}

/// The operation for the targets of a wgpu device's tensor.
fn on_gpu(targets: &Tensor<1, Int>, ignored: Option<i64>) -> Option<CrossEntropyOnGpu> {
    let Some(ignored) = ignored else {
        return Some(CrossEntropyOnGpu { targets: gpu_targets(targets)?, shares: None });
    };
    // Looked at first: elsewhere nothing is computed for it.
    gpu_targets(targets)?;
    let (classes, shares) = counted(targets, ignored);
    let shares = match shares.clone().try_into_primitive::<Wgpu>() {
        Ok(shares) => shares,
        Err(_) => shares.inner().try_into_primitive::<Wgpu>().ok()?,
    };
    Some(CrossEntropyOnGpu { targets: gpu_targets(&classes)?, shares: Some(shares) })
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
    /// What each row's loss is multiplied by, `[rows]`, where some do not count.
    shares: Option<GpuTensor>,
}

impl Fused<Wgpu, 1> for CrossEntropyOnGpu {
    /// The gradient of the logits, which the forward gives for free.
    type Saved = GpuTensor;

    fn forward(&self, [logits]: [GpuTensor; 1]) -> (GpuTensor, GpuTensor) {
        let (losses, gradient) = kernels::cross_entropy(&logits, &self.targets);
        let losses = match &self.shares {
            Some(shares) => Wgpu::float_mul(losses, shares.clone()),
            None => losses,
        };
        (Wgpu::float_mean(losses), gradient)
    }

    fn backward(&self, saved: GpuTensor, gradient: GpuTensor, _: [bool; 1]) -> [GpuTensor; 1] {
        let gradient = Wgpu::float_reshape(gradient, [1, 1].into());
        let gradient = match &self.shares {
            Some(shares) => {
                let rows = shares.shape().num_elements();
                Wgpu::float_mul(Wgpu::float_reshape(shares.clone(), [rows, 1].into()), gradient)
            }
            None => gradient,
        };
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
        let counted = self.targets.iter().filter(|&&target| target != IGNORED).count().max(1);
        let outputs = gradient.par_chunks_mut(ROWS * classes).zip(losses.par_chunks_mut(ROWS));
        let inputs = values(&logits).par_chunks(ROWS * classes).zip(self.targets.par_chunks(ROWS));
        outputs.zip(inputs).for_each(|((gradient, losses), (logits, targets))| {
            forward(logits, targets, 1.0 / counted as f32, gradient, losses);
        });
        let total: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
        let mean = (total / counted as f64) as f32;
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

/// Row by row `log Σ eˡ − l[target]`, and `(softmax − [target])·share` as its gradient; where the target does
/// not count both stay 0.
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
        if target == IGNORED {
            continue;
        }
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
