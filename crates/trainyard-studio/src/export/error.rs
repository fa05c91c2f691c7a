//! Why something could not be exported.

use std::io;
use std::path::PathBuf;

/// Why something could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file could not be written; an older one of that name is as it was.
    #[error("cannot write {}: {source}; {}", path.display(), remedy(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A picture that the graphics card could not paint.
    #[error(
        "the graphics driver cannot paint the picture: {reason}; export it as SVG, which needs none"
    )]
    Paint {
        /// What it says.
        reason: String,
    },
    /// A picture that could not be encoded.
    #[error("cannot make a PNG of {width}×{height} pixels: {reason}; export it as SVG")]
    Encode {
        /// Its width, pixels.
        width: usize,
        /// Its height, pixels.
        height: usize,
        /// What the encoder says.
        reason: String,
    },
}

/// What a person can do about it.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "the folder does not exist: make it, or choose another",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a folder and a name that you may write to"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or choose another disk"
        }
        io::ErrorKind::IsADirectory | io::ErrorKind::InvalidFilename => "choose another name",
        _ => "choose another place, or try again",
    }
}
