//! Kernels of our own for wgpu devices, each one pass where Burn runs several.
//!
//! They are WGSL in `shaders/`, launched through the client that Burn launches its own with: they lie
//! in Burn's queue between Burn's kernels, many in one submission, and their tensors in Burn's pools. A
//! device whose compiler takes no WGSL (the feature `native-shaders`) goes without. Each has a twin on
//! CPU devices that it is tested against.
//!
//! A function here computes; whether it is to be used on this thread's device says [`uses`]. That is
//! found out once a device, by trying each against what Burn has ([`trial`]).

mod adamw;
mod attention;
mod cross_entropy;
mod gelu;
mod launch;
mod layer_norm;
mod matmul;
mod portable;
mod template;
#[cfg(test)]
mod tests;
mod trial;
pub(crate) mod wire;

use std::cell::Cell;

use burn::backend::Wgpu;
use burn::backend::tensor::{FloatTensor, IntTensor};

use crate::Device;
pub(crate) use adamw::{AdamWFactors, adamw};
pub use attention::{
    Attended, attends, causal_attention, causal_attention_backward, continued_attention,
    continued_attention_backward,
};
pub use cross_entropy::cross_entropy;
pub use gelu::{gelu, gelu_backward};
pub(crate) use launch::{gpu_ints, gpu_tensor};
pub use launch::{own, room};
pub use layer_norm::{layer_norm, layer_norm_backward, layer_norm_weights};
pub use matmul::{Addend, Side, matmul};
pub use portable::{portable_kernels, with_portable_kernels};
pub use trial::SpeedUps;
pub(crate) use trial::{try_all, winners};

/// A tensor of 32-bit floats on a wgpu device.
pub type GpuTensor = FloatTensor<Wgpu>;
/// A tensor of 32-bit integers on a wgpu device.
pub type GpuIntTensor = IntTensor<Wgpu>;

/// What has a kernel of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The update of [`crate::AdamW`].
    AdamW,
    /// Causal attention.
    Attention,
    /// Cross-entropy of logits.
    CrossEntropy,
    /// GELU.
    Gelu,
    /// Layer normalization.
    LayerNorm,
    /// Linear layers.
    Linear,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AdamW,
        Self::Attention,
        Self::CrossEntropy,
        Self::Gelu,
        Self::LayerNorm,
        Self::Linear,
    ];

    /// Its name in profiles.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdamW => "adamw",
            Self::Attention => "attention",
            Self::CrossEntropy => "cross-entropy",
            Self::Gelu => "gelu",
            Self::LayerNorm => "layer-norm",
            Self::Linear => "linear",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Some kernels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelSet(u8);

impl KernelSet {
    /// Every kernel.
    pub fn all() -> Self {
        Kernel::ALL.into_iter().collect()
    }

    /// Those of these names; others are left out.
    pub fn named<S: AsRef<str>>(names: &[S]) -> Self {
        let named = |kernel: &Kernel| names.iter().any(|name| name.as_ref() == kernel.name());
        Kernel::ALL.into_iter().filter(named).collect()
    }

    /// Their names.
    pub fn names(self) -> Vec<String> {
        let held = Kernel::ALL.into_iter().filter(|&kernel| self.has(kernel));
        held.map(|kernel| kernel.name().to_owned()).collect()
    }

    /// Whether one is among them.
    pub fn has(self, kernel: Kernel) -> bool {
        self.0 & kernel.bit() != 0
    }
}

impl FromIterator<Kernel> for KernelSet {
    fn from_iter<I: IntoIterator<Item = Kernel>>(kernels: I) -> Self {
        Self(kernels.into_iter().fold(0, |bits, kernel| bits | kernel.bit()))
    }
}

/// What kernels are fitted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fit {
    /// The device computes on the host's processor: every lane reads memory by itself, and lanes that wait
    /// for each other are slow.
    pub(crate) is_software: bool,
    /// The lanes of a subgroup, where it has always so many.
    pub(crate) subgroup: Option<u32>,
}

/// The kernels of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeviceKernels {
    pub(crate) used: KernelSet,
    pub(crate) fit: Fit,
}

thread_local! {
    static OF_THREAD: Cell<DeviceKernels> = const {
        let fit = Fit { is_software: false, subgroup: None };
        Cell::new(DeviceKernels { used: KernelSet(0), fit })
    };
}

impl DeviceKernels {
    /// Makes them those of this thread's device.
    pub(crate) fn enter(self) {
        OF_THREAD.set(self);
    }
}

/// Runs `work` on this thread as on that of a device that computes with some kernels.
pub fn with_kernels<T>(device: &Device, used: KernelSet, work: impl FnOnce() -> T) -> T {
    struct Restore(DeviceKernels);
    impl Drop for Restore {
        fn drop(&mut self) {
            self.0.enter();
        }
    }
    let _restore = Restore(OF_THREAD.get());
    DeviceKernels { used, fit: device.fit() }.enter();
    work()
}

/// Whether a kernel is to be used by this thread's device.
pub fn uses(kernel: Kernel) -> bool {
    OF_THREAD.get().used.has(kernel)
}

/// What kernels are fitted to on this thread.
fn fit() -> Fit {
    OF_THREAD.get().fit
}
