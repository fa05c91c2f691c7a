//! Tests of IDX files.

use std::fs;
use std::io::Write;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::DataSource;
use crate::kind::section;

fn idx(code: u8, sizes: &[u32], elements: &[u8]) -> Vec<u8> {
    let sizes_bytes = sizes.iter().flat_map(|size| size.to_be_bytes());
    [0, 0, code, sizes.len() as u8]
        .into_iter()
        .chain(sizes_bytes)
        .chain(elements.iter().copied())
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// 20 images of 2 × 3 pixels, the labels compressed.
pub(crate) fn sample(folder: &Path) -> Value {
    let (images, labels) = (folder.join("images"), folder.join("labels.gz"));
    let pixels: Vec<u8> = (0..120).collect();
    fs::write(&images, idx(8, &[20, 2, 3], &pixels)).unwrap();
    let classes: Vec<u8> = (0..20).map(|label| label % 3).collect();
    fs::write(&labels, gzip(&idx(8, &[20], &classes))).unwrap();
    json!({ "idx": images, "labels": labels, "validation_fraction": 0.2 })
}

fn open(images: &[u8], labels: &[u8]) -> Result<IdxSource, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let (idx, at) = (folder.path().join("images"), folder.path().join("labels"));
    fs::write(&idx, images).unwrap();
    fs::write(&at, labels).unwrap();
    let options = IdxOptions { idx: Some(idx), labels: Some(at), ..IdxOptions::default() };
    IdxSource::open(&options, 0.0)
}

fn error(images: &[u8], labels: &[u8]) -> String {
    open(images, labels).err().expect("it is refused").to_string()
}

fn pixels(batch: &Batch) -> &[f32] {
    match batch.get("image") {
        Some(HostTensor::F32 { values, .. }) => values,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bytes_become_0_to_1_and_other_elements_stay() {
    let source = open(&idx(8, &[2, 1, 3], &[0, 51, 255, 1, 2, 3]), &idx(8, &[2], &[4, 0])).unwrap();
    let batch = source.gather(0..2).unwrap();
    assert_eq!(batch.get("image").unwrap().shape(), [2, 1, 1, 3]);
    assert_eq!(pixels(&batch)[..4], [0.0, 0.2, 1.0, 1.0 / 255.0]);
    let targets = HostTensor::I32 { shape: vec![2], values: vec![4, 0] };
    assert_eq!(batch.get("targets"), Some(&targets));
    assert_eq!(source.info().classes, ["0", "1", "2", "3", "4"]);
    let label = idx(8, &[1], &[0]);
    let value = |code, bytes: &[u8]| {
        let source = open(&idx(code, &[1, 1, 1], bytes), &label).unwrap();
        pixels(&source.gather(0..1).unwrap())[0].to_bits()
    };
    assert_eq!(value(9, &[0xfe]), (-2_f32).to_bits());
    assert_eq!(value(11, &(-300_i16).to_be_bytes()), (-300_f32).to_bits());
    assert_eq!(value(12, &70_000_i32.to_be_bytes()), 70_000_f32.to_bits());
    assert_eq!(value(13, &0.1_f32.to_be_bytes()), 0.1_f32.to_bits());
    assert_eq!(value(14, &0.1_f64.to_be_bytes()), 0.1_f32.to_bits());
    let channels = open(&idx(8, &[1, 3, 1, 2], &[0; 6]), &label).unwrap();
    assert_eq!(channels.info().tensors[0].row_shape, [3, 1, 2]);
}

#[test]
fn labels_may_be_any_integers_that_name_classes() {
    let images = idx(8, &[2, 1, 1], &[0, 0]);
    let labels = |code, bytes: &[u8]| open(&images, &idx(code, &[2], bytes)).map(|it| it.labels);
    assert_eq!(labels(9, &[1, 2]).unwrap(), [1, 2]);
    assert_eq!(labels(11, &[1, 0, 0, 2]).unwrap(), [256, 2]);
    assert_eq!(labels(12, &[0, 0, 0, 1, 0, 0, 1, 0]).unwrap(), [1, 256]);
    let refused = |code, bytes: &[u8]| labels(code, bytes).unwrap_err().to_string();
    assert!(refused(9, &[1, 0xff]).contains("its labels are -1 to 1, but class numbers go from 0"));
    assert!(refused(12, &[0, 0, 0, 1, 0x7f, 0, 0, 0]).contains("to 65535 at most"));
    assert!(refused(13, &[0; 8]).contains("its elements are 32-bit floats; name a file of labels"));
}

#[test]
fn names_of_classes_may_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let sample = section("idx", &sample(folder.path()));
    let mut options: IdxOptions = kind::options(&sample).unwrap();
    options.classes = ["shirt", "shoe", "bag", "hat"].map(str::to_owned).to_vec();
    assert_eq!(IdxSource::open(&options, 0.2).unwrap().info().classes[3], "hat");
    options.classes.truncate(2);
    let error = IdxSource::open(&options, 0.2).err().unwrap().to_string();
    assert!(error.contains("data.classes is 2 names, but must be 3 names"), "{error}");
    let error = IdxSource::open(&IdxOptions::default(), 0.2).err().unwrap().to_string();
    assert!(error.contains("data.idx is missing"), "{error}");
}

#[test]
fn headers_are_checked_against_the_file() {
    let (images, label) = (idx(8, &[1, 2, 2], &[0; 4]), idx(8, &[1], &[0]));
    assert!(open(&images, &label).is_ok());
    // A header that claims terabytes is refused before anything is allocated for it.
    let huge = error(&idx(14, &[u32::MAX, u32::MAX, 3], &[0; 4]), &label);
    assert!(huge.contains("its header says [4294967295, 4294967295, 3], which takes more than"));
    let large = error(&idx(8, &[u32::MAX, 512, 512], &[0; 4]), &label);
    assert!(large.contains("which takes 1125899906580496 bytes, but it has 20"), "{large}");
    for cut in 0..images.len() {
        assert!(error(&images[..cut], &label).contains("name a whole IDX file"), "{cut} bytes");
    }
    assert!(error(&[&images[..], &[0]].concat(), &label).contains("but it has 21"));
    assert!(error(b"\x89PNG....", &label).contains("begins with the bytes [89, 50, 4e, 47]"));
    assert!(error(&idx(8, &[], &[0]), &label).contains("as no IDX file does"));
    assert!(error(&label, &label).contains("its dimensions are [1], but images have"));
    assert!(error(&idx(8, &[1, 0, 2], &[]), &label).contains("its dimensions are [1, 0, 2]"));
    assert!(
        error(&images, &images).contains("its dimensions are [1, 2, 2]; name a file of labels")
    );
    assert!(error(&images, &idx(8, &[2], &[0, 0])).contains("it has 2 labels for the 1 images"));
    let none = error(&idx(8, &[0, 2, 2], &[]), &idx(8, &[0], &[]));
    assert!(none.contains("has 0 samples, too few"), "{none}");
}

proptest! {
    #[test]
    fn no_file_panics(
        start in prop::sample::select(vec![[0, 0, 8, 3], [0, 0, 13, 4], [0, 0, 9, 1], [0, 0, 8, 255]]),
        bytes in prop::collection::vec(0..3_u8, 0..60)
    ) {
        let file = [&start[..], &bytes].concat();
        let _either = open(&file, &file);
        let _either = open(&bytes, &file);
        let _either = open(&file, &idx(8, &[1], &[0]));
    }
}
