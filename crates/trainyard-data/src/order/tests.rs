//! Tests of permutations, epochs and splits.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn every_length_up_to_600_is_permuted() {
    for length in 0..600 {
        let permutation = Permutation::new(length, 3, length);
        let images: BTreeSet<u64> = (0..length).map(|index| permutation.get(index)).collect();
        assert_eq!(images.len() as u64, length);
        assert!(images.last().is_none_or(|last| *last < length));
        assert_eq!(permutation.get(length), length);
    }
}

#[test]
fn each_place_is_equally_likely() {
    // Each of 7 samples comes first, second, … about 1000 times in 7000 epochs; and so do pairs.
    let mut places = [[0_u32; 7]; 7];
    let mut pairs = [[0_u32; 7]; 7];
    for epoch in 0..7000 {
        let order = Permutation::new(7, 11, epoch);
        for (place, counts) in places.iter_mut().enumerate() {
            counts[order.get(place as u64) as usize] += 1;
        }
        pairs[order.get(2) as usize][order.get(3) as usize] += 1;
    }
    // Five standard deviations of a count around 1000, and around 167.
    assert!(places.iter().flatten().all(|count| count.abs_diff(1000) < 150), "{places:?}");
    let different = (0..49).filter(|at| at / 7 != at % 7).map(|at| pairs[at / 7][at % 7]);
    assert!(different.clone().all(|count| count.abs_diff(167) < 65), "{pairs:?}");
    assert_eq!(different.sum::<u32>(), 7000);
}

#[test]
fn neighbours_are_torn_apart() {
    // In a random order of 100,000 about 2 neighbours stay neighbours, and about 1 stays in place.
    let order = Permutation::new(100_000, 5, 0);
    let stay = (1..100_000).filter(|&at| order.get(at).abs_diff(order.get(at - 1)) == 1).count();
    assert!(stay < 12, "{stay}");
    assert!((0..100_000).filter(|&at| order.get(at) == at).count() < 10);
    let seeds = |seed, epoch| Permutation::new(100_000, seed, epoch).get(0);
    let firsts: BTreeSet<u64> = (0..10).flat_map(|n| [seeds(n, 0), seeds(100, n + 1)]).collect();
    assert_eq!(firsts.len(), 20);
}

#[test]
fn the_order_is_the_same_for_ever() {
    // A checkpoint made today goes on in this order: never change these numbers.
    let order = |length, seed, epoch| {
        let permutation = Permutation::new(length, seed, epoch);
        (0..6).map(|at| permutation.get(at)).collect::<Vec<_>>()
    };
    assert_eq!([order(10, 0, 0), order(10, 1, 0), order(1000, 1, 2), order(1 << 40, 1, 2)], FROZEN);
}

const FROZEN: [[u64; 6]; 4] = [
    [5, 8, 0, 3, 9, 6],
    [7, 2, 5, 0, 6, 4],
    [391, 56, 501, 405, 90, 97],
    [
        1_029_310_193_819,
        1_017_417_367_851,
        799_154_703_480,
        125_362_008_945,
        833_706_710_515,
        1_054_389_561_328,
    ],
];

proptest! {
    #[test]
    fn a_permutation_is_a_bijection(length in 1..5000_u64, seed: u64, epoch: u64) {
        let permutation = Permutation::new(length, seed, epoch);
        let mut images: Vec<u64> = (0..length).map(|index| permutation.get(index)).collect();
        images.sort_unstable();
        prop_assert_eq!(images, (0..length).collect::<Vec<_>>());
    }

    #[test]
    fn long_permutations_stay_inside(length in 1_u64.., seed: u64, index: u64) {
        let permutation = Permutation::new(length, seed, 0);
        let (one, other) = (index % length, (index / 2 + 1) % length);
        prop_assert!(permutation.get(one) < length);
        prop_assert_eq!(one == other, permutation.get(one) == permutation.get(other));
    }

    #[test]
    fn every_sample_once_an_epoch(
        samples in 1..200_u64, rows in prop::collection::vec(1..90_usize, 1..40), seed: u64
    ) {
        let (mut cursor, mut handed) = (Cursor::new(seed), Vec::new());
        for rows in rows {
            handed.extend(epoch_order(cursor, rows, samples, "t").unwrap());
            cursor = cursor.advanced(rows);
        }
        prop_assert_eq!(handed.len() as u64, cursor.position);
        for (epoch, chunk) in handed.chunks(samples as usize).enumerate() {
            prop_assert!(chunk.iter().all(|(of, _)| *of == epoch as u64));
            let distinct: BTreeSet<u64> = chunk.iter().map(|(_, sample)| *sample).collect();
            prop_assert_eq!(distinct.len(), chunk.len());
            prop_assert!(distinct.into_iter().all(|sample| sample < samples));
        }
    }

    #[test]
    fn no_position_panics(samples: u64, position: u64, seed: u64, rows in 0..50_usize) {
        let cursor = Cursor { seed, position };
        match epoch_order(cursor, rows, samples, "t") {
            Ok(order) => prop_assert_eq!(order.count(), rows),
            Err(_) => prop_assert!(samples == 0 || position.checked_add(rows as u64).is_none()),
        }
    }

    #[test]
    fn a_split_has_every_sample_in_one_part(
        total in 2..300_u64, fraction in 0.0..=1.0_f64, rows in 1..50_usize, seed: u64
    ) {
        let split = Split::new(total, fraction, "t").unwrap();
        let training = split.training(Cursor::new(seed), split.training_samples() as usize);
        let validation: Vec<Vec<u64>> =
            split.validation(rows, None).map(Iterator::collect).collect();
        prop_assert!(validation.iter().rev().skip(1).all(|batch| batch.len() == rows));
        let mut all: Vec<u64> = validation.concat();
        prop_assert_eq!(all.len() as u64, split.validation_samples());
        let wanted = total as f64 * fraction;
        prop_assert!((all.len() as f64 - wanted).abs() <= 1.0);
        prop_assert_eq!(training.is_err(), split.training_samples() == 0);
        all.extend(training.into_iter().flatten());
        all.sort_unstable();
        prop_assert_eq!(all, (0..total).collect::<Vec<_>>());
    }
}

#[test]
fn splits_at_the_edge() {
    let parts = |total, fraction| {
        let split = Split::new(total, fraction, "t").map_err(|error| error.to_string())?;
        Ok::<_, String>((split.training_samples(), split.validation_samples()))
    };
    assert_eq!(parts(10, 0.1), Ok((9, 1)));
    assert_eq!(parts(10, 0.01), Ok((9, 1)));
    assert_eq!(parts(10, 0.99), Ok((1, 9)));
    assert_eq!(parts(10, 0.0), Ok((10, 0)));
    assert_eq!(parts(10, 1.0), Ok((0, 10)));
    assert_eq!(parts(1, 0.0), Ok((1, 0)));
    assert!(parts(1, 0.5).unwrap_err().contains("t has 1 sample, too few"));
    assert!(parts(0, 0.0).unwrap_err().contains("has 0 samples"));
    assert!(parts(0, 1.0).is_err());
    for fraction in [-0.1, 1.1, f64::NAN] {
        assert!(parts(10, fraction).unwrap_err().contains("must be from 0 to 1"));
    }
    let split = Split::new(10, 0.5, "t").unwrap();
    assert_eq!(split.validation(2, Some(2)).count(), 2);
    assert_eq!(split.validation(0, None).count(), 5);
    assert_eq!(
        split.validation(usize::MAX, Some(usize::MAX)).map(Iterator::count).sum::<usize>(),
        5
    );
    assert_eq!(split.validation(2, Some(0)).count(), 0);
}
