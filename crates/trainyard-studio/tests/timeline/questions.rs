//! Zoom and pan, ruler, search, flow and statistics.

use proptest::prelude::*;
use trainyard_plan::{ActionKind, Lane};
use trainyard_studio::timeline::{Axis, Query, Scene, Source, Ticks, View, flow, statistics};

use crate::samples;

proptest! {
    #[test]
    fn zooming_keeps_the_anchor(start in -1e9f64..1e9, length in 1e3f64..1e9, x in 0.0f32..1000.0, factor in 0.2f64..5.0) {
        let mut view = View { start, end: start + length };
        let axis = Axis { view, left: 0.0, width: 1000.0 };
        let anchor = axis.time(x);
        view.zoom(anchor, factor, (start - length, start + 2.0 * length));
        let after = Axis { view, ..axis }.place(anchor);
        // Where the view would leave the content it moves; inside, the anchor stays.
        let inside = view.start > start - length - view.length() && view.end < start + 2.0 * length + view.length();
        if inside {
            prop_assert!((after - x).abs() < 1.0, "{} became {}", x, after);
        }
    }

    #[test]
    fn panning_keeps_the_length_and_something_in_sight(by in prop::collection::vec(-1e10f64..1e10, 1..20)) {
        let mut view = View::fit(0.0, 1e6);
        let length = view.length();
        for by in by {
            view.pan(by, (0.0, 1e6));
            prop_assert!((view.length() - length).abs() < 1.0);
            prop_assert!(view.start < 1e6 && view.end > 0.0);
        }
    }

    #[test]
    fn time_and_place_are_inverse(start in -1e9f64..1e9, length in 1e3f64..1e9, x in 0.0f32..2000.0) {
        let axis = Axis { view: View { start, end: start + length }, left: 100.0, width: 1800.0 };
        prop_assert!((axis.place(axis.time(x)) - x).abs() < 0.01);
    }

    #[test]
    fn ticks_are_apart_and_in_range(start in -1e9f64..1e9, length in 1.0f64..1e10, least in 1.0f64..1e9) {
        let ticks = Ticks::new(least, (start + length).abs());
        prop_assert!(ticks.every_ns >= least * 0.99 && ticks.every_ns <= least * 5.01);
        for ns in ticks.within(start, start + length) {
            prop_assert!(ns >= start - ticks.every_ns * 1e-6 && ns <= start + length + ticks.every_ns * 1e-6);
        }
    }

    #[test]
    fn statistics_are_what_brute_force_finds(a in 0.0f64..1.0, b in 0.0f64..1.0) {
        let trace = samples::measured(2);
        let scene = Scene::new(&trace, Source::Measured);
        let (first, last) = scene.extent_ns();
        let at = |share: f64| first + ((last - first) as f64 * share) as u64;
        let (from, to) = (at(a.min(b)), at(a.max(b)).max(at(a.min(b)) + 1));
        let all = statistics(&scene, from, to);
        for (index, device) in all.devices.iter().enumerate() {
            let own = trace.events.iter().filter(|e| e.device == index && e.start_ns < to && e.end_ns > from);
            let (mut busy, mut actions, mut sent, mut received) = (0, 0, 0, 0);
            for event in own {
                match event.lane {
                    Lane::Compute => {
                        busy += event.end_ns.min(to) - event.start_ns.max(from);
                        actions += 1;
                    }
                    Lane::TransferOut => sent += event.bytes,
                    Lane::TransferIn => received += event.bytes,
                }
            }
            prop_assert_eq!((device.busy_ns, device.actions), (busy, actions));
            prop_assert_eq!((device.sent_bytes, device.received_bytes), (sent, received));
            prop_assert!(busy + device.all_idle_ns() <= to - from);
        }
    }

    #[test]
    fn no_query_panics(text in "\\PC{0,40}") {
        let scene = Scene::new(&samples::measured(1), Source::Measured);
        let _ = Query::parse(&text).hits(&scene);
    }
}

#[test]
fn ticks_read_well() {
    let ticks = Ticks::new(150_000.0, 3e6);
    assert!((ticks.every_ns - 200_000.0).abs() < 1e-3);
    let labels: Vec<_> = ticks.within(-10.0, 500_000.0).map(|ns| ticks.label(ns)).collect();
    assert_eq!(labels, ["0.0 ms", "0.2 ms", "0.4 ms"]);
}

#[test]
fn searching_finds_what_is_meant() {
    let trace = samples::measured(3);
    let scene = Scene::new(&trace, Source::Measured);
    let hits = |text: &str| {
        let found = Query::parse(text).hits(&scene);
        found.into_iter().filter_map(|index| scene.event(index)).collect::<Vec<_>>()
    };
    assert_eq!(hits("1F3").len(), 3, "one a step");
    assert!(hits("1f3").iter().all(|event| event.action.to_string() == "1F3"));
    assert!(hits("SEND").iter().all(|event| event.lane == Lane::TransferOut));
    assert_eq!(
        hits("send").len(),
        trace.events.iter().filter(|e| e.lane == Lane::TransferOut).count()
    );
    assert!(
        hits("stage 1").iter().all(|event| event.action.stage == 1) && !hits("stage 1").is_empty()
    );
    let narrow = hits("step 2 forward mb 4");
    assert!(
        narrow.iter().all(|e| e.step == 2
            && e.action.micro_batch == 4
            && e.action.kind == ActionKind::Forward)
    );
    let stages: std::collections::BTreeSet<_> =
        trace.events.iter().map(|e| e.action.stage).collect();
    assert_eq!(narrow.len(), stages.len(), "one a stage");
    let device = &trace.devices[0].id;
    assert!(hits(&device.to_uppercase()).iter().all(|event| event.device == 0));
    assert!(hits("  ").is_empty() && hits("nonsense").is_empty());
    assert!(hits("99999999999999999999F1").is_empty());
    let starts: Vec<u64> = hits("F").iter().map(|event| event.start_ns).collect();
    assert!(starts.is_sorted());
}

#[test]
fn a_micro_batch_can_be_followed_there_and_back() {
    let scene = Scene::new(&samples::example().1, Source::Predicted);
    let find = |text: &str| {
        let found = Query::parse(text).hits(&scene);
        *found.iter().find(|i| scene.event(**i).is_some_and(|e| e.lane == Lane::Compute)).unwrap()
    };
    let name = |index: u32| scene.event(index).unwrap().action.to_string();
    let mut at = find("0F0");
    let mut way = vec![name(at)];
    while let Some(next) = flow::next(&scene, at) {
        assert_eq!(flow::previous(&scene, next), Some(at), "{} and {}", name(at), name(next));
        at = next;
        way.push(name(at));
        assert!(way.len() < 100, "it goes in circles: {way:?}");
    }
    for passed in ["0F0", "0SEND_F0", "1RECV_F0", "1F0", "1SEND_B0", "0RECV_B0"] {
        assert!(way.contains(&passed.to_owned()), "{passed} is not on {way:?}");
    }
    let around = flow::around(&scene, find("1F0"));
    let brings =
        |(send, receive): &(u32, u32)| name(*send) == "0SEND_F0" && name(*receive) == "1RECV_F0";
    assert!(around.iter().any(brings), "the transfer that brings its input is among {around:?}");
}
