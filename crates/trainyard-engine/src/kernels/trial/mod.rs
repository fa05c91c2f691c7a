//! Finding out which kernels a device is faster with, once for each in a process.
//!
//! A file has what a kernel is tried with: what it is given, and what Burn runs in its place.

mod adamw;
mod attention;
mod contest;
mod cross_entropy;
mod dropout;
mod embedding;
mod gelu;
mod linear;
mod norm;
mod squared_norms;
mod swiglu;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use burn::tensor::Device as BurnDevice;
use trainyard_plan::DeviceInfo;

use super::{DeviceKernels, Fit, Kernel, KernelSet};
use crate::EngineError;
use crate::fault::catch_panic;
use contest::{Contest, Sizes, are_alike};

/// Timed rounds, in which both take turns; the fastest counts.
const ROUNDS: usize = 5;
/// A kernel must be so much faster than what Burn has.
const MARGIN: f64 = 1.1;

/// What was found out in this process.
static FOUND: Mutex<Vec<(DeviceInfo, SpeedUps)>> = Mutex::new(Vec::new());

/// By kernel, how many times as fast as what Burn has it is, forward and backward; None where it fails or
/// gives other numbers.
pub type SpeedUps = Vec<(Kernel, Option<f64>)>;

/// Tries some kernels against what Burn has, each once for each device of a process. Call it on a thread
/// that nobody needs afterwards: Burn keeps memory for every thread that asks for some.
pub(crate) fn try_kernels(
    info: &DeviceInfo,
    device: &BurnDevice,
    fit: Fit,
    wanted: KernelSet,
) -> SpeedUps {
    let mut all = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let known = all.iter().position(|(known, _)| known == info);
    let mut found = known.map(|at| all.swap_remove(at).1).unwrap_or_default();
    let is_known = |found: &SpeedUps, kernel| found.iter().any(|(known, _)| *known == kernel);
    DeviceKernels { used: KernelSet::all(), fit }.enter();
    let contest = Contest { device: device.clone(), sizes: Sizes::of(fit) };
    for kernel in Kernel::ALL {
        if wanted.has(kernel) && !is_known(&found, kernel) {
            let began = Instant::now();
            let tried = catch_panic(|| run(&contest, kernel));
            let (name, kernel_name, took) = (&info.name, kernel.name(), began.elapsed());
            tracing::debug!("'{name}': our {kernel_name} beside Burn's: {tried:?}, in {took:?}");
            found.push((kernel, tried.unwrap_or_default()));
        }
    }
    device.memory_cleanup();
    let of_wanted = found.iter().copied().filter(|(kernel, _)| wanted.has(*kernel)).collect();
    all.push((info.clone(), found));
    of_wanted
}

/// Those that are so much faster that it is no accident.
pub(crate) fn winners(speed_ups: SpeedUps) -> KernelSet {
    let wins = |(_, speed_up): &(_, Option<f64>)| speed_up.is_some_and(|times| times > MARGIN);
    speed_ups.into_iter().filter(wins).map(|(kernel, _)| kernel).collect()
}

/// How many times as fast as Burn's a kernel is; None where its numbers are others.
fn run(contest: &Contest, kernel: Kernel) -> Result<Option<f64>, EngineError> {
    let [ours, burns] = match kernel {
        Kernel::AdamW => contest.adamw(),
        Kernel::Attention => contest.attention(),
        Kernel::CrossEntropy => contest.cross_entropy(),
        Kernel::Dropout => contest.dropout(),
        Kernel::Embedding => contest.embedding(),
        Kernel::Gelu => contest.gelu(),
        Kernel::LayerNorm => contest.layer_norm(),
        Kernel::Linear => contest.linear(),
        Kernel::RmsNorm => contest.rms_norm(),
        Kernel::SquaredNorms => contest.squared_norms(),
        Kernel::SwiGlu => contest.swiglu(),
    };
    // The first run of each compiles it.
    if !are_alike(ours()?, burns()?)? {
        return Ok(None);
    }
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (run, fastest) in [&ours, &burns].into_iter().zip(&mut fastest) {
            let began = Instant::now();
            drop(run()?);
            contest.device.sync().map_err(EngineError::driver)?;
            *fastest = (*fastest).min(began.elapsed());
        }
    }
    let [ours, burns] = fastest.map(|time| time.as_secs_f64());
    Ok(Some(burns / ours.max(1e-9)))
}
