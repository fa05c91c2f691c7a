//! Host memory that two devices have in common: what one copies there the other copies from there, and
//! the host moves nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::DispatchTensor;
use wgpu::{Buffer, BufferTransition, BufferUses, SubmissionIndex};

use super::Gpu;
use super::buffer::TensorBuffer;
use super::host_memory::{HostMemory, PAGE_BYTES};
use super::imported::{can_import, import};
use super::layout::Layout;
use super::staging::{MOST_ROOM, MOST_UNREAD};
use crate::EngineError;

/// The slots of a link.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    source: Gpu,
    target: Gpu,
    /// Those that the target has been told to copy, the last at the end; it may still be at it.
    free: Mutex<VecDeque<Slot>>,
}

/// A piece of memory as each of the devices knows it.
#[derive(Debug)]
struct Slot {
    at_source: Buffer,
    at_target: Buffer,
    /// The point in the target's queue behind which it is read.
    read: Option<SubmissionIndex>,
}

/// Tensors on their way from the one device to the other.
pub(crate) struct SharedTransfer {
    memory: Arc<SharedMemory>,
    slot: Slot,
    layout: Layout,
    /// Where in the source's queue the tensors are computed, and where they are copied.
    computed: SubmissionIndex,
    copied: SubmissionIndex,
}

impl SharedMemory {
    /// For a link between two devices that can have memory in common.
    pub(crate) fn between(source: &Gpu, target: &Gpu) -> Option<Arc<Self>> {
        let both = can_import(source) && can_import(target);
        let new =
            || Self { source: source.clone(), target: target.clone(), free: Mutex::default() };
        both.then(|| Arc::new(new()))
    }

    /// Whether both devices have buffers large enough for tensors of these sizes together.
    pub(crate) fn holds(&self, sizes: impl Iterator<Item = u64>) -> bool {
        let most = [&self.source, &self.target].map(|gpu| gpu.device.limits().max_buffer_size);
        let bytes = Layout::of(sizes).bytes.next_multiple_of(PAGE_BYTES) as u64;
        most.iter().all(|most| bytes <= *most)
    }

    /// Asks the source to copy tensors, given with their sizes, right behind what computes them.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    pub(crate) fn begin(
        self: &Arc<Self>,
        tensors: Vec<(DispatchTensor, u64)>,
    ) -> Result<SharedTransfer, EngineError> {
        let layout = Layout::of(tensors.iter().map(|(_, bytes)| *bytes));
        let buffers = TensorBuffer::of_all(tensors.into_iter().map(|(tensor, _)| tensor))?;
        let slot = self.slot(layout.bytes)?;
        let computed = self.source.point();
        let mut encoder = self.source.encoder();
        layout.copy_in(&mut encoder, &buffers, &slot.at_source);
        // Waiting for the copy alone does not show it to anybody but the source.
        let to_host = BufferTransition { buffer: &slot.at_source, state: BufferUses::MAP_READ };
        encoder.transition_resources([to_host].into_iter(), [].into_iter());
        let copied = self.source.queue.submit([encoder.finish()]);
        Ok(SharedTransfer { memory: Arc::clone(self), slot, layout, computed, copied })
    }

    /// A slot of at least some bytes.
    fn slot(&self, bytes: usize) -> Result<Slot, EngineError> {
        let slot = self.free_slot()?;
        let sizes = bytes as u64..=(bytes as u64).saturating_mul(MOST_ROOM).max(PAGE_BYTES as u64);
        match slot.filter(|slot| sizes.contains(&slot.at_source.size())) {
            Some(slot) => Ok(slot),
            None => Slot::new(&self.source, &self.target, bytes),
        }
    }

    /// The one that was used longest ago, unless the target may still be reading it.
    fn free_slot(&self) -> Result<Option<Slot>, EngineError> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(point) = free.front().and_then(|slot| slot.read.clone()) else { return Ok(None) };
        if free.len() >= MOST_UNREAD {
            self.target.wait(&point)?;
        } else if !self.target.has_come_to(&point)? {
            return Ok(None);
        }
        Ok(free.pop_front())
    }
}

impl SharedTransfer {
    /// Waits until the tensors are computed, and no longer.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    pub(crate) fn wait_until_computed(&self) -> Result<(), EngineError> {
        self.memory.source.wait(&self.computed)
    }

    /// Waits until the target may copy them.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    pub(crate) fn wait_until_copied(&self) -> Result<(), EngineError> {
        self.memory.source.wait(&self.copied)
    }

    /// Asks the target to copy what was copied into tensors of the same sizes, before whatever it is
    /// asked for next.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    pub(crate) fn finish(
        self,
        tensors: impl IntoIterator<Item = DispatchTensor>,
    ) -> Result<(), EngineError> {
        let Self { memory, mut slot, layout, .. } = self;
        let buffers = TensorBuffer::of_all(tensors)?;
        let mut encoder = memory.target.encoder();
        layout.copy_out(&mut encoder, &slot.at_target, &buffers)?;
        slot.read = Some(memory.target.queue.submit([encoder.finish()]));
        memory.free.lock().unwrap_or_else(PoisonError::into_inner).push_back(slot);
        Ok(())
    }
}

impl Slot {
    fn new(source: &Gpu, target: &Gpu, bytes: usize) -> Result<Self, EngineError> {
        let memory = HostMemory::new(bytes);
        let (at_source, at_target) = (import(source, &memory)?, import(target, &memory)?);
        Ok(Self { at_source, at_target, read: None })
    }
}
