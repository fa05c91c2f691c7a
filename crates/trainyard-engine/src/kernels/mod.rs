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
mod blocks;
mod cross_entropy;
mod dropout;
mod embedding;
mod gelu;
mod launch;
mod matmul;
mod norm;
mod portable;
mod squared_norms;
mod swiglu;
mod template;
#[cfg(test)]
mod tests;
mod trial;
pub(crate) mod wire;

use std::cell::Cell;

use burn::backend::Wgpu;
use burn::backend::tensor::{FloatTensor, IntTensor};

use trainyard_plan::ModelProfile;

use crate::Device;
pub(crate) use adamw::{AdamWFactors, adamw};
pub use attention::{
    Attended, attends, causal_attention, causal_attention_backward, continued_attention,
    continued_attention_backward,
};
pub use blocks::{Blocks, unpacked_rows};
pub use cross_entropy::cross_entropy;
pub use dropout::DropoutMask;
pub use embedding::embedding_backward;
pub use gelu::{gelu, gelu_backward};
pub use launch::{are_compiled, own, room};
pub(crate) use launch::{gpu_ints, gpu_tensor};
pub use matmul::{Addend, Side, matmul};
pub use norm::{Norm, norm, norm_backward, norm_weights};
pub use portable::{portable_kernels, with_portable_kernels};
pub(crate) use squared_norms::squared_norms;
pub use swiglu::{swiglu, swiglu_backward};
pub use trial::SpeedUps;
pub(crate) use trial::{try_kernels, winners};

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
    /// Dropout.
    Dropout,
    /// The gradient of an embedding's table.
    Embedding,
    /// GELU.
    Gelu,
    /// Layer normalization.
    LayerNorm,
    /// Linear layers.
    Linear,
    /// Normalization by the root mean square.
    RmsNorm,
    /// The squared norms of gradients.
    SquaredNorms,
    /// `SwiGLU`.
    SwiGlu,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::AdamW,
        Self::Attention,
        Self::CrossEntropy,
        Self::Dropout,
        Self::Embedding,
        Self::Gelu,
        Self::LayerNorm,
        Self::Linear,
        Self::RmsNorm,
        Self::SquaredNorms,
        Self::SwiGlu,
    ];

    /// Its name in profiles.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdamW => "adamw",
            Self::Attention => "attention",
            Self::CrossEntropy => "cross-entropy",
            Self::Dropout => "dropout",
            Self::Embedding => "embedding",
            Self::Gelu => "gelu",
            Self::LayerNorm => "layer-norm",
            Self::Linear => "linear",
            Self::RmsNorm => "rms-norm",
            Self::SquaredNorms => "squared-norms",
            Self::SwiGlu => "swiglu",
        }
    }

    fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// Some kernels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelSet(u16);

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

    /// Those that a model can use; all where it does not say.
    pub(crate) fn wanted(model: &ModelProfile) -> Self {
        model.kernels.as_ref().map_or_else(Self::all, |names| Self::named(names))
    }

    /// Their names.
    pub fn names(self) -> Vec<String> {
        let held = Kernel::ALL.into_iter().filter(|&kernel| self.has(kernel));
        held.map(|kernel| kernel.name().to_owned()).collect()
    }

    /// These and others.
    pub(crate) fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These and one more.
    #[must_use]
    fn with(self, kernel: Kernel) -> Self {
        Self(self.0 | kernel.bit())
    }

    /// Whether one is among them.
    pub fn has(self, kernel: Kernel) -> bool {
        self.0 & kernel.bit() != 0
    }
}

impl FromIterator<Kernel> for KernelSet {
    fn from_iter<I: IntoIterator<Item = Kernel>>(kernels: I) -> Self {
        kernels.into_iter().fold(Self::default(), Self::with)
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
    static ASKED_FOR: Cell<KernelSet> = const { Cell::new(KernelSet(0)) };
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
    ASKED_FOR.set(ASKED_FOR.get().with(kernel));
    OF_THREAD.get().used.has(kernel)
}

/// Runs `work`, and says for which kernels it has asked [`uses`] on this thread.
pub(crate) fn asked_for<T>(work: impl FnOnce() -> T) -> (T, KernelSet) {
    ASKED_FOR.set(KernelSet::default());
    let result = work();
    (result, ASKED_FOR.get())
}

/// What kernels are fitted to on this thread.
fn fit() -> Fit {
    OF_THREAD.get().fit
}
