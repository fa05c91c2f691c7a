//! Which kernels of ours a device computes with.

use trainyard_plan::DeviceKind;

use super::Device;
use crate::EngineError;
use crate::fault::on_a_thread_of_its_own;
use crate::gpu::Gpu;
use crate::kernels::{Fit, KernelSet, SpeedUps, try_all, winners};

impl Device {
    /// The kernels of ours that it computes with: those that were given by [`Self::use_kernels`], else those
    /// that a trial against Burn's found to be faster. CPU devices have none of these.
    pub fn kernels(&self) -> KernelSet {
        if self.gpu.is_none() {
            return KernelSet::default();
        }
        let try_them = || self.kernel_speed_ups().map(winners).unwrap_or_default();
        *self.kernels.get_or_init(try_them)
    }

    /// What a trial found of each kernel beside Burn's; it is made once for such a device in a process.
    ///
    /// # Errors
    /// [`EngineError::NoThread`]; [`EngineError::Driver`] where its thread panicked.
    pub fn kernel_speed_ups(&self) -> Result<SpeedUps, EngineError> {
        let trial = || Ok(try_all(&self.hardware, &self.opened, self.fit()));
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
