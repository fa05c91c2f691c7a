//! Tests of safetensors files.

use std::fs;
use std::path::Path;

use half::{bf16, f16};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use super::*;
use crate::batch::HostTensor;
use crate::kind::section;
use crate::{Cursor, DataSource};

type Tensor<'a> = (&'a str, Dtype, &'a [usize], Vec<u8>);

fn file(tensors: &[Tensor]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

fn bytes<const N: usize>(values: impl IntoIterator<Item = [u8; N]>) -> Vec<u8> {
    values.into_iter().flatten().collect()
}

/// 20 rows of floats and of longs.
pub(crate) fn sample(folder: &Path) -> Value {
    let path = folder.join("t.safetensors");
    let floats = bytes((0..80).map(|n| (n as f32).to_le_bytes()));
    let longs = bytes((0..20_i64).map(|n| (n - 10).to_le_bytes()));
    let tensors = file(&[("x", Dtype::F32, &[20, 2, 2], floats), ("y", Dtype::I64, &[20], longs)]);
    fs::write(&path, tensors).unwrap();
    json!({ "tensors": path, "validation_fraction": 0.2 })
}

fn open(bytes: &[u8], only: &[&str]) -> Result<TensorsSource, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.safetensors");
    fs::write(&path, bytes).unwrap();
    let only = only.iter().map(|name| (*name).to_owned()).collect();
    TensorsSource::open(&TensorsOptions { tensors: Some(path), only }, 0.0)
}

fn error(bytes: &[u8], only: &[&str]) -> String {
    open(bytes, only).err().expect("it is refused").to_string()
}

#[test]
fn every_element_type_is_read() {
    let read = |dtype, bytes: Vec<u8>| {
        let source = open(&file(&[("x", dtype, &[2], bytes)]), &[]).unwrap();
        let batch = source.gather([0, 1].into_iter()).unwrap();
        assert_eq!(source.info().tensors[0].dtype, batch.tensors[0].1.dtype());
        batch.tensors[0].1.clone()
    };
    let floats = HostTensor::F32 { shape: vec![2], values: vec![1.5, -2.0] };
    assert_eq!(read(Dtype::F32, bytes([1.5_f32, -2.0].map(f32::to_le_bytes))), floats);
    assert_eq!(read(Dtype::F64, bytes([1.5_f64, -2.0].map(f64::to_le_bytes))), floats);
    let halves = [1.5, -2.0].map(|x| f16::from_f32(x).to_le_bytes());
    assert_eq!(read(Dtype::F16, bytes(halves)), floats);
    let halves = [1.5, -2.0].map(|x| bf16::from_f32(x).to_le_bytes());
    assert_eq!(read(Dtype::BF16, bytes(halves)), floats);
    let integers = |values: [i32; 2]| HostTensor::I32 { shape: vec![2], values: values.to_vec() };
    assert_eq!(read(Dtype::I32, bytes([7, -3_i32].map(i32::to_le_bytes))), integers([7, -3]));
    assert_eq!(read(Dtype::I64, bytes([7, -3_i64].map(i64::to_le_bytes))), integers([7, -3]));
    assert_eq!(read(Dtype::I16, bytes([7, -3_i16].map(i16::to_le_bytes))), integers([7, -3]));
    assert_eq!(read(Dtype::I8, vec![7, 0xfd]), integers([7, -3]));
    assert_eq!(read(Dtype::U8, vec![7, 0xfd]), integers([7, 253]));
    assert_eq!(
        read(Dtype::U16, bytes([7, 65_533_u16].map(u16::to_le_bytes))),
        integers([7, 65_533])
    );
    assert_eq!(read(Dtype::U32, bytes([7, 9_u32].map(u32::to_le_bytes))), integers([7, 9]));
    let flags = HostTensor::Bool { shape: vec![2], values: vec![true, false] };
    assert_eq!(read(Dtype::BOOL, vec![1, 0]), flags);
}

#[test]
fn integers_that_do_not_fit_are_named() {
    let large = bytes([0, 1_i64 << 31].map(i64::to_le_bytes));
    let source = open(&file(&[("ids", Dtype::I64, &[2], large)]), &[]).unwrap();
    assert!(source.gather([0].into_iter()).is_ok());
    let error = source.gather([1].into_iter()).unwrap_err().to_string();
    assert!(error.contains("the tensor 'ids' has the value 2147483648, which 32 bits"), "{error}");
}

#[test]
fn rows_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let section = section("tensors", &sample(folder.path()));
    let options: TensorsOptions = kind::options(&section).unwrap();
    let source = TensorsSource::open(&options, 0.2).unwrap();
    let batch = source.gather([3, 0].into_iter()).unwrap();
    let x = vec![12.0, 13.0, 14.0, 15.0, 0.0, 1.0, 2.0, 3.0];
    assert_eq!(batch.get("x"), Some(&HostTensor::F32 { shape: vec![2, 2, 2], values: x }));
    assert_eq!(batch.get("y"), Some(&HostTensor::I32 { shape: vec![2], values: vec![-7, -10] }));
}

#[test]
fn tensors_may_be_chosen() {
    let three = file(&[
        ("a", Dtype::U8, &[2], vec![1, 2]),
        ("b", Dtype::U8, &[3], vec![1, 2, 3]),
        ("c", Dtype::U8, &[], vec![1]),
        ("d", Dtype::C64, &[2], vec![0; 16]),
    ]);
    assert_eq!(open(&three, &["a"]).unwrap().info().samples, Some(2));
    assert_eq!(open(&three, &["b"]).unwrap().info().samples, Some(3));
    let unlike = error(&three, &["b", "a"]);
    assert!(
        unlike.contains("the tensor 'a' has 2 rows, but 'b' has 3; choose tensors"),
        "{unlike}"
    );
    assert!(error(&three, &["c"]).contains("the tensor 'c' has no dimensions"));
    assert!(error(&three, &["d"]).contains("elements of type C64; convert it to F32"));
    assert!(error(&three, &["e"]).contains("it has no tensor 'e'; it has: a, b, c, d"));
}

#[test]
fn damaged_files_are_refused() {
    let whole = file(&[("x", Dtype::F32, &[2, 1], vec![0; 8])]);
    assert!(open(&whole, &[]).is_ok());
    for cut in 0..whole.len() {
        assert!(error(&whole[..cut], &[]).contains("name a whole safetensors file"), "{cut}");
    }
    assert!(error(&[&whole[..], &[0]].concat(), &[]).contains("8 bytes of tensors, but it has 9"));
    let claims = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    assert!(error(&claims, &[]).contains("claims a header of 18446744073709551615 bytes"));
    let with = |header: &str| {
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
        error(&bytes, &[])
    };
    assert!(with("{").contains("its header is not sound"));
    let tensor = |shape: &str, offsets: &str| {
        with(&format!(r#"{{"x":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#))
    };
    assert!(tensor("[2]", "[4,8]").contains("is not sound"));
    assert!(tensor("[3]", "[0,8]").contains("is not sound"));
    assert!(tensor("[4611686018427387904,4]", "[0,8]").contains("is not sound"));
    assert!(tensor("[2]", "[8,0]").contains("is not sound"));
    assert!(error(&file(&[]), &[]).contains("it has no tensors"));
    assert!(error(&file(&[("x", Dtype::F32, &[0, 4], vec![])]), &[]).contains("has 0 samples"));
    assert!(open(&file(&[("x", Dtype::F32, &[4, 0], vec![])]), &[]).is_ok());
    let none = TensorsSource::open(&TensorsOptions::default(), 0.2).err().unwrap().to_string();
    assert!(none.contains("data.tensors is missing"), "{none}");
}

proptest! {
    #[test]
    fn no_file_panics(at in 0..120_usize, byte: u8, cut in 0..200_usize) {
        let mut whole = file(&[
            ("x", Dtype::F32, &[2, 1], vec![0; 8]),
            ("y", Dtype::I64, &[2], vec![0xff; 16]),
        ]);
        let at = at % whole.len();
        whole[at] = byte;
        for file in [&whole[..], &whole[..cut.min(whole.len())]] {
            if let Ok(source) = open(file, &[]) {
                let _either = source.batch(Cursor::new(1), 3);
            }
        }
    }
}
