//! Counts what each CPU device holds.
//!
//! A GPU's allocator says what is in use; Burn's CPU backend allocates from the program's global
//! allocator, which does not know devices. So a program that wants figures for its CPU devices
//! installs [`CountingAllocator`], and every worker thread says which device it computes for. A
//! block remembers the device that asked for it, so it is credited rightly whoever frees it.
//!
//! Blocks under 4 KiB are not counted: they are not tensors that matter, and counting them would
//! cost more than they weigh.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use mimalloc::MiMalloc;

const COUNTED_FROM_BYTES: usize = 4096;
const ACCOUNTS: usize = 1024;
/// The account of threads that work for no device.
const NOBODY: usize = 0;

static INSTALLED: AtomicBool = AtomicBool::new(false);
static NEXT_ACCOUNT: AtomicUsize = AtomicUsize::new(NOBODY + 1);
static IN_USE: [AtomicI64; ACCOUNTS] = [const { AtomicI64::new(0) }; ACCOUNTS];
static PEAK: [AtomicI64; ACCOUNTS] = [const { AtomicI64::new(0) }; ACCOUNTS];
static LARGEST: [AtomicI64; ACCOUNTS] = [const { AtomicI64::new(0) }; ACCOUNTS];

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(NOBODY) };
}

/// What a device holds, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) in_use: u64,
    /// The most so far; of a device that knows no moment but this, what it holds now.
    pub(crate) peak: u64,
    /// Left empty between tensors by their alignment, where an allocator tells.
    pub(crate) padding: Option<u64>,
    /// Held by an allocator, in use or not, where it tells.
    pub(crate) reserved: Option<u64>,
}

/// The account of one CPU device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryCounter(usize);

impl MemoryCounter {
    /// A new account. A process that opens more CPU devices than there are accounts shares the
    /// last one, and the figures of those devices are then sums.
    pub fn open() -> Self {
        let number = NEXT_ACCOUNT.fetch_add(1, Ordering::Relaxed).min(ACCOUNTS - 1);
        Self(number)
    }

    /// From now on, what this thread allocates is counted here.
    pub fn enter(self) {
        CURRENT.with(|current| current.set(self.0));
    }

    /// Runs `work` on this thread; what it allocates is counted here.
    pub(crate) fn during<T>(self, work: impl FnOnce() -> T) -> T {
        struct Restore(usize);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.with(|current| current.set(self.0));
            }
        }
        let _restore = Restore(CURRENT.replace(self.0));
        work()
    }

    /// Bytes in use now and the most so far; None when the program has not installed the allocator.
    pub fn usage(self) -> Option<(u64, u64)> {
        let read =
            |counter: &AtomicI64| u64::try_from(counter.load(Ordering::Relaxed)).unwrap_or(0);
        INSTALLED.load(Ordering::Relaxed).then(|| (read(&IN_USE[self.0]), read(&PEAK[self.0])))
    }

    /// The largest block since [`Self::restart_peak`]; None when the program has not installed the
    /// allocator.
    pub fn largest(self) -> Option<u64> {
        let largest = LARGEST[self.0].load(Ordering::Relaxed);
        INSTALLED.load(Ordering::Relaxed).then(|| u64::try_from(largest).unwrap_or(0))
    }

    /// Forgets the most so far, and the largest block: from now on they are those since this call.
    pub fn restart_peak(self) {
        LARGEST[self.0].store(0, Ordering::Relaxed);
        PEAK[self.0].store(IN_USE[self.0].load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// mimalloc, with a count for each CPU device.
///
/// Training frees and asks again for the same large tensors every step. The C library gives such
/// blocks back to the operating system, which then maps and clears their pages anew each time;
/// mimalloc (Leijen, Zorn, de Moura 2019) keeps them.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

/// The least alignment of a counted block: a cache line, so that no vector load straddles two. A
/// header as narrow as a `Vec<f32>` asks for would put every tensor across them.
const BLOCK_ALIGNMENT: usize = 64;

/// A counted block starts with a header that holds its account, as wide as its alignment asks.
fn with_header(layout: Layout) -> Option<(Layout, usize)> {
    if layout.size() < COUNTED_FROM_BYTES {
        return None;
    }
    let header = layout.align().max(BLOCK_ALIGNMENT);
    let size = layout.size().checked_add(header)?;
    Some((Layout::from_size_align(size, header).ok()?, header))
}

fn count(account: usize, bytes: i64) {
    let now = IN_USE[account].fetch_add(bytes, Ordering::Relaxed) + bytes;
    if bytes > 0 {
        PEAK[account].fetch_max(now, Ordering::Relaxed);
        if bytes > LARGEST[account].load(Ordering::Relaxed) {
            LARGEST[account].fetch_max(bytes, Ordering::Relaxed);
        }
    }
}

impl CountingAllocator {
    #[expect(unsafe_code, reason = "a global allocator cannot be written without")]
    #[expect(clippy::cast_ptr_alignment, reason = "the block starts at a multiple of 64")]
    fn counted(layout: Layout, allocate: unsafe fn(Layout) -> *mut u8) -> *mut u8 {
        let Some((whole, header)) = with_header(layout) else {
            // SAFETY: the layout is the caller's, passed on unchanged.
            return unsafe { allocate(layout) };
        };
        INSTALLED.store(true, Ordering::Relaxed);
        // SAFETY: `whole` has a size above zero.
        let base = unsafe { allocate(whole) };
        if base.is_null() {
            return base;
        }
        let account = CURRENT.try_with(Cell::get).unwrap_or(NOBODY);
        count(account, layout.size().cast_signed() as i64);
        // SAFETY: the block is `header` bytes longer than asked and aligned to `header`, which is
        // a multiple of usize's alignment and at least its size.
        unsafe {
            base.cast::<usize>().write(account);
            base.add(header)
        }
    }
}

// SAFETY: every block comes from mimalloc with a layout at least as large and as
// aligned as asked; the same layout arithmetic finds the start of the block again in `dealloc`.
#[expect(unsafe_code, reason = "a global allocator cannot be written without")]
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::counted(layout, |layout| {
            // SAFETY: the caller of `alloc` promises a layout of nonzero size.
            unsafe { MiMalloc.alloc(layout) }
        })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::counted(layout, |layout| {
            // SAFETY: the caller of `alloc_zeroed` promises a layout of nonzero size.
            unsafe { MiMalloc.alloc_zeroed(layout) }
        })
    }

    #[expect(clippy::cast_ptr_alignment, reason = "the block starts at a multiple of 64")]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let Some((whole, header)) = with_header(layout) else {
            // SAFETY: a block this small was passed through in `alloc`.
            return unsafe { MiMalloc.dealloc(pointer, layout) };
        };
        // SAFETY: a block this large got a header in front, in `counted`.
        unsafe {
            let base = pointer.sub(header);
            count(base.cast::<usize>().read(), -(layout.size().cast_signed() as i64));
            MiMalloc.dealloc(base, whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_credited_to_the_thread_that_asked_for_it() {
        let allocator = CountingAllocator;
        let account = MemoryCounter::open();
        account.enter();
        let layout = Layout::from_size_align(1 << 20, 1).unwrap();
        #[expect(unsafe_code, reason = "calls the allocator as the runtime does")]
        // SAFETY: the layout has a size, and the block is freed once with the same layout.
        unsafe {
            let pointer = allocator.alloc(layout);
            assert_eq!(pointer as usize % 64, 0);
            pointer.write_bytes(7, layout.size());
            assert_eq!(account.usage(), Some((1 << 20, 1 << 20)));
            let address = pointer as usize;
            std::thread::scope(|scope| {
                scope.spawn(move || CountingAllocator.dealloc(address as *mut u8, layout));
            });
        }
        assert_eq!(account.usage(), Some((0, 1 << 20)));
        assert_eq!(account.largest(), Some(1 << 20));
        account.restart_peak();
        assert_eq!((account.usage(), account.largest()), (Some((0, 0)), Some(0)));
    }
}
