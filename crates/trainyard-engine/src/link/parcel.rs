//! What a link thread is given: tensors that their device is copying to the host.

use std::sync::Arc;

use burn::tensor::{DType, Shape, TensorData};
use trainyard_plan::Action;
use wgpu::SubmissionIndex;

use super::Reader;
use crate::gpu::{Download, Gpu};
use crate::tensor::HostRead;
use crate::wiring::Name;
use crate::{EngineError, HostTensors, Tensors};

/// What is to be waited for, and for whom.
pub(super) struct Parcel {
    pub(super) step: u64,
    pub(super) action: Action,
    pub(super) bytes: u64,
    pub(super) content: Content,
}

/// Tensors on their way to the host.
pub(super) enum Content {
    /// Into memory that the link keeps for it.
    Staged(Vec<Described>, Download),
    /// By Burn's own way.
    Read(Vec<(Name, HostRead)>, Points),
}

/// Points in a device's queue: where tensors are computed, and where their copies are done.
pub(super) struct Points {
    gpu: Gpu,
    computed: SubmissionIndex,
    copied: SubmissionIndex,
}

/// A tensor without its elements.
pub(super) struct Described {
    pub(super) name: Name,
    pub(super) shape: Shape,
    pub(super) dtype: DType,
}

impl Described {
    pub(super) fn of_data((name, data): &(Name, TensorData)) -> Self {
        Self { name: Arc::clone(name), shape: data.shape().clone(), dtype: data.dtype() }
    }
}

impl Reader {
    /// Asks the device to copy tensors to the host, right behind what computes them.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    pub(super) fn begin(&self, tensors: Tensors) -> Result<Content, EngineError> {
        if let Some(staging) = &self.staging {
            let describe = |(name, value): (&Name, &crate::Value)| Described {
                name: Arc::clone(name),
                shape: value.shape(),
                dtype: value.dtype(),
            };
            let described = tensors.iter().map(describe).collect();
            let sized = tensors.iter().map(|(_, value)| (value.tensor().clone(), value.bytes()));
            return Ok(Content::Staged(described, staging.begin(sized.collect())?));
        }
        self.burn.flush().map_err(EngineError::driver)?;
        let computed = self.gpu.point();
        let reads = tensors.into_iter().map(|(name, value)| (name, HostRead::begin(value)));
        let reads = reads.collect();
        let (gpu, copied) = (self.gpu.clone(), self.gpu.point());
        Ok(Content::Read(reads, Points { gpu, computed, copied }))
    }
}

impl Content {
    /// Waits until the tensors are computed, and no longer.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    pub(super) fn wait_until_computed(&self) -> Result<(), EngineError> {
        match self {
            Self::Staged(_, download) => download.wait_until_computed(),
            Self::Read(_, points) => points.gpu.wait(points.computed.clone()),
        }
    }
}

/// Waits for copies that go Burn's own way.
///
/// # Errors
/// [`EngineError::Driver`].
pub(super) fn read_all(
    reads: Vec<(Name, HostRead)>,
    points: Points,
) -> Result<HostTensors, EngineError> {
    points.gpu.wait(points.copied)?;
    reads.into_iter().map(|(name, read)| Ok((name, read.finish()?))).collect()
}
