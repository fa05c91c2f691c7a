//! The document: edits of arrangements, and what becomes of them.
#![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

mod common;

use std::time::Instant;

use proptest::prelude::*;
use trainyard_plan::{Profile, Recompute};
use trainyard_studio::document::{Arrangement, Document, Edit, How, ScheduleChoice};

use common::profile;

fn example() -> Document {
    Document::example().unwrap()
}

/// Stages as (device, first, end).
fn stages(document: &Document) -> Vec<(usize, usize, usize)> {
    let stages = document.arrangement().stages.iter();
    stages.map(|stage| (stage.device, stage.first, stage.end)).collect()
}

fn move_to(layers: (usize, usize), device: usize, how: How) -> Edit {
    Edit::Move { layers: vec![layers], device, how }
}

#[test]
fn the_example_is_planned_and_fits() {
    let document = example();
    assert!(document.present().fits());
    assert_eq!(document.profile().devices.len(), 3);
    assert!(!document.is_changed());
}

#[test]
fn a_profile_without_a_plan_is_spread_by_memory() {
    let document = Document::new(profile(12, &[4000, 4000, 8000]), None).unwrap();
    assert_eq!(stages(&document), [(0, 0, 3), (1, 3, 6), (2, 6, 12)]);
}

#[test]
fn a_layer_at_the_edge_joins_its_neighbour() {
    let mut document = Document::new(profile(9, &[9000, 9000, 9000]), None).unwrap();
    document.edit(&move_to((2, 3), 1, How::Boundary)).unwrap();
    assert_eq!(stages(&document), [(0, 0, 2), (1, 2, 6), (2, 6, 9)]);
}

#[test]
fn a_layer_from_the_middle_takes_those_between_along_or_splits_the_stage() {
    let document = Document::new(profile(9, &[9000, 9000, 9000]), None).unwrap();
    let (mut along, mut split) = (document.clone(), document);
    along.edit(&move_to((4, 5), 0, How::Boundary)).unwrap();
    assert_eq!(stages(&along), [(0, 0, 5), (1, 5, 6), (2, 6, 9)]);
    split.edit(&move_to((4, 5), 0, How::Split)).unwrap();
    assert_eq!(stages(&split), [(0, 0, 3), (1, 3, 4), (0, 4, 5), (1, 5, 6), (2, 6, 9)]);
    assert_eq!(split.arrangement().owners(), [0, 1, 0, 1, 2]);
    // And back again it is one stage.
    split.edit(&move_to((4, 5), 1, How::Boundary)).unwrap();
    assert_eq!(stages(&split), [(0, 0, 3), (1, 3, 6), (2, 6, 9)]);
}

#[test]
fn a_selection_of_several_runs_moves_at_once() {
    let mut document = Document::new(profile(9, &[9000, 9000, 9000]), None).unwrap();
    let edit = Edit::Move { layers: vec![(1, 2), (7, 8)], device: 1, how: How::Split };
    document.edit(&edit).unwrap();
    assert_eq!(
        stages(&document),
        [(0, 0, 1), (1, 1, 2), (0, 2, 3), (1, 3, 6), (2, 6, 7), (1, 7, 8), (2, 8, 9)]
    );
    assert_eq!(document.undo().unwrap(), "move l1, l7 to d1");
    assert_eq!(stages(&document), [(0, 0, 3), (1, 3, 6), (2, 6, 9)]);
}

#[test]
fn a_drop_that_does_not_fit_is_refused_in_words() {
    let mut document = Document::new(profile(6, &[9000, 200]), None).unwrap();
    let before = document.arrangement().clone();
    let refusal = document.edit(&move_to((0, 6), 1, How::Boundary)).unwrap_err();
    assert!(refusal.0.starts_with("d1 would need ") && refusal.0.ends_with(" more"), "{refusal:?}");
    assert_eq!(*document.arrangement(), before);
}

#[test]
fn from_over_a_budget_one_can_come_back_step_by_step() {
    let mut document = Document::new(profile(6, &[9000, 9000]), None).unwrap();
    document.edit(&Edit::Memory { device: 1, bytes: 60 }).unwrap();
    assert!(!document.present().fits());
    document.edit(&move_to((3, 4), 0, How::Boundary)).unwrap();
    assert!(document.edit(&move_to((3, 4), 1, How::Boundary)).is_err());
}

#[test]
fn a_locked_layer_stays() {
    let mut document = Document::new(profile(6, &[9000, 9000]), None).unwrap();
    document.edit(&Edit::Lock { layers: vec![(2, 3)], locked: true }).unwrap();
    let refusal = document.edit(&move_to((2, 3), 1, How::Boundary)).unwrap_err();
    assert_eq!(refusal.0, "l2 is locked to d0; unlock it first");
    assert!(document.edit(&Edit::Boundary { stage: 0, layer: 1 }).is_err());
    assert!(document.edit(&Edit::Exclude { device: 0, excluded: true }).is_err());
    document.edit(&Edit::Lock { layers: vec![(2, 3)], locked: false }).unwrap();
    document.edit(&move_to((2, 3), 1, How::Boundary)).unwrap();
}

#[test]
fn a_device_that_is_switched_off_gives_its_layers_away() {
    let mut document = Document::new(profile(9, &[9000, 9000, 9000]), None).unwrap();
    document.edit(&Edit::Exclude { device: 1, excluded: true }).unwrap();
    assert_eq!(stages(&document), [(0, 0, 6), (2, 6, 9)]);
    let refusal = document.edit(&move_to((0, 1), 1, How::Boundary)).unwrap_err();
    assert_eq!(refusal.0, "d1 is switched off");
    document.edit(&Edit::Exclude { device: 0, excluded: true }).unwrap();
    assert!(document.edit(&Edit::Exclude { device: 2, excluded: true }).is_err());
}

#[test]
fn where_the_neighbours_are_too_small_the_planner_finds_room_or_it_is_said_that_there_is_none() {
    let mut document = Document::new(profile(9, &[300, 300, 9000]), None).unwrap();
    document.edit(&move_to((0, 9), 2, How::Boundary)).unwrap();
    // Only one device is in use, so there is no neighbour at all.
    document.edit(&Edit::MicroBatches(2)).unwrap();
    document.edit(&Edit::Exclude { device: 2, excluded: true }).unwrap();
    assert!(stages(&document).iter().all(|(device, ..)| *device != 2));
    assert!(document.present().fits());
    assert_eq!(document.arrangement().micro_batches, 2);
    let refusal = document.edit(&Edit::Exclude { device: 0, excluded: true }).unwrap_err();
    assert!(refusal.0.starts_with("nothing fits without d0: d1 would need "), "{refusal:?}");
    assert!(!document.arrangement().excluded.contains(&0));
}

/// The same with layers that can be cut along a context of four positions.
fn causal(mut profile: Profile) -> Profile {
    for layer in &mut profile.model.layers {
        (layer.context, layer.carried_bytes) = (Some(4), 8);
    }
    profile
}

#[test]
fn rows_are_cut_into_slices_and_made_whole_again() {
    let whole = profile(9, &[9000, 9000, 9000]);
    let mut document = Document::new(whole.clone(), None).unwrap();
    let refusal = document.edit(&Edit::Slices(2)).unwrap_err();
    assert!(refusal.0.contains("cannot be cut into 2 slices"), "{refusal:?}");
    let mut document = Document::new(causal(whole), None).unwrap();
    let before = document.present().plan.micro_batches;
    document.edit(&Edit::Slices(4)).unwrap();
    let plan = document.present().plan.clone();
    assert_eq!((plan.schedule.slices, plan.micro_batches), (4, 4 * before));
    assert_eq!(document.arrangement().micro_batches, before);
    document.edit(&Edit::MicroBatches(2)).unwrap();
    assert_eq!(document.present().plan.micro_batches, 8);
    assert!(document.edit(&Edit::Slices(5)).is_err(), "there are four positions");
    document.edit(&Edit::Slices(1)).unwrap();
    assert_eq!(document.present().plan.schedule.slices, 1);
    // A plan that is opened has what it says.
    let opened = Document::new(document.profile().as_ref().clone(), Some(&plan)).unwrap();
    assert_eq!((opened.arrangement().slices, &opened.present().plan.schedule), (4, &plan.schedule));
}

#[test]
fn a_schedule_that_does_not_go_with_the_stages_is_replaced_and_says_so() {
    let mut document = Document::new(profile(9, &[9000, 9000, 9000]), None).unwrap();
    document.edit(&Edit::Schedule(ScheduleChoice::Named("gpipe".into()))).unwrap();
    assert_eq!(document.present().plan.schedule.name, "gpipe");
    document.edit(&move_to((4, 5), 0, How::Split)).unwrap();
    assert_eq!(document.present().plan.schedule.name, "auto");
    assert!(document.present().plan.notes[0].starts_with("gpipe does not go"));
    document.undo();
    assert_eq!(document.present().plan.schedule.name, "gpipe");
}

#[test]
fn a_dragged_slider_is_one_step_back() {
    let mut document = Document::new(profile(6, &[9000, 9000]), None).unwrap();
    let start = document.arrangement().clone();
    for bytes in [8000, 7000, 6000] {
        document.edit(&Edit::Memory { device: 0, bytes }).unwrap();
    }
    document.undo();
    assert_eq!(*document.arrangement(), start);
    assert!(document.history().undo_words().is_none());
}

#[test]
fn swapping_devices_swaps_their_layers() {
    let mut document = Document::new(profile(9, &[9000, 9000, 9000]), None).unwrap();
    document.edit(&Edit::Swap { a: 0, b: 2 }).unwrap();
    assert_eq!(stages(&document), [(2, 0, 3), (1, 3, 6), (0, 6, 9)]);
}

#[test]
fn a_plan_goes_through_the_document_unchanged() {
    let document = example();
    let again =
        Document::new(document.profile().as_ref().clone(), Some(&document.present().plan)).unwrap();
    assert_eq!(again.present().plan.schedule, document.present().plan.schedule);
    assert_eq!(again.present().plan.stages, document.present().plan.stages);
    assert_eq!(again.present().simulation, document.present().simulation);
}

/// Any edit, sensible or not.
fn any_edit() -> impl Strategy<Value = Edit> {
    let run = (0usize..14, 0usize..14);
    let how = prop_oneof![Just(How::Boundary), Just(How::Split)];
    let choices: Vec<ScheduleChoice> = Edit::schedule_choices().collect();
    prop_oneof![
        6 => (prop::collection::vec(run.clone(), 1..3), 0usize..5, how)
            .prop_map(|(layers, device, how)| Edit::Move { layers, device, how }),
        3 => (0usize..6, 0usize..14).prop_map(|(stage, layer)| Edit::Boundary { stage, layer }),
        1 => (0usize..14).prop_map(|layer| Edit::Cut { layer }),
        1 => (0usize..6).prop_map(|stage| Edit::Join { stage }),
        1 => (0usize..5, 0usize..5).prop_map(|(a, b)| Edit::Swap { a, b }),
        1 => (0usize..6, any::<bool>()).prop_map(|(stage, full)| Edit::Recompute {
            stage,
            recompute: if full { Recompute::Full } else { Recompute::None },
        }),
        1 => (0usize..5, 0u64..5000).prop_map(|(device, bytes)| Edit::Memory { device, bytes }),
        1 => (run, any::<bool>())
            .prop_map(|(run, locked)| Edit::Lock { layers: vec![run], locked }),
        1 => (0usize..5, any::<bool>())
            .prop_map(|(device, excluded)| Edit::Exclude { device, excluded }),
        1 => prop::sample::select(choices).prop_map(Edit::Schedule),
        1 => (0usize..6).prop_map(Edit::MicroBatches),
        1 => (0usize..6).prop_map(Edit::Slices),
        1 => any::<bool>().prop_map(Edit::SplitBackward),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any edits, then as many undos, give the start; every state in between is a valid plan, and
    /// locks and switched-off devices are kept.
    #[test]
    fn any_edits_and_undos_give_the_start(edits in prop::collection::vec(any_edit(), 0..20)) {
        let causal = causal(profile(12, &[3000, 2000, 1500, 900]));
        let mut document = Document::new(causal, None).unwrap();
        let start: Arrangement = document.arrangement().clone();
        for edit in &edits {
            let before = document.arrangement().clone();
            if document.edit(edit).is_err() {
                prop_assert_eq!(document.arrangement(), &before);
            }
            let now = document.arrangement();
            document.present().plan.check(12).unwrap();
            for (layer, device) in &now.locks {
                prop_assert_eq!(now.device_of(*layer), Some(*device));
            }
            prop_assert!(now.stages.iter().all(|stage| !now.excluded.contains(&stage.device)));
        }
        let end = document.arrangement().clone();
        let mut undone = 0;
        while document.undo().is_some() {
            undone += 1;
            document.present().plan.check(12).unwrap();
        }
        prop_assert_eq!(document.arrangement(), &start);
        for _ in 0..undone {
            document.redo().unwrap();
        }
        prop_assert_eq!(document.arrangement(), &end);
    }
}

/// Not a test of time: prints what a preview takes, for whoever runs it.
#[test]
#[ignore = "a figure, not a test"]
fn how_long_a_preview_takes() {
    let mut large = profile(64, &[1 << 20; 8]);
    large.micro_batches = 64;
    let mut document = Document::new(large, None).unwrap();
    let edit = move_to((7, 8), 1, How::Boundary);
    for _ in 0..5 {
        let start = Instant::now();
        document.preview(&edit).unwrap();
        println!("{:?}", start.elapsed());
    }
    document.edit(&edit).unwrap();
}
