//! How far a text has become tokens, for whoever wants to show it.

use std::sync::OnceLock;

/// Told how many bytes of a text have become tokens, and of how many.
type Show = fn(u64, u64);

static SHOW: OnceLock<Show> = OnceLock::new();

/// Has `show` told how many bytes of a text have become tokens, and of how many, whenever a text is
/// tokenised; the first one that is given stays. It is called on the thread that opens the data.
pub fn show_progress(show: Show) {
    let _stays = SHOW.set(show);
}

/// Tells how far it has come.
pub(crate) fn progress(done: u64, of: u64) {
    if let Some(show) = SHOW.get() {
        show(done, of);
    }
}
