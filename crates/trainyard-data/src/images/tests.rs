//! Tests of folders of images.

use std::fs;
use std::path::{Path, PathBuf};

use image::{GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::DataSource;
use crate::kind::section;

fn save(image: impl Into<image::DynamicImage>, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.into().save(path).unwrap();
}

fn gray(width: u32, height: u32, first: u8) -> GrayImage {
    GrayImage::from_fn(width, height, |x, y| Luma([first + (x + y * width) as u8]))
}

/// 16 images of 3 × 2 pixels in two classes, one below a folder.
pub(crate) fn sample(folder: &Path) -> Value {
    for number in 0..15 {
        let class = ["cat", "dog"][usize::from(number % 2)];
        let path = folder.join("images").join(class).join(format!("{number}.png"));
        save(gray(3, 2, 16 * number), &path);
    }
    save(gray(3, 2, 3), &folder.join("images/dog/more/x.png"));
    fs::write(folder.join("images/dog/README.txt"), "not an image").unwrap();
    fs::create_dir(folder.join("images/.hidden")).unwrap();
    json!({ "images": folder.join("images"), "validation_fraction": 0.25 })
}

fn options(folder: &Path) -> ImagesOptions {
    ImagesOptions { images: Some(folder.to_owned()), ..ImagesOptions::default() }
}

fn open(options: &ImagesOptions) -> Result<ImagesSource, DataError> {
    ImagesSource::open(options, 0.0)
}

fn error(options: &ImagesOptions) -> String {
    open(options).err().expect("it is refused").to_string()
}

/// Values of the image number `sample`, as bytes.
fn bytes(source: &ImagesSource, sample: u64) -> Vec<u8> {
    match source.gather(std::iter::once(sample)).unwrap().get("image") {
        Some(HostTensor::F32 { values, .. }) => {
            values.iter().map(|value| (value * 255.0).round() as u8).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn in_folder(files: &[(&str, image::DynamicImage)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, image) in files {
        save(image.clone(), &folder.path().join(name));
    }
    let path = folder.path().to_owned();
    (folder, path)
}

fn open_sample(folder: &Path) -> ImagesSource {
    let section = section("images", &sample(folder));
    let options: ImagesOptions = kind::options(&section).unwrap();
    ImagesSource::open(&options, section.validation_fraction).unwrap()
}

#[test]
fn class_folders_are_classes() {
    let folder = tempfile::tempdir().unwrap();
    let source = open_sample(folder.path());
    let info = source.info();
    assert_eq!(info.classes, ["cat", "dog"]);
    assert_eq!((info.samples, info.validation_samples), (Some(12), Some(4)));
    assert_eq!(info.tensors[0].row_shape, [3, 2, 3]);
    let targets: Vec<i32> = source.listed.files.iter().map(|(_, class)| *class).collect();
    assert_eq!(targets, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    // The same names and sizes elsewhere are the same data.
    let other = tempfile::tempdir().unwrap();
    assert_eq!(open_sample(other.path()).info().fingerprint, info.fingerprint);
    fs::remove_file(other.path().join("images/cat/0.png")).unwrap();
    let images = options(&other.path().join("images"));
    let fewer = ImagesSource::open(&images, 0.25).unwrap();
    assert_ne!(fewer.info().fingerprint, info.fingerprint);
}

#[test]
fn channels_come_one_after_the_other() {
    let color = RgbImage::from_fn(2, 1, |x, _| Rgb([10 + x as u8, 20 + x as u8, 30 + x as u8]));
    let clear = RgbaImage::from_pixel(2, 1, Rgba([200, 100, 50, 0]));
    let gray = gray(2, 1, 7);
    let (_kept, folder) = in_folder(&[
        ("c/1.png", color.into()),
        ("c/2.png", clear.into()),
        ("c/3.png", gray.into()),
    ]);
    let source = open(&options(&folder)).unwrap();
    assert_eq!(bytes(&source, 0), [10, 11, 20, 21, 30, 31]);
    assert_eq!(bytes(&source, 1), [200, 200, 100, 100, 50, 50]);
    assert_eq!(bytes(&source, 2), [7, 8, 7, 8, 7, 8]);
    let source = open(&ImagesOptions { color: Color::Gray, ..options(&folder) }).unwrap();
    assert_eq!(source.info().tensors[0].row_shape, [1, 1, 2]);
    assert_eq!(bytes(&source, 2), [7, 8]);
}

#[test]
fn jpeg_is_read_and_names_may_lie() {
    let flat = RgbImage::from_pixel(16, 8, Rgb([120, 60, 200]));
    let (_kept, folder) = in_folder(&[("c/1.jpg", flat.clone().into()), ("c/2.JPEG", flat.into())]);
    fs::rename(folder.join("c/2.JPEG"), folder.join("c/2.png")).unwrap();
    let source = open(&options(&folder)).unwrap();
    assert_eq!(source.info().tensors[0].row_shape, [3, 8, 16]);
    for sample in 0..2 {
        let bytes = bytes(&source, sample);
        assert!(bytes[..128].iter().all(|red| red.abs_diff(120) < 4), "{bytes:?}");
        assert!(bytes[256..].iter().all(|blue| blue.abs_diff(200) < 4));
    }
}

#[test]
fn images_of_another_size_are_named_or_resized() {
    let (_kept, folder) =
        in_folder(&[("a/1.png", gray(4, 3, 0).into()), ("b/2.png", gray(6, 2, 0).into())]);
    let refused = error(&options(&folder));
    assert!(refused.contains("2.png: it is 6 pixels wide and 2 high, but "), "{refused}");
    assert!(refused.contains("1.png is 4 wide and 3 high; set data.size"), "{refused}");
    let resized = ImagesOptions { size: vec![2, 2], color: Color::Gray, ..options(&folder) };
    let source = open(&resized).unwrap();
    assert_eq!(source.info().tensors[0].row_shape, [1, 2, 2]);
    // Weighted means of the left and the right of 0 1 2 3 4 5, and of 6 7 8 9 10 11.
    assert_eq!(bytes(&source, 1).iter().map(|value| value / 3).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let size = |size: &[u32]| error(&ImagesOptions { size: size.to_vec(), ..options(&folder) });
    assert!(size(&[0, 4]).contains("data.size is 0, but must be from 1 to 16384"));
    assert!(size(&[4, u32::MAX]).contains("data.size is 4294967295"));
    assert!(size(&[4]).contains("data.size is [4], but must be [height, width]"));
}

#[test]
fn damaged_images_are_named() {
    let (_kept, folder) =
        in_folder(&[("a/1.png", gray(40, 30, 0).into()), ("a/2.jpg", gray(40, 30, 0).into())]);
    let whole = ["a/1.png", "a/2.jpg"].map(|name| fs::read(folder.join(name)).unwrap());
    let source = open(&options(&folder)).unwrap();
    for (sample, (name, whole)) in ["1.png", "2.jpg"].iter().zip(&whole).enumerate() {
        fs::write(folder.join("a").join(name), &whole[..60]).unwrap();
        let sample = sample as u64;
        let error = source.gather(std::iter::once(sample)).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("replace it or take it away"), "{error}");
        fs::write(folder.join("a").join(name), whole).unwrap();
    }
    fs::write(folder.join("a/2.jpg"), "words").unwrap();
    assert!(error(&options(&folder)).contains("2.jpg: it is"));
    // An image that was exchanged for one of another size.
    save(gray(20, 30, 0), &folder.join("a/1.png"));
    assert!(matches!(source.gather(0..1), Err(DataError::Changed { .. })));
    // A header that claims gigabytes.
    let mut huge = whole[0].clone();
    huge[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let sum = crc(&huge[12..29]);
    huge[29..33].copy_from_slice(&sum.to_be_bytes());
    fs::write(folder.join("a/1.png"), huge).unwrap();
    let error = source.gather(0..1).unwrap_err().to_string();
    assert!(error.contains("it claims to be 65535 pixels wide"), "{error}");
}

/// The check sum of a PNG's chunks.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[test]
fn given_classes_keep_their_numbers() {
    let (_folder, path) =
        in_folder(&[("dog/a.png", gray(2, 2, 9).into()), ("cat/b.png", gray(2, 2, 5).into())]);
    let given = |classes: &[&str]| ImagesOptions {
        images: Some(path.clone()),
        classes: classes.iter().map(ToString::to_string).collect(),
        ..ImagesOptions::default()
    };
    let source = open(&given(&["eel", "dog", "cat"])).unwrap();
    assert_eq!(source.info().classes, ["eel", "dog", "cat"]);
    // The cat is listed first.
    let batch = source.gather(0..2).unwrap();
    let targets = HostTensor::I32 { shape: vec![2], values: vec![2, 1] };
    assert_eq!(batch.get("targets"), Some(&targets));
    let error = |classes| error(&given(classes));
    assert!(error(&["dog", "eel"]).contains("cat: it is none of the classes dog, eel"));
    assert!(error(&["dog", "cat", "dog"]).contains("named once"));
}

#[test]
fn folders_without_classes_are_refused() {
    let (_kept, folder) = in_folder(&[("1.png", gray(4, 3, 0).into())]);
    let refused = error(&options(&folder));
    assert!(
        refused.contains("matches no class folders; put the images of each class"),
        "{refused}"
    );
    fs::create_dir(folder.join("empty")).unwrap();
    let refused = error(&options(&folder));
    assert!(refused.contains("empty matches no PNG or JPEG images"), "{refused}");
    assert!(error(&options(&folder.join("no"))).contains("check the name"));
    assert!(error(&ImagesOptions::default()).contains("data.images is missing"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_image_panics(at in 0..400_usize, byte: u8, cut in 8..400_usize) {
        let (_kept, folder) =
            in_folder(&[("a/1.png", gray(9, 7, 0).into()), ("a/2.jpg", gray(9, 7, 0).into())]);
        for name in ["a/1.png", "a/2.jpg"] {
            let mut bytes = fs::read(folder.join(name)).unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(cut.max(at));
            fs::write(folder.join(name), bytes).unwrap();
        }
        let options = ImagesOptions { size: vec![4, 4], ..options(&folder) };
        let source = open(&options).unwrap();
        for sample in 0..2 {
            let _either = source.gather(std::iter::once(sample));
        }
    }
}
