//! The ways from a device to another, and which one a link takes.

use crate::Device;
use crate::fault::on_a_thread_of_its_own;
use crate::gpu::are_faithful_together;

/// How a link moves tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkWay {
    /// The sender copies them into the receiver's memory.
    Memory,
    /// Over host memory that both wgpu devices have as their own.
    Shared,
    /// Over host memory that the link keeps, mapped once, at each wgpu device.
    Staged,
    /// Over host memory that Burn asks for anew each time, at one wgpu device or both: a pattern did not
    /// come back right over memory that is kept.
    Burn,
}

impl LinkWay {
    /// The way from a device to another: the best through which patterns came unchanged. Between wgpu
    /// devices that costs a few transfers each time it is asked.
    pub fn between(source: &Device, target: &Device) -> Self {
        let mut gpus = [source, target].into_iter().filter(|device| !device.is_cpu());
        match (source.is_cpu(), target.is_cpu()) {
            (true, true) => Self::Memory,
            (false, false) if can_share(source, target) => Self::Shared,
            _ if gpus.all(|device| device.staging_gpu().is_some()) => Self::Staged,
            _ => Self::Burn,
        }
    }

    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Memory => "copied into the receiver's memory",
            Self::Shared => "over host memory that both devices have",
            Self::Staged => "over host memory that is kept",
            Self::Burn => "Burn's own way over the host",
        }
    }
}

/// Whether two devices can have memory in common, and may.
fn can_share(source: &Device, target: &Device) -> bool {
    if source.id() == target.id() || !(source.imports_memory() && target.imports_memory()) {
        return false;
    }
    let (Some(first), Some(second)) = (source.gpu(), target.gpu()) else { return false };
    let work = || are_faithful_together((first, source.burn()), (second, target.burn()));
    let tried = on_a_thread_of_its_own("sharing", work);
    let (source, target) = (source.id(), target.id());
    tracing::debug!("'{source}' and '{target}': patterns through memory of both: {tried:?}");
    let can_share = tried.unwrap_or(false);
    if !can_share {
        // What failed there is not used.
        first.forget_errors();
        second.forget_errors();
    }
    can_share
}
