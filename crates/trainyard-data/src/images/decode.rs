//! From an image file to values.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use crate::error::DataError;
use crate::images::options::Color;

/// The most memory that decoding one image may take.
const MOST_BYTES: u64 = 512 << 20;

/// Pixels that a byte of a file can stand for at most: 8 of one bit, packed 1032 times.
const PIXELS_A_BYTE: u64 = 8 * 1032;

/// Form in which images are wanted.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) height: u32,
    pub(super) width: u32,
    pub(super) color: Color,
    /// Whether images of another size are resized, rather than refused.
    pub(super) resize: bool,
}

/// Height and width of an image, from its header.
pub(super) fn dimensions(path: &Path) -> Result<[u32; 2], DataError> {
    let reader = ImageReader::open(path).map_err(DataError::io("read", path))?;
    let reader = reader.with_guessed_format().map_err(DataError::io("read", path))?;
    let (width, height) = reader.into_dimensions().map_err(|error| damaged(path, &error))?;
    Ok([height, width])
}

/// Adds an image to `values`, in 0 to 1, channel after channel, each row after row.
pub(super) fn decode(path: &Path, target: &Target, values: &mut Vec<f32>) -> Result<(), DataError> {
    let image = read(path)?;
    let Target { height, width, .. } = *target;
    let fits = (image.width(), image.height()) == (width, height);
    let image = match (fits, target.resize) {
        (true, _) => image,
        (false, true) => image.resize_exact(width, height, FilterType::Triangle),
        (false, false) => return Err(DataError::Changed { name: path.display().to_string() }),
    };
    let float = |byte: &u8| f32::from(*byte) / 255.0;
    match target.color {
        Color::Gray => values.extend(image.to_luma8().iter().map(float)),
        Color::Rgb => {
            let pixels = image.to_rgb8();
            for channel in 0..3 {
                values.extend(pixels.iter().skip(channel).step_by(3).map(float));
            }
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<DynamicImage, DataError> {
    let bytes = fs::read(path).map_err(DataError::io("read", path))?;
    let length = bytes.len() as u64;
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(DataError::io("read", path))?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| damaged(path, &error))?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > length.saturating_mul(PIXELS_A_BYTE) {
        let reason = format!(
            "it claims to be {width} pixels wide and {height} high, too many for its {length} \
             bytes: it is damaged; replace it or take it away"
        );
        return Err(DataError::bad_file(path, reason));
    }
    DynamicImage::from_decoder(decoder).map_err(|error| damaged(path, &error))
}

fn damaged(path: &Path, error: &ImageError) -> DataError {
    let what = match error {
        ImageError::Unsupported(_) => "is no PNG or JPEG image that can be read",
        ImageError::Limits(_) => "is too large",
        _ => "is damaged",
    };
    DataError::bad_file(path, format!("it {what} ({error}); replace it or take it away"))
}
