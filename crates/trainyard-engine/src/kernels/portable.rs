//! Which kernels layers may use.

use std::cell::Cell;

thread_local! {
    static PORTABLE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` with kernels that every device has: on this thread [`portable_kernels`] is true
/// meanwhile.
pub fn with_portable_kernels<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            PORTABLE.set(self.0);
        }
    }
    let _restore = Restore(PORTABLE.replace(true));
    work()
}

/// Whether this thread must leave out kernels of one kind of device, so that what is counted holds
/// on all of them.
pub fn portable_kernels() -> bool {
    PORTABLE.get()
}
