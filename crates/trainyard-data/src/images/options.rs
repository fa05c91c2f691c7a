//! Options of the source `images`.

use std::path::PathBuf;

use serde::Deserialize;

use crate::error::DataError;

/// The largest height and width that images are resized to.
const LARGEST_SIZE: u32 = 16_384;

/// Options of the source `images`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImagesOptions {
    /// Folder with a folder for each class. Required.
    pub images: PathBuf,
    /// Height and width in pixels, 1 to 16,384 each, that all images are resized to; proportions are
    /// not kept. Default: none, all images have one size already.
    pub size: Option<[u32; 2]>,
    /// Channels: `rgb` or `gray`. Default: `rgb`.
    pub color: Color,
    /// Share of the samples kept for validation, from 0 to 1. Default: 0.1.
    pub validation_fraction: f64,
}

impl Default for ImagesOptions {
    fn default() -> Self {
        let (images, color) = (PathBuf::new(), Color::Rgb);
        Self { images, size: None, color, validation_fraction: 0.1 }
    }
}

/// Channels of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// One channel.
    Gray,
}

impl Color {
    /// Number of channels.
    #[must_use]
    pub fn channels(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Gray => 1,
        }
    }
}

impl ImagesOptions {
    /// Refuses options that are missing or out of range.
    ///
    /// # Errors
    /// [`DataError::BadValue`].
    pub fn check(&self) -> Result<(), DataError> {
        if self.images.as_os_str().is_empty() {
            let must = "the path of a folder with a folder for each class";
            return Err(DataError::bad_value("data.images", "missing", must));
        }
        match self.size {
            Some(size) if size.iter().any(|side| !(1..=LARGEST_SIZE).contains(side)) => {
                let must = format!("[height, width], 1 to {LARGEST_SIZE} each");
                Err(DataError::bad_value("data.size", &format!("{size:?}"), must))
            }
            _ => Ok(()),
        }
    }
}
