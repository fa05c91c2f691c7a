//! `images`: a folder with a folder of PNG and JPEG files for each class.
//!
//! The names of the class folders in sorted order are the classes; the files in one, and in the
//! folders below it, are its samples. Images are decoded when they are asked for.

mod decode;
mod list;
mod options;
#[cfg(test)]
pub(crate) mod tests;

use trainyard_config::KeyGroup;

use crate::batch::{Batch, DType, HostTensor};
use crate::error::DataError;
use crate::files;
use crate::kind::{self, Source};
use crate::numbered::NumberedSource;
use crate::order::Split;
use crate::source::{DataInfo, TensorInfo, Unit};
use decode::{Target, decode, dimensions};
use list::{Listed, list};

pub use options::{Color, ImagesOptions};

/// The line of the registry.
pub(crate) const SOURCE: Source = Source {
    group: KeyGroup::of::<ImagesOptions>("images").named_by("images"),
    open: |section| {
        let options = kind::options(section)?;
        Ok(Box::new(ImagesSource::open(&options, section.validation_fraction)?))
    },
    #[cfg(test)]
    sample: tests::sample,
};

/// Images of class folders: `image` `[rows, channels, height, width]` f32 in 0 to 1 (red, green, blue;
/// or gray), and `targets` `[rows]` i32 class numbers. Transparency is left out, deeper colours become
/// 8 bits a channel, and rotations that a camera noted are not made.
pub struct ImagesSource {
    listed: Listed,
    target: Target,
    split: Split,
    info: DataInfo,
}

impl ImagesSource {
    /// Lists a folder of class folders. Without a `size` the header of each image is read.
    ///
    /// # Errors
    /// [`DataError::BadValue`] for options that make no sense; [`DataError::NoFiles`] for a folder
    /// without class folders or images; [`DataError::BadFile`] for a damaged image or, without a
    /// `size`, one of another size than the first; [`DataError::Io`], [`DataError::TooFew`].
    pub fn open(options: &ImagesOptions, validation_fraction: f64) -> Result<Self, DataError> {
        kind::check(options)?;
        let folder = options.images.clone().unwrap_or_default();
        let listed = list(&folder, &options.classes)?;
        let resized = options.resized();
        let [height, width] = match resized {
            Some(size) => size,
            None => common_size(&listed)?,
        };
        let target = Target { height, width, color: options.color, resize: resized.is_some() };
        let name = folder.display().to_string();
        let split = Split::new(listed.files.len() as u64, validation_fraction, &name)?;
        let shape = [options.color.channels(), height as usize, width as usize];
        let info = DataInfo {
            name,
            fingerprint: files::fingerprint(
                &listed.fingerprint,
                &[
                    ("shape", format!("{shape:?}")),
                    ("training", split.training_samples().to_string()),
                ],
            ),
            tensors: vec![
                TensorInfo::new("image", shape, DType::F32),
                TensorInfo::new("targets", [], DType::I32),
            ],
            classes: listed.classes.clone(),
            vocabulary: Vec::new(),
            token_count: 0,
            samples: Some(split.training_samples()),
            validation_samples: Some(split.validation_samples()),
            items_per_row: 1,
            unit: Unit::Rows,
            remarks: Vec::new(),
        };
        Ok(Self { listed, target, split, info })
    }
}

/// Height and width that all images have.
fn common_size(listed: &Listed) -> Result<[u32; 2], DataError> {
    let mut common = None;
    for (file, _) in &listed.files {
        let size = dimensions(file)?;
        let (first, expected) = *common.get_or_insert((file, size));
        if size != expected {
            let [height, width] = expected;
            let reason = format!(
                "it is {} pixels wide and {} high, but {} is {width} wide and {height} high; set \
                 data.size to [height, width] to have all images resized",
                size[1],
                size[0],
                first.display()
            );
            return Err(DataError::bad_file(file, reason));
        }
    }
    Ok(common.map_or([0, 0], |(_, size)| size))
}

impl NumberedSource for ImagesSource {
    fn parts(&self) -> (&DataInfo, &Split) {
        (&self.info, &self.split)
    }

    fn gather(&self, samples: impl Iterator<Item = u64>) -> Result<Batch, DataError> {
        let (mut values, mut targets) = (Vec::new(), Vec::new());
        for sample in samples {
            let (file, class) = &self.listed.files[sample as usize];
            decode(file, &self.target, &mut values)?;
            targets.push(*class);
        }
        let rows = targets.len();
        let shape = self.info.tensors[0].row_shape.iter().copied();
        let shape = std::iter::once(rows).chain(shape).collect();
        let tensors = vec![
            ("image".to_owned(), HostTensor::F32 { shape, values }),
            ("targets".to_owned(), HostTensor::I32 { shape: vec![rows], values: targets }),
        ];
        Batch::new(tensors, rows)
    }
}
