//! Whether a disk has room for what a training writes.

use std::path::Path;

use trainyard_plan::memory::human_bytes;

use crate::cli::say;
use crate::error::RunError;

/// Room for the journal and what else is small, bytes.
const BESIDE_BYTES: u64 = 64 << 10;

/// Refuses a directory whose disk has no room for one checkpoint of so many bytes, and says where
/// there is none for as many as are to be kept. A disk that does not say how much is free is believed
/// to have room.
///
/// # Errors
/// [`RunError::NoRoom`].
pub(crate) fn check_room(directory: &Path, checkpoint: u64, keep: usize) -> Result<(), RunError> {
    let Ok(free) = fs4::available_space(directory) else { return Ok(()) };
    let needs =
        |checkpoints: u64| checkpoint.saturating_mul(checkpoints).saturating_add(BESIDE_BYTES);
    if needs(1) > free {
        let path = directory.to_owned();
        return Err(RunError::NoRoom { path, checkpoint, needed: needs(1), free });
    }
    // A new one is whole before an old one goes.
    let at_most = needs(keep as u64 + 1);
    if at_most > free {
        say(format_args!(
            "{} has {} free; {} checkpoints of {} need {}: a smaller train.keep_checkpoints needs less",
            directory.display(),
            human_bytes(free),
            keep + 1,
            human_bytes(checkpoint),
            human_bytes(at_most)
        ));
    }
    Ok(())
}
