//! Which kernels of ours a device computes with.

use trainyard_plan::DeviceKind;

use super::Device;
use crate::EngineError;
use crate::fault::on_a_thread_of_its_own;
use crate::gpu::Gpu;
use crate::kernels::{Fit, KernelSet, SpeedUps, try_kernels, winners};

impl Device {
    /// The kernels of ours that it computes with: those that were given by [`Self::use_kernels`] or found by
    /// [`Self::try_kernels`], else those of all that a trial against Burn's finds to be faster. CPU devices
    /// have none of these.
    pub fn kernels(&self) -> KernelSet {
        self.try_kernels(KernelSet::all())
    }

    /// The kernels that it computes with, and where these are not yet known those of `wanted` that a trial
    /// against Burn's finds to be faster.
    pub(crate) fn try_kernels(&self, wanted: KernelSet) -> KernelSet {
        if self.gpu.is_none() {
            return KernelSet::default();
        }
        *self.kernels.get_or_init(|| self.speed_ups(wanted).map(winners).unwrap_or_default())
    }

    /// What a trial finds of each kernel beside Burn's; it is made once for such a device in a process.
    ///
    /// # Errors
    /// [`EngineError::NoThread`]; [`EngineError::Driver`] where its thread panicked.
    pub fn kernel_speed_ups(&self) -> Result<SpeedUps, EngineError> {
        self.speed_ups(KernelSet::all())
    }

    fn speed_ups(&self, wanted: KernelSet) -> Result<SpeedUps, EngineError> {
        let trial = || Ok(try_kernels(&self.hardware, &self.opened, self.fit(), wanted));
        let speed_ups = on_a_thread_of_its_own("kernels", trial);
        // A kernel that its driver refuses is not used.
        self.forget_driver_errors();
        speed_ups
    }

    /// Makes it compute with these kernels, such as those of an earlier run; without effect once it has
    /// begun to compute.
    pub fn use_kernels(&self, kernels: KernelSet) {
        // Those that it has begun with stay.
        let _ = self.kernels.set(kernels);
    }

    /// What kernels for it are fitted to.
    pub(crate) fn fit(&self) -> Fit {
        let is_software = self.hardware.kind == DeviceKind::Software;
        Fit { is_software, subgroup: self.gpu().and_then(Gpu::subgroup) }
    }
}
