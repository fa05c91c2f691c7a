//! `idx`: images and labels in IDX files, the format of MNIST and Fashion-MNIST.
//!
//! An IDX file is a header (two zero bytes, a byte for the element type, a byte for the number of
//! dimensions, each dimension as a big-endian 32-bit number) and the elements, big-endian, row-major.

mod header;
#[cfg(test)]
pub(crate) mod tests;

use std::path::{Path, PathBuf};

use trainyard_config::{BadKey, KeyGroup, keys, must};

use crate::batch::{Batch, DType, HostTensor};
use crate::error::DataError;
use crate::files::{self, Stored, arrays, hash_of, open_one};
use crate::kind::{self, Source};
use crate::numbered::NumberedSource;
use crate::order::Split;
use crate::source::{DataInfo, TensorInfo, Unit};
use header::{Element, Header};

/// The most classes that labels may name; more are no classes.
const MOST_CLASSES: i32 = 65_536;

/// How much of the labels is read at once: a multiple of every element's size, so that none is cut.
const PIECE_BYTES: usize = 1 << 20;

/// The line of the registry.
pub(crate) const SOURCE: Source = Source {
    group: KeyGroup::of::<IdxOptions>("idx").named_by("idx"),
    open: |section| {
        let options = kind::options(section)?;
        Ok(Box::new(IdxSource::open(&options, section.validation_fraction)?))
    },
    #[cfg(test)]
    sample: tests::sample,
};

keys! {
    /// Images and labels in IDX files, the format of MNIST.
    pub struct IdxOptions in "data", check = check {
        /// The images, as `[samples, height, width]` or `[samples, channels, height, width]`; `.gz` is
        /// unpacked.
        idx: Option<PathBuf>;
        /// The labels, as `[samples]`; `.gz` is unpacked.
        labels: Option<PathBuf>;
        /// Names of the classes 0, 1, …; their numbers where not given.
        classes: Vec<String>;
    }
}

fn check(options: &IdxOptions) -> Result<(), BadKey> {
    let words = "the path of an IDX file";
    must(options.idx.is_some(), "idx", &"missing", words)?;
    must(options.labels.is_some(), "labels", &"missing", words)
}

/// Images of IDX files: `image` `[rows, channels, height, width]` f32 (bytes as 0 to 1, other elements
/// as they are), and `targets` `[rows]` i32 class numbers. The images stay on disk, or where they were
/// unpacked.
pub struct IdxSource {
    images: Stored,
    header: Header,
    /// Channels, height, width.
    shape: [usize; 3],
    labels: Vec<i32>,
    split: Split,
    info: DataInfo,
}

impl IdxSource {
    /// Opens two IDX files.
    ///
    /// # Errors
    /// [`DataError::BadValue`] for options that make no sense; [`DataError::BadFile`] for what is
    /// no IDX file, has another size than its header says, or does not fit the other file;
    /// [`DataError::Io`], [`DataError::TooFew`].
    pub fn open(options: &IdxOptions, validation_fraction: f64) -> Result<Self, DataError> {
        kind::check(options)?;
        let [idx, labels_file] =
            [&options.idx, &options.labels].map(|path| path.clone().unwrap_or_default());
        let images = open_one(&idx)?;
        let header = Header::read(&images)?;
        let shape = image_shape(&header, images.path())?;
        let stored_labels = open_one(&labels_file)?;
        let labels = read_labels(&stored_labels)?;
        let samples = header.sizes[0];
        if labels.len() != samples {
            let reason = format!(
                "it has {} labels for the {samples} images of {}; name the labels of these images",
                labels.len(),
                idx.display()
            );
            return Err(DataError::bad_file(&labels_file, reason));
        }
        let classes = class_names(&labels, &options.classes, &labels_file)?;
        let name = idx.display().to_string();
        let split = Split::new(samples as u64, validation_fraction, &name)?;
        let info = DataInfo {
            name,
            fingerprint: files::fingerprint(
                &hash_of(&[&images, &stored_labels])?,
                &[("training", split.training_samples().to_string())],
            ),
            tensors: vec![
                TensorInfo::new("image", shape, DType::F32),
                TensorInfo::new("targets", [], DType::I32),
            ],
            classes,
            vocabulary: Vec::new(),
            token_count: 0,
            samples: Some(split.training_samples()),
            validation_samples: Some(split.validation_samples()),
            items_per_row: 1,
            unit: Unit::Rows,
            remarks: Vec::new(),
        };
        Ok(Self { images, header, shape, labels, split, info })
    }
}

fn image_shape(header: &Header, path: &Path) -> Result<[usize; 3], DataError> {
    match header.sizes[..] {
        [_, height, width] if height > 0 && width > 0 => Ok([1, height, width]),
        [_, channels, height, width] if channels > 0 && height > 0 && width > 0 => {
            Ok([channels, height, width])
        }
        _ => {
            let reason = format!(
                "its dimensions are {:?}, but images have [samples, height, width] or [samples, \
                 channels, height, width]; name a file of images",
                header.sizes
            );
            Err(DataError::bad_file(path, reason))
        }
    }
}

fn read_labels(stored: &Stored) -> Result<Vec<i32>, DataError> {
    let header = Header::read(stored)?;
    let wrong = |what: String| {
        DataError::bad_file(stored.path(), format!("{what}; name a file of labels, [samples]"))
    };
    if header.sizes.len() != 1 {
        return Err(wrong(format!("its dimensions are {:?}", header.sizes)));
    }
    let mut labels = Vec::new();
    for piece in stored.pieces(header.data_offset(), PIECE_BYTES) {
        let fits = header.element.integers(&piece?, &mut labels);
        if !fits {
            return Err(wrong(format!("its elements are {}", header.element.name())));
        }
    }
    Ok(labels)
}

fn class_names(labels: &[i32], given: &[String], path: &Path) -> Result<Vec<String>, DataError> {
    let smallest = labels.iter().copied().min().unwrap_or(0);
    let largest = labels.iter().copied().max().unwrap_or(0);
    if smallest < 0 || largest >= MOST_CLASSES {
        let reason = format!(
            "its labels are {smallest} to {largest}, but class numbers go from 0 to {} at most; \
             name a file of labels",
            MOST_CLASSES - 1
        );
        return Err(DataError::bad_file(path, reason));
    }
    if given.is_empty() {
        return Ok((0..=largest).map(|class| class.to_string()).collect());
    }
    if given.len() <= largest as usize {
        let must = format!("{} names: {} has the label {largest}", largest + 1, path.display());
        return Err(DataError::bad_value("data.classes", &format!("{} names", given.len()), must));
    }
    Ok(given.to_vec())
}

impl NumberedSource for IdxSource {
    fn parts(&self) -> (&DataInfo, &Split) {
        (&self.info, &self.split)
    }

    fn gather(&self, samples: impl Iterator<Item = u64>) -> Result<Batch, DataError> {
        let row_bytes = self.header.row_elements() * self.header.element.bytes();
        let mut bytes = vec![0; row_bytes];
        let (mut values, mut targets) = (Vec::new(), Vec::new());
        for sample in samples {
            let offset = self.header.data_offset() + sample * row_bytes as u64;
            self.images.read_at(offset, &mut bytes)?;
            self.header.element.floats(&bytes, &mut values);
            targets.push(self.labels[sample as usize]);
        }
        let rows = targets.len();
        let shape = std::iter::once(rows).chain(self.shape).collect();
        let tensors = vec![
            ("image".to_owned(), HostTensor::F32 { shape, values }),
            ("targets".to_owned(), HostTensor::I32 { shape: vec![rows], values: targets }),
        ];
        Batch::new(tensors, rows)
    }
}

impl Element {
    /// Adds the elements in `bytes` to `values`; bytes become 0 to 1.
    fn floats(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::U8 => values.extend(bytes.iter().map(|&byte| f32::from(byte) / 255.0)),
            Self::I8 => values.extend(bytes.iter().map(|&byte| f32::from(byte.cast_signed()))),
            Self::I16 => values.extend(arrays(bytes).map(|it| f32::from(i16::from_be_bytes(it)))),
            Self::I32 => values.extend(arrays(bytes).map(|it| i32::from_be_bytes(it) as f32)),
            Self::F32 => values.extend(arrays(bytes).map(f32::from_be_bytes)),
            Self::F64 => values.extend(arrays(bytes).map(|it| f64::from_be_bytes(it) as f32)),
        }
    }

    /// Adds the elements in `bytes` to `values`; refuses floats.
    fn integers(self, bytes: &[u8], values: &mut Vec<i32>) -> bool {
        match self {
            Self::U8 => values.extend(bytes.iter().map(|&byte| i32::from(byte))),
            Self::I8 => values.extend(bytes.iter().map(|&byte| i32::from(byte.cast_signed()))),
            Self::I16 => values.extend(arrays(bytes).map(|it| i32::from(i16::from_be_bytes(it)))),
            Self::I32 => values.extend(arrays(bytes).map(i32::from_be_bytes)),
            Self::F32 | Self::F64 => return false,
        }
        true
    }
}
