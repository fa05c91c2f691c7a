//! Schedules written by hand: several stages a rank, neighbours on one rank, split backwards,
//! micro-batches in different orders. All give what one device gives, to the last bit.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod toy;

use std::sync::Arc;

use trainyard_engine::{Device, Pipeline};
use trainyard_plan::{Action, ActionKind, Lane, Plan, Recompute, Schedule, Stage, TraceEvent};

use toy::{Toy, cpus, fingerprint, in_time, losses, micro_batches, plan, profile, try_distribute};

/// A plan with a stage a layer, from each rank's actions as text: `0F0 1F0 1B0 0B0`.
fn by_hand(rows: &[&str], recomputed: &[usize]) -> Plan {
    let parse = |row: &&str| -> Vec<Action> {
        row.split_whitespace().map(|action| action.parse().unwrap()).collect()
    };
    let schedule = Schedule::new("by hand", rows.iter().map(parse).collect());
    let stage = |(stage, rank): (usize, usize)| Stage {
        device: format!("d{rank}"),
        layers: (stage, stage + 1),
        recompute: if recomputed.contains(&stage) { Recompute::Full } else { Recompute::None },
    };
    let stages: Vec<Stage> = schedule.owners().into_iter().enumerate().map(stage).collect();
    let actions = schedule.ranks.iter().flatten();
    let micro_batches = actions.map(|action| action.micro_batch + 1).max().unwrap();
    Plan { stages, schedule, micro_batches, ..plan(1, 1, "gpipe", 1, Recompute::None) }
}

fn distribute(plan: &Plan, devices: Vec<Device>) -> Pipeline {
    let model = Toy::sound(plan.stages.len());
    let profile = profile(&model, &devices, plan.micro_batches);
    try_distribute(Arc::new(model), &profile, plan, devices).unwrap()
}

/// Trains and evaluates as planned and on one device.
fn equals_one_device(plan: Plan, devices: Vec<Device>) {
    in_time(move || {
        let (layers, micro) = (plan.stages.len(), plan.micro_batches);
        let mut several = distribute(&plan, devices);
        let mut single = toy::pipeline(
            Toy::sound(layers),
            &toy::plan(layers, 1, "gpipe", micro, Recompute::None),
        );
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(losses(&mut several, 1..=4), losses(&mut single, 1..=4));
        assert_eq!(
            fingerprint(&mut several, &folder.path().join("several")),
            fingerprint(&mut single, &folder.path().join("single"))
        );
        let [found, expected] = [&mut several, &mut single]
            .map(|pipeline| pipeline.evaluate(micro_batches(9, 5)).unwrap().loss.to_bits());
        assert_eq!(found, expected);
        let [found, expected] = [&mut several, &mut single]
            .map(|pipeline| pipeline.output(&micro_batches(9, 1)[0].tensors).unwrap());
        assert_eq!(found, expected);
    });
}

fn events(plan: &Plan) -> Vec<TraceEvent> {
    let mut pipeline = distribute(plan, cpus(plan.schedule.ranks.len(), 1 << 20));
    let batch = micro_batches(1, plan.micro_batches);
    pipeline.step(1, 0.01, batch).unwrap().measured.events
}

const THERE_AND_BACK: [&str; 2] = ["0F0 0F1 2F0 2B0 2F1 2B1 0B0 0B1", "1F0 1F1 1B0 1B1"];
/// Stages 1 and 2 are neighbours on one rank, at the bottom of the V.
const V: [&str; 2] = [
    "0F0 0F1 3F0 3I0 3F1 3W0 3I1 0I0 3W1 0W0 0I1 0W1",
    "1F0 2F0 1F1 2F1 2I0 1I0 2W0 2I1 1I1 1W0 2W1 1W1",
];
const ONE_RANK: [&str; 1] = ["0F0 1F0 0F1 2F0 2B0 1F1 2F1 1B0 0B0 2B1 1B1 0B1"];

#[test]
fn there_and_back_again_equals_one_device() {
    for recomputed in [vec![], vec![0], vec![0, 1, 2]] {
        equals_one_device(by_hand(&THERE_AND_BACK, &recomputed), cpus(2, 1 << 20));
    }
}

#[test]
fn neighbours_on_one_rank_with_split_backwards_equal_one_device() {
    for recomputed in [vec![], vec![1], vec![0, 1, 2, 3]] {
        equals_one_device(by_hand(&V, &recomputed), cpus(2, 1 << 20));
    }
}

#[test]
fn all_stages_on_one_rank_equal_one_stage() {
    equals_one_device(by_hand(&ONE_RANK, &[]), cpus(1, 1 << 20));
    equals_one_device(by_hand(&ONE_RANK, &[1]), cpus(1, 1 << 20));
}

#[test]
fn stages_of_one_rank_may_take_micro_batches_in_different_orders() {
    // The sums of gradients are taken in the order of the backwards, which stays.
    let rows = ["0F2 0F0 0F1 1F0 1F1 1B0 1F2 1B1 1B2 0B0 0B1 0B2"];
    equals_one_device(by_hand(&rows, &[]), cpus(1, 1 << 20));
}

#[test]
fn a_throttled_device_computes_the_same_bits() {
    for rows in [&THERE_AND_BACK, &V] {
        let mut devices = cpus(2, 1 << 20);
        let slow = devices.remove(1).with_throttle(3.0);
        assert!(devices[0].throttle().to_bits() == 1.0_f64.to_bits());
        assert!(slow.throttle().to_bits() == 3.0_f64.to_bits());
        devices.push(slow);
        equals_one_device(by_hand(rows, &[]), devices);
    }
}

#[test]
fn a_throttle_is_never_below_one() {
    for (asked, given) in [(0.5, 1.0), (-1.0, 1.0), (f64::NAN, 1.0), (f64::INFINITY, 1000.0)] {
        let device = cpus(1, 1 << 20).remove(0).with_throttle(asked);
        assert!(device.throttle().to_bits() == f64::to_bits(given), "{asked}");
    }
}

#[test]
fn nothing_moves_between_stages_of_one_rank() {
    let transfers = |rows: &[&str]| {
        let events = events(&by_hand(rows, &[]));
        let mut moved: Vec<String> = events
            .iter()
            .filter(|event| event.lane != Lane::Compute)
            .map(|event| event.action.to_string())
            .collect();
        moved.sort();
        moved
    };
    assert_eq!(transfers(&ONE_RANK), Vec::<String>::new());
    let across = |from: usize, to: usize| {
        [
            (from, ActionKind::SendForward),
            (to, ActionKind::RecvForward),
            (to, ActionKind::SendBackward),
            (from, ActionKind::RecvBackward),
        ]
    };
    let actions = [across(0, 1), across(2, 3)].into_iter().flatten();
    let mut expected: Vec<String> = actions
        .flat_map(|(stage, kind)| [0, 1].map(|m| Action::new(stage, kind, m).to_string()))
        .collect();
    expected.sort();
    assert_eq!(transfers(&V), expected);
}

#[test]
fn every_action_of_a_split_backward_is_in_the_trace() {
    let plan = by_hand(&V, &[]);
    let events = events(&plan);
    for action in plan.schedule.ranks.iter().flatten() {
        let found: Vec<&TraceEvent> = events
            .iter()
            .filter(|event| event.lane == Lane::Compute && event.action == *action)
            .collect();
        let [event] = found.as_slice() else { panic!("{action}: {found:?}") };
        assert!(event.start_ns <= event.end_ns, "{action}");
    }
}
