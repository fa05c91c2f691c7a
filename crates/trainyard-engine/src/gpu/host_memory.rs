//! Memory of the host's that devices may have as their own.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

/// What memory is made of. Drivers ask for addresses and sizes in multiples of 4 to 64 KiB.
#[derive(Clone)]
#[repr(align(65536))]
struct Page([u8; PAGE_BYTES]);

pub(super) const PAGE_BYTES: usize = 1 << 16;

/// Memory of the host's that devices copy to and from. The host itself looks at none of it.
#[derive(Debug)]
pub(super) struct HostMemory {
    /// Not moved, and locked only for its address.
    pages: Mutex<Vec<Page>>,
    bytes: u64,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl HostMemory {
    /// At least so many bytes, all of them 0.
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        let pages = vec![Page([0; PAGE_BYTES]); bytes.div_ceil(PAGE_BYTES)];
        let bytes = (pages.len() * PAGE_BYTES) as u64;
        Arc::new(Self { pages: Mutex::new(pages), bytes })
    }

    /// Its size.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where it begins: at a multiple of [`PAGE_BYTES`].
    pub(super) fn address(&self) -> *mut c_void {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).as_mut_ptr().cast()
    }
}
