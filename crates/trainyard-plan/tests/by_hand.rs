//! Plans of which the split or the schedule is given by hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/even.rs"]
mod even;

use even::profile;
use trainyard_plan::planner::{PlanRequest, Planned, RecomputeChoice, explain, plan};
use trainyard_plan::{Plan, PlanError, Profile, Schedule};

const ROOMY: u64 = 1 << 20;

fn split<'a>(profile: &'a Profile, schedule: &str, split: &[usize]) -> PlanRequest<'a> {
    let schedule = schedule.parse().unwrap();
    PlanRequest { schedule, split: Some(split.to_vec()), ..PlanRequest::new(profile) }
}

/// Device and layers of each stage.
fn stages(plan: &Plan) -> Vec<(&str, usize, usize)> {
    plan.stages.iter().map(|s| (s.device.as_str(), s.layers.0, s.layers.1)).collect()
}

fn first(planned: Result<Planned, PlanError>) -> Plan {
    planned.unwrap_or_else(|error| panic!("{error}")).candidates.remove(0).plan
}

fn refused(request: &PlanRequest) -> String {
    plan(request).unwrap_err().to_string()
}

#[test]
fn layers_lie_as_the_split_says() {
    // Unlike devices: the planner would give the fast one most.
    let three = profile(10, &[(9.0, ROOMY), (1.0, ROOMY), (3.0, ROOMY)], 4);
    for schedule in ["auto", "1f1b", "gpipe", "zb-h1"] {
        let planned = first(plan(&split(&three, schedule, &[6, 3, 1])));
        assert_eq!(stages(&planned), [("d0", 0, 6), ("d1", 6, 9), ("d2", 9, 10)], "{schedule}");
        planned.check(10).unwrap();
        assert!(schedule == "auto" || planned.schedule.name == schedule);
    }
    // Devices that are not named, or have no layers, are idle.
    let planned = first(plan(&split(&three, "1f1b", &[6, 4])));
    assert_eq!(stages(&planned), [("d0", 0, 6), ("d1", 6, 10)]);
    let planned = plan(&split(&three, "auto", &[6, 0, 4])).unwrap();
    assert_eq!(explain(&planned).unused, ["d1"]);
    assert_eq!(stages(&first(Ok(planned))), [("d0", 0, 6), ("d2", 6, 10)]);
    // Of those that may be used.
    let without = PlanRequest { excluded: vec![0], ..split(&three, "1f1b", &[6, 4]) };
    assert_eq!(stages(&first(plan(&without))), [("d1", 0, 6), ("d2", 6, 10)]);
}

#[test]
fn several_stages_a_device_go_in_the_order_of_the_pipeline() {
    let two = profile(10, &[(1.0, ROOMY), (1.0, ROOMY)], 4);
    let planned = first(plan(&split(&two, "interleaved", &[1, 2, 3, 4])));
    assert_eq!(stages(&planned), [("d0", 0, 1), ("d1", 1, 3), ("d0", 3, 6), ("d1", 6, 10)]);
    let planned = first(plan(&split(&two, "zb-v", &[1, 2, 3, 4])));
    assert_eq!(stages(&planned), [("d0", 0, 1), ("d1", 1, 3), ("d1", 3, 6), ("d0", 6, 10)]);
    first(plan(&split(&two, "auto", &[1, 2, 3, 4]))).check(10).unwrap();
}

#[test]
fn what_does_not_add_up_is_refused_in_words() {
    let two = profile(10, &[(1.0, ROOMY), (1.0, ROOMY)], 4);
    let said = refused(&split(&two, "auto", &[6, 3]));
    assert!(said.contains("6 + 3 = 9 layers, but the model has 10"), "{said}");
    let said = refused(&split(&two, "auto", &[usize::MAX, usize::MAX]));
    assert!(said.contains("but the model has 10"), "{said}");
    refused(&split(&two, "auto", &[]));
    for (schedule, of) in
        [("1f1b", &[2, 3, 5][..]), ("auto", &[2, 3, 5]), ("interleaved", &[4, 3, 0, 3])]
    {
        let said = refused(&split(&two, schedule, of));
        let stages = format!("the split has {} stages", of.len());
        assert!(said.contains(&stages) && said.contains("2 devices"), "{said}");
    }
    let locked = PlanRequest { locks: vec![(0, 1)], ..split(&two, "1f1b", &[6, 4]) };
    let said = refused(&locked);
    assert!(said.contains("the lock of 'layer0' on 'd1'"), "{said}");
    plan(&PlanRequest { locks: vec![(0, 0), (6, 1)], ..locked }).unwrap();
}

#[test]
fn a_split_that_does_not_fit_says_what_would() {
    // 450 B a layer with a micro-batch in flight, 400 B under recompute and a little for inputs.
    let two = profile(10, &[(1.0, 2000), (1.0, 8000)], 1);
    let recompute = RecomputeChoice::None;
    let said = refused(&PlanRequest { recompute, ..split(&two, "1f1b", &[6, 4]) });
    assert!(said.contains("without a split by hand it would fit; or with"), "{said}");
    assert!(said.contains("more, 'd0' would make it fit"), "{said}");
    plan(&PlanRequest { recompute, ..split(&two, "1f1b", &[3, 7]) }).unwrap();
    // Recompute is chosen where it helps.
    let tight = profile(10, &[(1.0, 2600), (1.0, 8000)], 4);
    let planned = first(plan(&split(&tight, "gpipe", &[5, 5])));
    assert_eq!(planned.stages[0].recompute, trainyard_plan::Recompute::Full);
}

#[test]
fn a_schedule_of_ones_own_is_run_as_it_is() {
    let csv = "0F0,0F1,0F2,(3F0;3B0)OVERLAP_F_B,3F1,3B1,3F2,3B2,0B0,0B1,0B2\n\
               1F0,2F0,1F1,2F1,1F2,2F2,2B0,1B0,2B1,1B1,2B2,1B2\n";
    let read = Schedule::from_csv("mine", csv).unwrap();
    read.check().unwrap();
    let three = profile(10, &[(9.0, ROOMY), (1.0, ROOMY), (1.0, ROOMY)], 3);
    let own = PlanRequest { own_schedule: Some(&read.schedule), ..PlanRequest::new(&three) };
    let planned = first(plan(&own));
    assert_eq!(planned.schedule, read.schedule);
    planned.check(10).unwrap();
    // The slow device is left out.
    assert!(planned.stages.iter().all(|stage| stage.device != "d0"), "{:?}", planned.stages);
    assert!(planned.notes.is_empty(), "{:?}", planned.notes);
    let split = PlanRequest { split: Some(vec![1, 2, 3, 4]), ..own.clone() };
    let d = |rank: usize| ["d0", "d1", "d1", "d0"][rank];
    let expected = [(d(0), 0, 1), (d(1), 1, 3), (d(2), 3, 6), (d(3), 6, 10)];
    assert_eq!(stages(&first(plan(&split))), expected);
    let said = refused(&PlanRequest { split: Some(vec![6, 4]), ..own.clone() });
    assert!(said.contains("'mine' has 4 stages"), "{said}");
    let one = profile(10, &[(1.0, ROOMY)], 3);
    let said = refused(&PlanRequest { profile: &one, ..own.clone() });
    assert!(said.contains("2 ranks, but there are only 1 devices"), "{said}");
    let few = profile(3, &[(1.0, ROOMY), (1.0, ROOMY)], 3);
    let said = refused(&PlanRequest { profile: &few, ..own.clone() });
    assert!(said.contains("4 stages, but the model has only 3 layers"), "{said}");
    let other = profile(10, &[(1.0, ROOMY), (1.0, ROOMY)], 4);
    let said = refused(&PlanRequest { profile: &other, ..own.clone() });
    assert!(said.contains("micro_batches is 4, but must be 3, as the schedule 'mine'"), "{said}");
    let small = profile(10, &[(1.0, 100), (1.0, 100)], 3);
    let said = refused(&PlanRequest { profile: &small, ..own });
    assert!(said.contains("does not fit"), "{said}");
}

#[test]
fn split_backwards_of_ones_own_run_whole_where_asked() {
    let schedule = Schedule::named("zb-h1", 2, 3).unwrap();
    let two = profile(4, &[(1.0, ROOMY), (1.0, ROOMY)], 3);
    let own = PlanRequest {
        own_schedule: Some(&schedule),
        split_backward: false,
        ..PlanRequest::new(&two)
    };
    let planned = first(plan(&own));
    assert_eq!(planned.schedule.ranks, schedule.merged().ranks);
    assert!(planned.notes.iter().any(|note| note.contains("I and W")), "{:?}", planned.notes);
}

#[test]
fn the_bound_counts_as_many_devices_as_layers_can_fill() {
    let four = profile(2, &[(1.0, ROOMY); 4], 4);
    let explanation = explain(&plan(&PlanRequest::new(&four)).unwrap());
    assert!((explanation.full_speed_up - 2.0).abs() < 1e-9, "{}", explanation.full_speed_up);
    assert!((explanation.ideal_speed_up - 1.6).abs() < 1e-9, "{}", explanation.ideal_speed_up);
}
