//! Memory of the host's that devices may have as their own.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

/// Where it begins and what it has are multiples of this, bytes: drivers ask for 4 to 64 KiB.
pub(super) const PAGE_BYTES: usize = 1 << 16;

/// Memory of the host's that devices copy to and from. The host itself looks at none of it.
#[derive(Debug)]
pub(super) struct HostMemory {
    /// A page more than is used. Locked only for its address, which never changes.
    room: Mutex<Vec<u8>>,
    bytes: usize,
}

impl HostMemory {
    /// At least so many bytes, all of them 0.
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        let bytes = bytes.next_multiple_of(PAGE_BYTES);
        Arc::new(Self { room: Mutex::new(vec![0; bytes + PAGE_BYTES]), bytes })
    }

    /// Its size.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// Where it begins: at a multiple of [`PAGE_BYTES`].
    pub(super) fn address(&self) -> *mut c_void {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let start = room.as_mut_ptr();
        start.wrapping_add(start.align_offset(PAGE_BYTES)).cast()
    }
}
