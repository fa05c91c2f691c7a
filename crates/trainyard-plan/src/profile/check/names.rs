//! Names that everything in a profile needs.

/// Why a name cannot be shown, if it cannot.
pub(super) fn unreadable(name: &str) -> Option<&'static str> {
    if name.trim().is_empty() {
        Some("it is empty, but everything needs a name")
    } else if name.chars().any(char::is_control) {
        Some("it has a line break or another control character in it; leave that out")
    } else {
        None
    }
}
