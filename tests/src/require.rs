//! What happens where a test cannot run because something is missing: it is skipped and says so, or,
//! with `TRAINYARD_REQUIRE_ALL=1`, fails. CI sets the variable, so that nothing passes by not
//! running.
//!
//! Tests of crates that cannot depend on this one include the file:
//!
//! ```text
//! #[path = "../../../tests/src/require.rs"]
//! mod require;
//! ```

/// The variable that turns a skipped test into a failed one, unless it is empty or `0`.
const REQUIRE_ALL: &str = "TRAINYARD_REQUIRE_ALL";

/// Says that a test is skipped for want of something, or fails it where nothing may be missing.
/// Afterwards the test returns.
///
/// # Panics
/// With `TRAINYARD_REQUIRE_ALL=1`.
#[track_caller]
pub fn skip(missing: impl std::fmt::Display) {
    let demanded = std::env::var_os(REQUIRE_ALL).is_some_and(|it| !it.is_empty() && it != "0");
    assert!(!demanded, "{missing} ({REQUIRE_ALL} is set, so this is a failure)");
    eprintln!("SKIPPED: {missing}");
}
