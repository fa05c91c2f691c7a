//! Tests of the thread that prepares batches.

use std::sync::Mutex;
use std::sync::mpsc;

use super::*;
use crate::batch::HostTensor;
use crate::source::{DataInfo, Unit};

/// Gives batches that say what was asked, and does what its script says at a position.
struct Scripted {
    info: DataInfo,
    asked: Mutex<Vec<(u64, usize)>>,
    /// Waits here for a word before each batch, if there is one.
    gate: Option<Mutex<mpsc::Receiver<()>>>,
}

const PANICS: u64 = 1000;
const FAILS: u64 = 2000;

fn scripted(gate: Option<mpsc::Receiver<()>>) -> Arc<Scripted> {
    let info = DataInfo {
        name: "script".to_owned(),
        fingerprint: String::new(),
        tensors: Vec::new(),
        classes: Vec::new(),
        vocabulary: Vec::new(),
        token_count: 0,
        samples: None,
        validation_samples: None,
        items_per_row: 1,
        unit: Unit::Rows,
        remarks: Vec::new(),
    };
    Arc::new(Scripted { info, asked: Mutex::default(), gate: gate.map(Mutex::new) })
}

fn answer(cursor: Cursor, rows: usize) -> Batch {
    let place = |row| i32::try_from(cursor.position).unwrap() + row;
    let values = (0..).take(rows).map(place).collect();
    let tensor = HostTensor::I32 { shape: vec![rows], values };
    Batch::new(vec![("position".to_owned(), tensor)], rows).unwrap()
}

impl DataSource for Scripted {
    fn info(&self) -> &DataInfo {
        &self.info
    }

    fn batch(&self, cursor: Cursor, rows: usize) -> Result<Batch, DataError> {
        if let Some(gate) = &self.gate {
            let _closed = gate.lock().unwrap().recv();
        }
        self.asked.lock().unwrap().push((cursor.position, rows));
        match cursor.position {
            PANICS => panic!("out of {}", "luck"),
            FAILS => Err(DataError::BadPosition { position: FAILS }),
            _ => Ok(answer(cursor, rows)),
        }
    }

    fn validation(
        &self,
        _rows: usize,
        _limit: Option<usize>,
    ) -> Box<dyn Iterator<Item = Result<Batch, DataError>> + Send + '_> {
        Box::new(std::iter::empty())
    }
}

fn at(position: u64) -> Cursor {
    Cursor { seed: 0, position }
}

#[test]
fn each_batch_is_the_one_asked_for() {
    let source = scripted(None);
    let mut batches = Prefetch::new(source.clone()).unwrap();
    for (position, rows) in [(0, 4), (4, 4), (8, 4), (50, 4), (50, 4), (54, 2), (56, 2), (0, 1)] {
        assert_eq!(batches.batch(at(position), rows).unwrap(), answer(at(position), rows));
    }
    drop(batches);
    // The batch that follows was prepared each time, and is made once where it was wanted.
    let asked = source.asked.lock().unwrap();
    let expected = [
        (0, 4),
        (4, 4),
        (8, 4),
        (12, 4),
        (50, 4),
        (54, 4),
        (50, 4),
        (54, 4),
        (54, 2),
        (56, 2),
        (58, 2),
        (0, 1),
    ];
    assert_eq!(asked[..expected.len()], expected);
}

#[test]
fn the_next_batch_is_made_before_it_is_asked_for() {
    let (open, gate) = mpsc::channel();
    let source = scripted(Some(gate));
    let mut batches = Prefetch::new(source.clone()).unwrap();
    open.send(()).unwrap();
    batches.batch(at(0), 3).unwrap();
    // The thread is at the next one: it takes the word without being asked.
    open.send(()).unwrap();
    drop(open);
    while source.asked.lock().unwrap().len() < 2 {
        std::thread::yield_now();
    }
    assert_eq!(source.asked.lock().unwrap()[1], (3, 3));
}

#[test]
fn panics_and_errors_come_back_and_do_not_end_it() {
    let mut batches = Prefetch::new(scripted(None)).unwrap();
    let error = batches.batch(at(PANICS), 1).unwrap_err();
    assert!(matches!(&error, DataError::Panicked { message, .. } if message == "out of luck"));
    assert!(error.to_string().contains("script stopped unexpectedly"), "{error}");
    assert!(matches!(batches.batch(at(FAILS), 1), Err(DataError::BadPosition { .. })));
    assert_eq!(batches.batch(at(5), 2).unwrap(), answer(at(5), 2));
    // What goes wrong ahead is told when its turn comes, and not if it never comes.
    batches.batch(at(PANICS - 4), 4).unwrap();
    assert_eq!(batches.batch(at(7), 2).unwrap(), answer(at(7), 2));
    batches.batch(at(FAILS - 4), 4).unwrap();
    assert!(matches!(batches.batch(at(FAILS), 4), Err(DataError::BadPosition { .. })));
}

#[test]
fn the_thread_ends_when_dropped() {
    let source = scripted(None);
    let mut batches = Prefetch::new(source.clone()).unwrap();
    assert_eq!(Arc::strong_count(&source), 3);
    assert_eq!(batches.thread.as_ref().unwrap().thread().name(), Some(THREAD));
    batches.batch(at(0), 4).unwrap();
    drop(batches);
    assert_eq!(Arc::strong_count(&source), 1);
    drop(Prefetch::new(source.clone()).unwrap());
    assert_eq!(Arc::strong_count(&source), 1);
}
