//! Options of the source `images`.

use std::path::PathBuf;

use trainyard_config::{BadKey, choices, keys, must};

use crate::kind::named_twice;

choices! {
    /// Channels of an image.
    pub enum Color {
        /// Red, green, blue.
        Rgb = "rgb",
        /// One channel.
        Gray = "gray",
    }
}

keys! {
    /// A folder with a folder of PNG and JPEG images for each class.
    pub struct ImagesOptions in "data", check = check {
        /// The folder.
        images: Option<PathBuf>;
        /// `[height, width]` in pixels, to which all images are resized; not kept in proportion. Where
        /// not given, all images have one size already.
        size: Vec<u32>, in 1..=16_384;
        /// Channels.
        color: Color = Color::Rgb;
        /// Class folders in the order of their numbers, those of other data, say; those found,
        /// sorted, where not given.
        classes: Vec<String>;
    }
}

impl ImagesOptions {
    /// Height and width that all images are resized to; None where they have one size already.
    #[must_use]
    pub fn resized(&self) -> Option<[u32; 2]> {
        self.size.first_chunk().copied()
    }
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

fn check(options: &ImagesOptions) -> Result<(), BadKey> {
    let words = "the path of a folder with a folder for each class";
    must(options.images.is_some(), "images", &"missing", words)?;
    if let Some(twice) = named_twice(&options.classes) {
        must(false, "classes", twice, "named once")?;
    }
    let size = &options.size;
    must(matches!(size.len(), 0 | 2), "size", &format!("{size:?}"), "[height, width]")
}
