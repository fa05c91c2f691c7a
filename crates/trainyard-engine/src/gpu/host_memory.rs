//! Memory of the host's that devices may have as their own.

use std::ffi::c_void;
use std::sync::Arc;

/// Where it begins and what it has are multiples of this, bytes: drivers ask for 4 to 64 KiB.
pub(super) const PAGE_BYTES: usize = 1 << 16;

/// Memory of the host's that devices copy to and from. The host itself looks at none of it.
#[derive(Debug)]
pub(super) struct HostMemory {
    room: Room,
    bytes: usize,
}

impl HostMemory {
    /// At least so many bytes, all of them 0.
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        let bytes = bytes.next_multiple_of(PAGE_BYTES);
        Arc::new(Self { room: Room::new(bytes), bytes })
    }

    /// Its size.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// Where it begins: at a multiple of [`PAGE_BYTES`].
    pub(super) fn address(&self) -> *mut c_void {
        self.room.address()
    }
}

#[cfg(not(windows))]
use allocated::Room;
#[cfg(windows)]
use pages::Room;

#[cfg(not(windows))]
mod allocated {
    use std::ffi::c_void;
    use std::sync::{Mutex, PoisonError};

    use super::PAGE_BYTES;

    /// A page more than is used. Locked only for its address, which never changes.
    #[derive(Debug)]
    pub(super) struct Room(Mutex<Vec<u8>>);

    impl Room {
        pub(super) fn new(bytes: usize) -> Self {
            Self(Mutex::new(vec![0; bytes + PAGE_BYTES]))
        }

        pub(super) fn address(&self) -> *mut c_void {
            let mut room = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let start = room.as_mut_ptr();
            start.wrapping_add(start.align_offset(PAGE_BYTES)).cast()
        }
    }
}

/// Direct3D 12 takes whole allocations of the system's, which begin at multiples of 64 KiB.
#[cfg(windows)]
mod pages {
    use std::ffi::c_void;
    use std::sync::atomic::{AtomicPtr, Ordering};

    use windows::Win32::System::Memory::{
        MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_READWRITE, VirtualAlloc, VirtualFree,
    };

    /// Null where the system has none left, which no driver takes.
    #[derive(Debug)]
    pub(super) struct Room(AtomicPtr<c_void>);

    impl Room {
        #[expect(unsafe_code, reason = "the system is asked directly")]
        pub(super) fn new(bytes: usize) -> Self {
            // SAFETY: new memory anywhere.
            let start =
                unsafe { VirtualAlloc(None, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) };
            Self(AtomicPtr::new(start))
        }

        pub(super) fn address(&self) -> *mut c_void {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Drop for Room {
        #[expect(unsafe_code, reason = "the system is asked directly")]
        fn drop(&mut self) {
            if !self.address().is_null() {
                // SAFETY: it was allocated by `new`, and no device has it any more. What cannot be freed stays.
                let _ = unsafe { VirtualFree(self.address(), 0, MEM_RELEASE) };
            }
        }
    }
}
