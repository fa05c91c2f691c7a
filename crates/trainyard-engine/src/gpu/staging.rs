//! Host memory that a wgpu device copies tensors to and from.
//!
//! Burn asks the driver for such memory anew for every tensor, which the system then has to find, clear
//! and map: on a device that shares the host's memory that takes longer than the copy. Here a slot is
//! made once, stays mapped as far as the driver lets it, and is used again. A link needs as many as it
//! has transfers on their way.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::DispatchTensor;
use wgpu::{Buffer, BufferAsyncError, BufferDescriptor, BufferUsages, MapMode, SubmissionIndex};

use super::Gpu;
use super::buffer::TensorBuffer;
use super::layout::Layout;
use crate::EngineError;

/// With so many slots that the device has not read yet, one is waited for instead of making another.
pub(super) const MOST_UNREAD: usize = 3;
/// A slot so many times as large as what goes into it is given up.
pub(super) const MOST_ROOM: u64 = 4;

/// The slots at one end of a link.
#[derive(Debug)]
pub(crate) struct Staging {
    gpu: Gpu,
    direction: Direction,
    /// Those that hold nothing, the last used at the end; the device may still be reading them.
    free: Mutex<VecDeque<Slot>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    ToHost,
    ToDevice,
}

/// A piece of host memory that the device can copy to or from.
#[derive(Debug)]
struct Slot {
    buffer: Buffer,
    /// Where it is being mapped: the point in the queue before which it cannot be, and the answer.
    mapping: Option<(SubmissionIndex, Receiver<Result<(), BufferAsyncError>>)>,
}

/// Tensors on their way to the host.
pub(crate) struct Download {
    staging: Arc<Staging>,
    slot: Slot,
    layout: Layout,
    /// Where the tensors are computed.
    computed: SubmissionIndex,
}

/// Host data on their way to the device.
pub(crate) struct Upload {
    staging: Arc<Staging>,
    slot: Slot,
    layout: Layout,
}

impl Staging {
    /// For copies from the device.
    pub(crate) fn to_host(gpu: &Gpu) -> Arc<Self> {
        Arc::new(Self { gpu: gpu.clone(), direction: Direction::ToHost, free: Mutex::default() })
    }

    /// For copies to the device.
    pub(crate) fn to_device(gpu: &Gpu) -> Arc<Self> {
        Arc::new(Self { gpu: gpu.clone(), direction: Direction::ToDevice, free: Mutex::default() })
    }

    /// Whether the device has buffers large enough for tensors of these sizes together.
    pub(crate) fn holds(&self, sizes: impl Iterator<Item = u64>) -> bool {
        Layout::of(sizes).bytes as u64 <= self.gpu.device.limits().max_buffer_size
    }

    /// Asks the device to copy tensors, given with their sizes, to the host, right behind what computes
    /// them.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    pub(crate) fn begin(
        self: &Arc<Self>,
        tensors: Vec<(DispatchTensor, u64)>,
    ) -> Result<Download, EngineError> {
        let layout = Layout::of(tensors.iter().map(|(_, bytes)| *bytes));
        let buffers = TensorBuffer::of_all(tensors.into_iter().map(|(tensor, _)| tensor))?;
        let mut slot = self.slot(layout.bytes)?;
        let computed = self.gpu.point();
        let mut encoder = self.gpu.encoder();
        layout.copy_in(&mut encoder, &buffers, &slot.buffer);
        let point = self.gpu.queue.submit([encoder.finish()]);
        slot.map(MapMode::Read, point);
        Ok(Download { staging: Arc::clone(self), slot, layout, computed })
    }

    /// Puts host data where the device can copy them from.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    pub(crate) fn fill(self: &Arc<Self>, data: &[&[u8]]) -> Result<Upload, EngineError> {
        let layout = Layout::of(data.iter().map(|data| data.len() as u64));
        let slot = self.slot(layout.bytes)?;
        let used = slot.buffer.slice(..layout.bytes as u64);
        let mut view = used.get_mapped_range_mut().map_err(EngineError::driver)?;
        for (data, (offset, bytes)) in data.iter().zip(&layout.pieces) {
            view.slice(*offset..offset + bytes).copy_from_slice(data);
        }
        drop(view);
        Ok(Upload { staging: Arc::clone(self), slot, layout })
    }

    /// A slot of at least some bytes: mapped, where it is for copies to the device.
    fn slot(&self, bytes: usize) -> Result<Slot, EngineError> {
        let mut slot = self.free_slot()?;
        if let Some(slot) = &mut slot {
            slot.wait(&self.gpu)?;
        }
        let sizes = bytes as u64..=(bytes as u64).saturating_mul(MOST_ROOM);
        let fits = slot.filter(|slot| sizes.contains(&slot.buffer.size()));
        Ok(fits.unwrap_or_else(|| Slot::new(&self.gpu, self.direction, bytes)))
    }

    /// The one that was used longest ago, unless the device may still be reading it.
    fn free_slot(&self) -> Result<Option<Slot>, EngineError> {
        self.gpu.poll()?;
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = free.front_mut().is_some_and(Slot::is_idle);
        Ok(if is_idle || free.len() >= MOST_UNREAD { free.pop_front() } else { None })
    }

    fn give_back(&self, slot: Slot) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push_back(slot);
    }
}

impl Download {
    /// Waits until the tensors are computed, and no longer.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    pub(crate) fn wait_until_computed(&self) -> Result<(), EngineError> {
        self.staging.gpu.wait(&self.computed)
    }

    /// Waits for the copies and gives their bytes to `use_them`.
    ///
    /// # Errors
    /// [`EngineError::Driver`]; those of `use_them`.
    pub(crate) fn finish<T>(
        self,
        use_them: impl FnOnce(&[&[u8]]) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let Self { staging, mut slot, layout, .. } = self;
        slot.wait(&staging.gpu)?;
        let used = slot.buffer.slice(..layout.bytes as u64);
        let view = used.get_mapped_range().map_err(EngineError::driver)?;
        let pieces = layout.pieces.iter().map(|(offset, bytes)| &view[*offset..offset + bytes]);
        let used = use_them(&pieces.collect::<Vec<_>>());
        drop(view);
        slot.buffer.unmap();
        staging.give_back(slot);
        used
    }
}

impl Upload {
    /// Asks the device to copy the data into tensors of the same sizes, before whatever it is asked for
    /// next.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    pub(crate) fn finish(
        self,
        tensors: impl IntoIterator<Item = DispatchTensor>,
    ) -> Result<(), EngineError> {
        let Self { staging, mut slot, layout } = self;
        let buffers = TensorBuffer::of_all(tensors)?;
        slot.buffer.unmap();
        let mut encoder = staging.gpu.encoder();
        layout.copy_out(&mut encoder, &slot.buffer, &buffers)?;
        let point = staging.gpu.queue.submit([encoder.finish()]);
        slot.map(MapMode::Write, point);
        staging.give_back(slot);
        Ok(())
    }
}

impl Slot {
    fn new(gpu: &Gpu, direction: Direction, bytes: usize) -> Self {
        let (usage, mapped_at_creation) = match direction {
            Direction::ToHost => (BufferUsages::COPY_DST | BufferUsages::MAP_READ, false),
            Direction::ToDevice => (BufferUsages::COPY_SRC | BufferUsages::MAP_WRITE, true),
        };
        let size = bytes as u64;
        let about = BufferDescriptor { label: None, size, usage, mapped_at_creation };
        Self { buffer: gpu.device.create_buffer(&about), mapping: None }
    }

    /// Has it mapped once the device has come to a point of its queue.
    fn map(&mut self, mode: MapMode, point: SubmissionIndex) {
        let (sender, mapped) = channel();
        // Nobody is left to be told where the receiver is gone.
        self.buffer.slice(..).map_async(mode, move |result| drop(sender.send(result)));
        self.mapping = Some((point, mapped));
    }

    /// Whether it is known that the device has done with it.
    fn is_idle(&mut self) -> bool {
        let Some((_, mapped)) = &self.mapping else { return true };
        let is_mapped = matches!(mapped.try_recv(), Ok(Ok(())));
        if is_mapped {
            self.mapping = None;
        }
        is_mapped
    }

    /// Waits until it is mapped.
    fn wait(&mut self, gpu: &Gpu) -> Result<(), EngineError> {
        let Some((point, mapped)) = self.mapping.take() else { return Ok(()) };
        gpu.wait(&point)?;
        mapped.recv().map_err(EngineError::driver)?.map_err(EngineError::driver)
    }
}
