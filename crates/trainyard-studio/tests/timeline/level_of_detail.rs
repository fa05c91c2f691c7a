//! Levels of detail lose no time, and grow as if they had always been there.

use proptest::prelude::*;
use trainyard_plan::MemorySample;
use trainyard_studio::timeline::{Curve, Scene, Slice, Source, Track};

use crate::samples;

/// Slices one after another with gaps, some long, most short.
fn slices() -> impl Strategy<Value = Vec<Slice>> {
    let one = (0u64..2000, prop_oneof![9 => 1u64..500, 1 => 1u64..100_000], 0u8..4);
    prop::collection::vec(one, 1..3000).prop_map(|parts| {
        let mut at = 0;
        let slice = |(index, (gap, length, class)): (usize, (u64, u64, u8))| {
            let start = at + gap;
            at = start + length;
            Slice::new(start, at, index as u32, class)
        };
        parts.into_iter().enumerate().map(slice).collect()
    })
}

fn track(slices: Vec<Slice>) -> Track {
    let mut track = Track::default();
    track.extend(slices);
    track
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_time_is_lost(slices in slices(), ns_per_pixel in 1.0f64..1e6) {
        let end = slices.last().unwrap().end_ns;
        let (covered, count) = (slices.iter().map(|s| s.covered_ns).sum::<u64>(), slices.len());
        let track = track(slices.clone());
        let seen = track.visible(0, end, ns_per_pixel);
        prop_assert_eq!(seen.iter().map(|s| s.covered_ns).sum::<u64>(), covered);
        prop_assert_eq!(seen.iter().map(|s| s.count as usize).sum::<usize>(), count);
        prop_assert_eq!(seen.first().unwrap().start_ns, slices[0].start_ns);
        prop_assert_eq!(seen.last().unwrap().end_ns, end);
        for slice in seen.iter().filter(|slice| slice.count > 1) {
            // Two that differ by a pixel or more are never one.
            prop_assert!((slice.end_ns - slice.start_ns) as f64 <= 2.0 * ns_per_pixel);
        }
    }

    #[test]
    fn few_slices_a_pixel(slices in slices(), pixels in 10u64..2000) {
        let end = slices.last().unwrap().end_ns;
        let track = track(slices.clone());
        let seen = track.visible(0, end, end as f64 / pixels as f64).len();
        prop_assert!(seen as u64 <= 6 * pixels + 512, "{} slices on {} pixels", seen, pixels);
    }

    #[test]
    fn growing_is_as_good_as_making(slices in slices(), cut in 0usize..3000, ns in 1.0f64..1e5) {
        let end = slices.last().unwrap().end_ns;
        let whole = track(slices.clone());
        let cut = cut.min(slices.len());
        let mut grown = track(slices[..cut].to_vec());
        grown.extend(slices[cut..].to_vec());
        prop_assert_eq!(grown.slices(), whole.slices());
        let sum = |track: &Track| track.visible(0, end, ns).iter().map(|s| s.covered_ns).sum::<u64>();
        prop_assert_eq!(sum(&grown), sum(&whole));
    }

    #[test]
    fn what_is_visible_is_what_touches(slices in slices(), from in 0u64..100_000, length in 1u64..50_000) {
        let to = from + length;
        let touches = |slice: &&Slice| slice.start_ns < to && slice.end_ns > from;
        let expected: Vec<Slice> = slices.iter().filter(touches).copied().collect();
        let track = track(slices);
        let found: Vec<Slice> = track.between(from, to).iter().filter(touches).copied().collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn peaks_survive(values in prop::collection::vec(0u64..1000, 1..3000), a in 0usize..3000, b in 0usize..3000, cut in 0usize..3000) {
        let sample = |(index, bytes): (usize, &u64)| MemorySample {
            at_ns: index as u64 * 10,
            device: 0,
            in_use_bytes: *bytes,
            ..MemorySample::default()
        };
        let samples: Vec<_> = values.iter().enumerate().map(sample).collect();
        let cut = cut.min(samples.len());
        let mut curve = Curve::default();
        curve.extend(&samples[..cut]);
        curve.extend(&samples[cut..]);
        let (from, to) = (a.min(b).min(values.len()), a.max(b).min(values.len()));
        let expected = values[from..to].iter().copied().max().unwrap_or(0);
        prop_assert_eq!(curve.max_in(from..to), expected);
        prop_assert_eq!(Some(curve.peak_bytes()), values.iter().copied().max());
    }
}

#[test]
fn a_scene_that_grows_is_the_scene_of_the_whole() {
    let trace = samples::measured(6);
    let whole = Scene::new(&trace, Source::Measured);
    // As a journal has it: device by device out of step, some events late.
    let mut order: Vec<_> = trace.events.clone();
    order.sort_by_key(|event| (event.end_ns + 40_000_000 * event.device as u64, event.device));
    for pieces in [1, 7, 100] {
        let mut grown = Scene::new(
            &trainyard_plan::Trace { events: Vec::new(), memory: Vec::new(), ..trace.clone() },
            Source::Measured,
        );
        for piece in order.chunks(order.len().div_ceil(pieces)) {
            grown.extend(piece, &[]);
        }
        for (grown, whole) in grown.devices().iter().zip(whole.devices()) {
            let times = |track: &Track| {
                track.slices().iter().map(|s| (s.start_ns, s.end_ns, s.class)).collect::<Vec<_>>()
            };
            assert_eq!(
                times(&grown.idle),
                times(&whole.idle),
                "{} in {pieces} pieces",
                whole.info.id
            );
            assert_eq!(times(&grown.compute), times(&whole.compute));
        }
        assert_eq!(grown.steps().len(), whole.steps().len());
    }
}

#[test]
fn idle_and_busy_time_fill_a_step() {
    let scene = Scene::new(&samples::measured(4), Source::Measured);
    for step in scene.steps() {
        let all = trainyard_studio::timeline::statistics(&scene, step.start_ns, step.end_ns);
        for device in &all.devices {
            assert_eq!(device.busy_ns + device.all_idle_ns(), step.duration_ns(), "{}", device.id);
        }
    }
}
