//! Tests of tensors and batches.

use super::*;

fn batch() -> Batch {
    let floats = HostTensor::F32 { shape: vec![5, 2], values: (0..10).map(|x| x as f32).collect() };
    let flags = HostTensor::Bool { shape: vec![5], values: vec![true, false, true, false, true] };
    Batch::new(vec![("x".to_owned(), floats), ("mask".to_owned(), flags)], 5).unwrap()
}

#[test]
fn splits_put_together_are_the_batch() {
    let batch = batch();
    for rows in 0..8 {
        let parts = batch.split(rows);
        assert_eq!(parts.len(), 5_usize.div_ceil(rows.max(1)));
        let mut values: Vec<f32> = Vec::new();
        for part in &parts {
            let Some(HostTensor::F32 { shape, values: some }) = part.get("x") else { panic!() };
            assert_eq!(*shape, [part.rows, 2]);
            assert_eq!(part.get("mask").unwrap().shape(), [part.rows]);
            values.extend(some);
        }
        assert_eq!(values, (0..10).map(|x| x as f32).collect::<Vec<_>>());
    }
    assert_eq!(batch.split(usize::MAX), std::slice::from_ref(&batch));
    assert_eq!(batch.slice_rows(3..99).rows, 2);
    assert_eq!(batch.slice_rows(7..9).get("x").unwrap().elements(), 0);
    assert!(batch.get("y").is_none());
    assert!(Batch::default().split(3).is_empty());
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let tensor =
        |shape: &[usize], count| HostTensor::I32 { shape: shape.to_vec(), values: vec![0; count] };
    let named = |tensor| vec![("x".to_owned(), tensor)];
    assert!(Batch::new(named(tensor(&[2, 3], 6)), 2).is_ok());
    assert!(Batch::new(named(tensor(&[2, 0], 0)), 2).is_ok());
    let error = |tensors, rows| Batch::new(tensors, rows).unwrap_err().to_string();
    assert!(error(named(tensor(&[2, 3], 5)), 2).contains("'x' does not fit its batch: its shape"));
    assert!(error(named(tensor(&[3, 2], 6)), 2).contains("the batch has 2 rows"));
    assert!(error(named(tensor(&[usize::MAX, 2], 0)), 2).contains("has 0 values"));
    let twice = [named(tensor(&[1], 1)), named(tensor(&[1], 1))].concat();
    assert!(error(twice, 1).contains("same name"));
}
