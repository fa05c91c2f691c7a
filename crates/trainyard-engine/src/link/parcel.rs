//! What a link thread is given: tensors that their device is copying to the host.

use std::sync::Arc;

use burn::tensor::{DType, Shape, TensorData};
use trainyard_plan::Action;

use crate::gpu::{Download, SharedMemory, SharedTransfer, Staging};
use crate::queue::{Point, Queue};
use crate::tensor::{HostRead, goes_as_it_is};
use crate::wire::Packed;
use crate::wiring::Name;
use crate::{EngineError, HostTensors, Tensors, Value};

/// What is to be waited for, and for whom.
pub(super) struct Parcel {
    pub(super) step: u64,
    pub(super) action: Action,
    pub(super) bytes: u64,
    pub(super) packed: Option<Packed>,
    pub(super) content: Content,
}

/// Tensors on their way to the host.
pub(super) enum Content {
    /// Into memory that the link keeps for it.
    Staged(Vec<Described>, Download),
    /// Into memory that the receiver's device has too.
    Shared(Vec<Described>, SharedTransfer),
    /// By Burn's own way.
    Read(Vec<(Name, HostRead)>, Points),
    /// Nowhere: the receiver has what it takes, and waits for the word that these are computed.
    Stay(Box<dyn Point>),
}

/// Points in a device's queue: where tensors are computed, and where their copies are done.
pub(super) struct Points {
    computed: Box<dyn Point>,
    copied: Box<dyn Point>,
}

/// A tensor without its elements.
pub(super) struct Described {
    pub(super) name: Name,
    pub(super) shape: Shape,
    pub(super) dtype: DType,
}

/// The end of a link at a device that sends and computes beside the host.
pub(super) struct Reader {
    pub(super) queue: Arc<dyn Queue>,
    /// Memory that the other device has too, where both may use it.
    pub(super) shared: Option<Arc<SharedMemory>>,
    /// Memory that the link keeps, where the device may use it.
    pub(super) staging: Option<Arc<Staging>>,
}

/// Whether a device can have tensors from memory that a link keeps. Of no tensors there is word alone.
pub(super) fn may_stage(staging: &Staging, tensors: &[Described]) -> bool {
    !tensors.is_empty()
        && tensors.iter().all(|tensor| goes_as_it_is(tensor.dtype))
        && staging.holds(tensors.iter().map(Described::bytes))
}

impl Described {
    fn bytes(&self) -> u64 {
        self.shape.num_elements() as u64 * self.dtype.size() as u64
    }

    fn of_value((name, value): (&Name, &Value)) -> Self {
        Self { name: Arc::clone(name), shape: value.shape(), dtype: value.dtype() }
    }

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
        let sizes = || tensors.iter().map(|(_, value)| value.bytes());
        let described = || tensors.iter().map(Described::of_value).collect();
        let sized = || tensors.iter().map(|(_, value)| (value.tensor().clone(), value.bytes()));
        let has_any = tensors.iter().next().is_some();
        let as_they_are = has_any && tensors.iter().all(|(_, value)| goes_as_it_is(value.dtype()));
        let shared = self.shared.as_ref().filter(|shared| as_they_are && shared.holds(sizes()));
        if let Some(shared) = shared {
            return Ok(Content::Shared(described(), shared.begin(sized().collect())?));
        }
        if let Some(staging) =
            self.staging.as_ref().filter(|staging| has_any && staging.holds(sizes()))
        {
            return Ok(Content::Staged(described(), staging.begin(sized().collect())?));
        }
        self.queue.flush()?;
        let computed = self.queue.point();
        let reads = tensors.into_iter().map(|(name, value)| (name, HostRead::begin(value)));
        let reads = reads.collect();
        let copied = self.queue.point();
        Ok(Content::Read(reads, Points { computed, copied }))
    }

    /// Lets the device compute what it was asked for, and copies nothing.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    pub(super) fn computed(&self) -> Result<Content, EngineError> {
        self.queue.flush()?;
        Ok(Content::Stay(self.queue.point()))
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
            Self::Shared(_, transfer) => transfer.wait_until_computed(),
            Self::Read(_, points) => points.computed.wait(),
            Self::Stay(computed) => computed.wait(),
        }
    }
}

/// Waits for copies that go Burn's own way.
///
/// # Errors
/// [`EngineError::Driver`].
pub(super) fn read_all(
    reads: Vec<(Name, HostRead)>,
    points: &Points,
) -> Result<HostTensors, EngineError> {
    points.copied.wait()?;
    reads.into_iter().map(|(name, read)| Ok((name, read.finish()?))).collect()
}
