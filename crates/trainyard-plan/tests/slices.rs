//! Sequence slices: every kind of schedule can be cut so, keeps the two orders of slices, and takes the time
//! and memory that its page says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "times are whole µs, whose sums are exact")]

mod common;
#[path = "common/even.rs"]
mod even;

use std::collections::BTreeMap;

use common::schedule;
use proptest::prelude::*;
use trainyard_plan::memory::StageMemory;
use trainyard_plan::planner::{PlanRequest, RecomputeChoice, Slices, plan};
use trainyard_plan::simulate::{most_held, simulate};
use trainyard_plan::validate::validate;
use trainyard_plan::{
    Action, ActionKind, FixedTimes, Plan, PlanError, Profile, Recompute, Schedule, Stage,
};

/// Positions of a context that can be cut into 2, 3, 4 and 5 equal slices.
const CONTEXT: usize = 60;
/// What all slices of a layer hand on, in bytes.
const CARRIED: u64 = 120;
/// Activations of a layer for the whole context, in bytes.
const SAVED: u64 = 600;

/// Equal causal layers, each of 60 µs forward, 60 + 60 back.
fn causal(layers: usize, devices: usize, micro_batches: usize) -> Profile {
    let mut profile = even::profile(layers, &vec![(60.0, 1 << 20); devices], micro_batches);
    for layer in &mut profile.model.layers {
        layer.context = Some(CONTEXT);
        layer.carried_bytes = CARRIED;
        layer.saved_bytes = SAVED;
        (layer.input_bytes, layer.output_bytes) = (0, 0);
    }
    profile
}

/// A layer a stage, on the ranks of the schedule.
fn plan_of(profile: &Profile, schedule: Schedule, recompute: Recompute) -> Plan {
    let micro_batches = schedule.micro_batches();
    let stage = |(index, rank): (usize, &usize)| {
        let device = profile.devices[*rank].id.clone();
        Stage { device, layers: (index, index + 1), recompute }
    };
    let stages = schedule.owners().iter().enumerate().map(stage).collect();
    Plan::new("even", stages, schedule, micro_batches)
}

proptest! {
    #[test]
    fn every_kind_is_sound_and_holds_no_less_than_it_says(
        p in 1_usize..7, rows in 1_usize..7, slices in 1_usize..6, chunks in 1_usize..4,
    ) {
        let n = rows * slices;
        for kind in Schedule::kinds() {
            let Ok(schedule) = Schedule::of_kind_in_slices(kind, p, chunks, n, slices) else {
                prop_assert!(Schedule::of_kind(kind, p, chunks, n).is_err());
                continue;
            };
            // Complete, in the orders of slices, and without a deadlock.
            let sound = validate(&schedule, p * chunks, n);
            prop_assert!(sound.is_ok(), "{}: {}", kind.name(), sound.unwrap_err());
            prop_assert!(keeps_orders(&schedule), "{}", kind.name());
            prop_assert_eq!(schedule.owners(), kind.placement(p, chunks));
            if chunks > 1 {
                continue;
            }
            for rank in 0..p {
                let alike = Schedule::of_kind(kind, p, 1, n + slices - 1).unwrap();
                let bound = n.min(alike.max_in_flight(rank) + slices - 1);
                prop_assert!(schedule.max_in_flight(rank) <= bound, "{} rank {rank}", kind.name());
            }
        }
        let uncut = Schedule::named("1f1b", p, n).unwrap();
        prop_assert_eq!(Schedule::in_slices("1f1b", p, 1, n, 1).unwrap(), uncut);
    }

    /// With equal stages and free links a step takes (n + p − 1)(F + B) of a slice, and a rank holds
    /// p − i + S − 1 of them under 1F1B, with what they have of those before.
    #[test]
    fn time_and_memory_are_those_of_the_formulas(
        p in 1_usize..7, rows in 1_usize..7, slices in 1_usize..6, recompute in any::<bool>(),
    ) {
        let n = rows * slices;
        let profile = causal(p, p, rows);
        let recompute = if recompute { Recompute::Full } else { Recompute::None };
        let of_whole = if recompute == Recompute::Full { 240.0 } else { 180.0 };
        for name in ["gpipe", "1f1b"] {
            let schedule = Schedule::in_slices(name, p, 1, n, slices).unwrap();
            for rank in 0..p {
                let held = if name == "gpipe" { n } else { n.min(p - rank + slices - 1) };
                prop_assert_eq!(schedule.max_in_flight(rank), held, "{} rank {}", name, rank);
            }
            let plan = plan_of(&profile, schedule, recompute);
            let simulation = simulate(&profile, &plan).unwrap();
            let formula = (n + p - 1) as f64 * of_whole / slices as f64;
            prop_assert_eq!(simulation.step_us, formula, "{} {} {} {}", name, p, rows, slices);
            for (rank, device) in simulation.devices.iter().enumerate() {
                let held = replayed(&plan.schedule.ranks[rank], slices, recompute);
                prop_assert_eq!(device.peak_bytes.activations, held, "{} rank {}", name, rank);
                let most = most_held(&profile, &plan).unwrap()[rank].activations;
                prop_assert!(most >= held);
            }
        }
    }
}

/// Whether the slices of the same rows go forward in order and back the other way round, on every stage.
fn keeps_orders(schedule: &Schedule) -> bool {
    let mut orders: BTreeMap<(usize, usize, ActionKind), Vec<usize>> = BTreeMap::new();
    for action in schedule.ranks.iter().flatten() {
        let rows = action.micro_batch / schedule.slices;
        // A whole backward gives the gradients of the input and of the weights.
        let parts: &[ActionKind] = match action.kind {
            ActionKind::Backward => &[ActionKind::InputGrad, ActionKind::WeightGrad],
            _ => std::slice::from_ref(&action.kind),
        };
        for part in parts {
            let of_rows = orders.entry((action.stage, rows, *part)).or_default();
            of_rows.push(action.micro_batch % schedule.slices);
        }
    }
    orders.into_iter().all(|((_, _, kind), order)| {
        let mut wanted: Vec<usize> = (0..schedule.slices).collect();
        if kind != ActionKind::Forward {
            wanted.reverse();
        }
        order == wanted
    })
}

/// The most that a rank with one layer holds of activations, worked out tensor by tensor.
fn replayed(row: &[Action], slices: usize, recompute: Recompute) -> u64 {
    // What `slices` slices divide has no remainder.
    let (share, carried) = (SAVED / slices as u64, CARRIED / slices as u64);
    let mut kept: BTreeMap<usize, u64> = BTreeMap::new();
    // By rows: gradients for what the slice whose backward is next has handed on.
    let mut gradients: BTreeMap<usize, u64> = BTreeMap::new();
    let mut most = 0;
    for action in row {
        let (rows, slice) = (action.micro_batch / slices, (action.micro_batch % slices) as u64);
        let mut beside = 0;
        if action.kind == ActionKind::Forward {
            let bytes = match recompute {
                Recompute::None => share + slice * carried,
                Recompute::Full if slice + 1 == slices as u64 => 0,
                Recompute::Full => (slice + 1) * carried,
            };
            kept.insert(action.micro_batch, bytes);
        } else {
            // Gradients for the slices before, and of one layer those together with its own.
            let of_carried = if slices > 1 { (2 * slice + 1) * carried } else { 0 };
            beside = of_carried + if recompute == Recompute::Full { share } else { 0 };
        }
        most = most.max(kept.values().chain(gradients.values()).sum::<u64>() + beside);
        if action.kind != ActionKind::Forward {
            kept.remove(&action.micro_batch);
            gradients.insert(rows, slice * carried);
        }
    }
    most
}

#[test]
fn orders_that_cannot_be_computed_are_refused() {
    let refused = |row: &str| {
        let sliced = Schedule { slices: 2, ..schedule(&[row]) };
        let PlanError::BadSchedule { action, reason, .. } = validate(&sliced, 1, 2).unwrap_err()
        else {
            panic!("another error");
        };
        (action, reason)
    };
    validate(&Schedule { slices: 2, ..schedule(&["0F0 0F1 0B1 0B0"]) }, 1, 2).unwrap();
    let (action, reason) = refused("0F1 0F0 0B1 0B0");
    assert_eq!(action, "0F1");
    assert!(reason.contains("slice 1 of 2") && reason.contains("first to the last"), "{reason}");
    let (action, reason) = refused("0F0 0F1 0I0 0W0 0I1 0W1");
    assert_eq!(action, "0I0");
    assert!(reason.contains("slice 0 of 2") && reason.contains("last to the first"), "{reason}");
    // Weights may wait in any order.
    validate(&Schedule { slices: 2, ..schedule(&["0F0 0F1 0I1 0I0 0W0 0W1"]) }, 1, 2).unwrap();
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let refused = |slices| {
        let schedule = Schedule { slices, ..schedule(&["0F0 0B0 0F1 0B1 0F2 0B2"]) };
        validate(&schedule, 1, 3).unwrap_err().to_string()
    };
    assert!(refused(2).contains("a multiple of the 2 slices"), "{}", refused(2));
    assert!(refused(0).contains("at least 1"), "{}", refused(0));
    assert!(Schedule::in_slices("1f1b", 2, 1, 3, 2).is_err());
    let profile = causal(2, 2, 1);
    assert!(profile.in_slices(0).is_err() && profile.in_slices(CONTEXT).is_ok());
    let error = profile.in_slices(CONTEXT + 1).unwrap_err().to_string();
    assert!(error.contains("from 1 to 60"), "{error}");
    let error = profile.in_slices(2).unwrap().in_slices(4).unwrap_err().to_string();
    assert!(error.contains("2, for which the profile is"), "{error}");
}

#[test]
fn a_model_with_a_layer_that_cannot_be_cut_is_refused_with_its_name() {
    let mut profile = causal(3, 2, 2);
    profile.model.layers[1].context = None;
    let error = profile.in_slices(2).unwrap_err().to_string();
    assert!(error.contains("'layer1'") && error.contains("leave slices at 1"), "{error}");
    let request = PlanRequest { slices: Slices::Count(2), ..PlanRequest::new(&profile) };
    assert_eq!(plan(&request).unwrap_err().to_string(), error);
    // What may be cut stays whole.
    let request = PlanRequest { slices: Slices::Auto, ..request };
    assert_eq!(plan(&request).unwrap().candidates[0].plan.schedule.slices, 1);
}

#[test]
fn a_context_is_cut_as_equal_as_possible() {
    let profile = causal(1, 1, 1);
    let sliced = profile.in_slices(7).unwrap();
    // The largest slice of 60 positions has 9.
    assert_eq!(sliced.devices[0].forward_us[0], 9.0);
    assert_eq!(sliced.model.layers[0].saved_bytes, 90);
    assert_eq!(sliced.model.layers[0].carried_bytes, CARRIED);
    assert_eq!((sliced.micro_batches, sliced.slices), (7, 7));
    assert_eq!(sliced.model.layers[0].param_bytes, profile.model.layers[0].param_bytes);
}

/// A profile that knows how much of each time does not depend on the size of a micro-batch.
fn with_fixed(mut profile: Profile, fixed_us: f64) -> Profile {
    profile.rows = Some(1);
    for device in &mut profile.devices {
        let times = || vec![fixed_us; device.forward_us.len()];
        let fixed = FixedTimes { forward: times(), input_grad: times(), weight_grad: times() };
        device.fixed_us = Some(fixed);
    }
    profile
}

#[test]
fn one_row_fills_a_pipeline_where_slices_are_chosen() {
    let unknown = causal(8, 4, 1);
    let profile = with_fixed(unknown.clone(), 0.0);
    let whole = plan(&PlanRequest::new(&profile)).unwrap();
    let request = PlanRequest {
        slices: Slices::Auto,
        recompute: RecomputeChoice::None,
        ..PlanRequest::new(&profile)
    };
    let planned = plan(&request).unwrap();
    let best = &planned.candidates[0];
    assert_eq!((best.plan.schedule.slices, best.plan.micro_batches), (16, 16));
    let planned = plan(&PlanRequest { profile: &unknown, ..request.clone() }).unwrap();
    let left = &planned.candidates[0].plan;
    assert_eq!(left.schedule.slices, 1);
    assert!(left.notes.iter().any(|note| note.contains("rows are left whole")), "{:?}", left.notes);
    let (sliced_us, whole_us) = (best.simulation.step_us, whole.candidates[0].simulation.step_us);
    assert!(sliced_us < 0.45 * whole_us, "{sliced_us} of {whole_us}");
    let note = best.plan.notes.iter().find(|note| note.contains("16 slices")).unwrap();
    assert!(note.contains("% faster than the best plan without"), "{note}");
    // The plan that comes back is simulated from the profile of whole rows.
    let again = Plan::from_json(&serde_json::to_string(&best.plan).unwrap()).unwrap();
    assert_eq!(again.schedule, best.plan.schedule);
    let simulated = simulate(&profile, &again).unwrap().step_us;
    assert!((simulated - best.simulation.step_us).abs() < 1e-6);
}

#[test]
fn slices_that_cost_more_than_they_bring_are_not_chosen() {
    let profile = with_fixed(causal(8, 4, 8), 55.0);
    let request = PlanRequest { slices: Slices::Auto, ..PlanRequest::new(&profile) };
    assert_eq!(plan(&request).unwrap().candidates[0].plan.schedule.slices, 1);
}

#[test]
fn every_kind_can_be_planned_in_slices() {
    let profile = causal(8, 2, 4);
    for kind in Schedule::kinds() {
        let request = PlanRequest {
            schedule: kind.name().parse().unwrap(),
            slices: Slices::Count(3),
            ..PlanRequest::new(&profile)
        };
        let best = plan(&request).unwrap().candidates.remove(0).plan;
        assert_eq!((best.schedule.slices, best.micro_batches), (3, 12), "{}", kind.name());
        best.check(8).unwrap();
    }
}

#[test]
fn files_say_slices_only_where_there_are_any() {
    let whole = serde_json::to_string(&Schedule::named("1f1b", 2, 2).unwrap()).unwrap();
    assert!(!whole.contains("slices"), "{whole}");
    let sliced = Schedule::in_slices("1f1b", 2, 1, 2, 2).unwrap();
    let text = serde_json::to_string(&sliced).unwrap();
    assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), sliced);
    assert_eq!(serde_json::from_str::<Schedule>(&whole).unwrap().slices, 1);
    let transfers = sliced.with_transfers();
    assert_eq!((transfers.slices, transfers.compute_only()), (2, sliced));
}

#[test]
fn a_stage_of_whole_rows_holds_what_it_did() {
    let profile = causal(1, 1, 2);
    let memory = StageMemory::of(&profile, 0, 0..1);
    assert_eq!(memory.carried, CARRIED);
    assert_eq!(memory.peak(Recompute::None, 2, 2).activations, 2 * SAVED);
}
