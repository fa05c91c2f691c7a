//! Where tensors lie in memory that a link keeps, and the copies there and back.

use wgpu::{Buffer, CommandEncoder};

use super::buffer::TensorBuffer;
use crate::EngineError;

/// Tensors begin at multiples of this, bytes: what mapping and the widest element ask for.
const ALIGNMENT: usize = 16;

/// Where some tensors lie in a slot.
pub(super) struct Layout {
    /// Offset and length of each, bytes.
    pub(super) pieces: Vec<(usize, usize)>,
    pub(super) bytes: usize,
}

impl Layout {
    /// For tensors of these sizes in bytes, one behind the other.
    pub(super) fn of(sizes: impl Iterator<Item = u64>) -> Self {
        let mut end = 0;
        let pieces = sizes
            .map(|size| {
                let piece = (end, size as usize);
                end += piece.1.next_multiple_of(ALIGNMENT);
                piece
            })
            .collect();
        // Zero bytes cannot be mapped.
        Self { pieces, bytes: end.max(ALIGNMENT) }
    }

    /// Copies tensors into a slot.
    pub(super) fn copy_in(
        &self,
        encoder: &mut CommandEncoder,
        tensors: &[TensorBuffer],
        slot: &Buffer,
    ) {
        for (from, (offset, bytes)) in tensors.iter().zip(&self.pieces) {
            let (offset, size) = (*offset as u64, whole_words(*bytes));
            encoder.copy_buffer_to_buffer(from.buffer(), from.offset(), slot, offset, size);
        }
    }

    /// Copies a slot into tensors of the same sizes.
    ///
    /// # Errors
    /// [`EngineError::Internal`] for a tensor that is too small.
    pub(super) fn copy_out(
        &self,
        encoder: &mut CommandEncoder,
        slot: &Buffer,
        tensors: &[TensorBuffer],
    ) -> Result<(), EngineError> {
        for (to, (offset, bytes)) in tensors.iter().zip(&self.pieces) {
            let (offset, size) = (*offset as u64, whole_words(*bytes));
            if (*bytes as u64) > to.bytes() {
                let there = to.bytes();
                let found = format!("a tensor of {there} bytes for {bytes} that came");
                return Err(EngineError::internal(found));
            }
            encoder.copy_buffer_to_buffer(slot, offset, to.buffer(), to.offset(), size);
        }
        Ok(())
    }
}

/// What is copied for some bytes: wgpu copies whole words, and Burn leaves room for them.
fn whole_words(bytes: usize) -> u64 {
    (bytes as u64).next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT)
}
