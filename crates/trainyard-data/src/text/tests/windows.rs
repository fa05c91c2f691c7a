//! Windows of training and validation.

use std::collections::BTreeSet;

use super::*;
use crate::HostTensor;

fn values<'a>(batch: &'a Batch, name: &str) -> &'a [i32] {
    match batch.get(name) {
        Some(HostTensor::I32 { values, .. }) => values,
        other => panic!("{name}: {other:?}"),
    }
}

/// A text in which each token is its own place.
fn counting(characters: usize) -> CharText {
    in_memory(&('\u{1000}'..).take(characters).collect::<String>())
}

#[test]
fn the_split_is_nanogpts() {
    let set = TextSource::new(in_memory(&"ab".repeat(557_697)), 64, 0.1).unwrap();
    assert_eq!(set.parts(), [0..1_003_854, 1_003_854..1_115_394]);
    let info = set.info();
    assert_eq!((info.samples, info.validation_samples), (Some(15_684), Some(1742)));
    assert_eq!((info.items_per_row, info.unit, info.vocabulary.len()), (64, Unit::Tokens, 2));
}

#[test]
fn texts_that_are_too_short_are_refused() {
    let new =
        |length: usize, context| TextSource::new(in_memory(&"a".repeat(length)), context, 0.1);
    let error = new(100, 64).unwrap_err().to_string();
    assert!(
        error.contains(
            "has 100 characters, 10 of them for validation, but a context of 64 needs at least 65"
        ),
        "{error}"
    );
    assert!(matches!(new(1, 9), Err(DataError::TextTooShort { part: "training", .. })));
    assert!(new(100, 9).is_ok());
    assert!(new(100, 0).is_err() && new(100, usize::MAX).is_err());
    assert!(TextSource::new(in_memory("aaa"), 1, f64::NAN).is_err());
    assert!(TextSource::new(in_memory("aa"), 1, 0.0).is_ok());
    assert!(TextSource::new(in_memory("aa"), 1, 1.0).is_ok());
}

#[test]
fn targets_follow_the_tokens() {
    let set = TextSource::new(in_memory(&yard_text(3, 9000)), 16, 0.1).unwrap();
    let batch = set.batch(Cursor::new(7), 5).unwrap();
    let (tokens, targets) = (values(&batch, "tokens"), values(&batch, "targets"));
    for row in 0..5 {
        assert_eq!(tokens[row * 16 + 1..row * 16 + 16], targets[row * 16..row * 16 + 15]);
    }
}

#[test]
fn an_epoch_cuts_the_training_part_from_an_offset_of_its_own() {
    let set = TextSource::new(counting(200), 7, 0.4).unwrap();
    let windows = set.info().samples.unwrap() as usize;
    assert_eq!(windows, 120 / 7 - 1);
    let mut offsets = BTreeSet::new();
    let mut position = 0;
    for _epoch in 0..60 {
        let batch = set.batch(Cursor { seed: 3, position }, windows).unwrap();
        let mut starts: Vec<i32> = values(&batch, "tokens").chunks(7).map(|row| row[0]).collect();
        starts.sort_unstable();
        offsets.insert(starts[0]);
        let expected: Vec<i32> = (0..).take(windows).map(|window| starts[0] + window * 7).collect();
        assert_eq!(starts, expected);
        assert!(values(&batch, "targets").iter().all(|place| *place < 120));
        position += windows as u64;
    }
    // So every window there is comes in time.
    assert_eq!(offsets.into_iter().collect::<Vec<_>>(), (0..7).collect::<Vec<_>>());
}

#[test]
fn validation_covers_its_part_once() {
    let set = TextSource::new(counting(100), 4, 0.5).unwrap();
    // 50 characters: 12 windows of 4 with a target each, the last character is a target alone.
    let all: Vec<_> = set.validation(5, None).map(Result::unwrap).collect();
    assert_eq!(all.iter().map(|batch| batch.rows).collect::<Vec<_>>(), [5, 5, 2]);
    let joined = |name| all.iter().flat_map(move |batch| values(batch, name).to_vec());
    assert_eq!(joined("tokens").collect::<Vec<_>>(), (50..98).collect::<Vec<_>>());
    assert_eq!(joined("targets").collect::<Vec<_>>(), (51..99).collect::<Vec<_>>());
    let some: Vec<_> = set.validation(3, Some(2)).map(Result::unwrap).collect();
    let starts = some.iter().flat_map(|batch| values(batch, "tokens").chunks(4).map(|row| row[0]));
    assert_eq!(starts.collect::<Vec<_>>(), [50, 58, 66, 74, 82, 90]);
    assert_eq!(set.validation(5, Some(9)).count(), 3);
    assert_eq!(set.validation(5, Some(usize::MAX)).count(), 3);
    assert_eq!(set.validation(0, Some(0)).count(), 0);
    assert_eq!(set.validation(usize::MAX, None).count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn validation_windows_are_distinct_and_inside(
        characters in 20..3000_usize, context in 1..9_usize, rows in 1..20_usize,
        limit in prop::option::of(0..30_usize)
    ) {
        let set = TextSource::new(counting(characters), context, 0.5).unwrap();
        let [_, part] = set.parts();
        let mut next = part.start as i32;
        let mut count = 0;
        for batch in set.validation(rows, limit) {
            let batch = batch.unwrap();
            for row in values(&batch, "tokens").chunks(context) {
                prop_assert!(row[0] >= next);
                next = row[0] + i32::try_from(context).unwrap();
            }
            count += batch.rows as u64;
        }
        prop_assert!(next < part.end as i32);
        let most = limit.map_or(u64::MAX, |limit| (limit * rows) as u64);
        prop_assert_eq!(count, most.min(set.info().validation_samples.unwrap()));
    }

    #[test]
    fn training_windows_are_distinct_and_inside(
        characters in 20..600_usize, context in 1..9_usize, seed: u64, epoch in 0..100_u64
    ) {
        let set = TextSource::new(counting(characters), context, 0.5).unwrap();
        let windows = set.info().samples.unwrap();
        let cursor = Cursor { seed, position: epoch * windows };
        let batch = set.batch(cursor, windows as usize).unwrap();
        let mut tokens = values(&batch, "tokens").to_vec();
        tokens.sort_unstable();
        tokens.dedup();
        prop_assert_eq!(tokens.len(), windows as usize * context);
        let [part, _] = set.parts();
        prop_assert!(values(&batch, "targets").iter().all(|place| (*place as u64) < part.end));
        // No more than two windows' worth is left out.
        prop_assert!(tokens.len() as u64 + 2 * context as u64 > part.end);
    }
}
