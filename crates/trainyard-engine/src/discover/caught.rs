//! Turns a panic of a library into words.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`; a panic inside it becomes an error with the panic's message.
///
/// wgpu and Burn panic on some driver failures, and a failing device must not end the program.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(format!("a library gave up: {message}"))
    })
}

#[cfg(test)]
mod tests {
    use super::caught;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(caught(|| Ok(1)), Ok(1));
        assert_eq!(caught::<u8>(|| Err("no".into())), Err("no".into()));
        let message = caught::<u8>(|| panic!("lost {}", "device")).unwrap_err();
        assert_eq!(message, "a library gave up: lost device");
    }
}
