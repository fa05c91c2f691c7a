//! A schedule from another crate: this test is one, and adds a schedule without touching ours.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/even.rs"]
mod even;

use std::sync::Once;

use trainyard_plan::costs::PipelineCosts;
use trainyard_plan::planner::{PlanRequest, plan};
use trainyard_plan::schedule_search::best_named;
use trainyard_plan::validate::validate;
use trainyard_plan::{
    Action, Chunks, Plan, PlanError, Profile, Schedule, ScheduleKind, ScheduleRequest, Stage,
};

/// `GPipe` in groups of two micro-batches: fewer in flight, more of the bubble.
#[derive(Debug)]
struct Pairs;

impl ScheduleKind for Pairs {
    fn name(&self) -> &'static str {
        "pairs"
    }

    fn doc(&self) -> &'static str {
        "two micro-batches forward, then both backward"
    }

    fn in_flight(&self, _stages_after: usize, micro_batches: usize) -> usize {
        micro_batches.min(2)
    }

    fn build(&self, ranks: usize, _chunks: usize, micro_batches: usize) -> Vec<Vec<Action>> {
        let pair = |stage: usize, first: usize| {
            let both = first..(first + 2).min(micro_batches);
            let forwards = both.clone().map(move |m| Action::forward(stage, m));
            forwards.chain(both.map(move |m| Action::backward(stage, m))).collect::<Vec<_>>()
        };
        let row = |stage| (0..micro_batches).step_by(2).flat_map(|m| pair(stage, m)).collect();
        (0..ranks).map(row).collect()
    }
}

fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| Schedule::register(&Pairs).unwrap());
}

/// Four stages of two layers, six micro-batches.
fn profile() -> Profile {
    even::profile(8, &[(1.0, 1 << 20), (1.0, 1 << 20), (1.0, 1 << 20), (1.0, 1 << 20)], 6)
}

#[test]
fn its_name_is_known_everywhere() {
    register();
    assert!(Schedule::names().any(|name| name == "pairs"));
    let schedule = Schedule::named("pairs", 4, 6).unwrap();
    validate(&schedule, 4, 6).unwrap();
    assert_eq!(schedule.max_in_flight(0), 2);
    assert_eq!(Schedule::placement("pairs", 3, 1), Ok(vec![0, 1, 2]));
    assert_eq!("pairs".parse::<ScheduleRequest>().unwrap().name(), "pairs");
    // Once more is no other.
    Schedule::register(&Pairs).unwrap();
    assert_eq!(Schedule::names().filter(|name| *name == "pairs").count(), 1);
    let PlanError::UnknownSchedule { known, .. } = Schedule::named("pair", 1, 1).unwrap_err()
    else {
        unreachable!("another error")
    };
    assert!(
        known.contains("zb-v, v-half, v-min, dualpipe-v, pairs, auto (did you mean 'pairs'?)"),
        "{known}"
    );
}

#[test]
fn the_planner_plans_with_it() {
    register();
    let profile = profile();
    let request = PlanRequest { schedule: "pairs".parse().unwrap(), ..PlanRequest::new(&profile) };
    let planned = plan(&request).unwrap();
    let Plan { schedule, stages, .. } = &planned.candidates[0].plan;
    assert_eq!(*schedule, Schedule::named("pairs", stages.len(), 6).unwrap());
    // The plan that is written can be read where the kind is not known.
    let text = serde_json::to_string(&planned.candidates[0].plan).unwrap();
    assert_eq!(Plan::from_json(&text).unwrap().schedule, *schedule);
}

#[test]
fn a_kind_need_not_be_registered_to_be_asked_for() {
    let profile = profile();
    let schedule = ScheduleRequest::Named(&Pairs);
    let planned = plan(&PlanRequest { schedule, ..PlanRequest::new(&profile) }).unwrap();
    assert_eq!(planned.candidates[0].plan.schedule.name, "pairs");
}

#[test]
fn the_search_compares_it_with_ours() {
    register();
    let mut profile = profile();
    let stage = |rank: usize| Stage {
        device: format!("d{rank}"),
        layers: (2 * rank, 2 * rank + 2),
        recompute: trainyard_plan::Recompute::None,
    };
    let stages: Vec<Stage> = (0..4).map(stage).collect();
    // Room for the weights and two micro-batches on the first rank, where 1F1B holds four.
    profile.devices[0].memory_bytes = 2 * (400 + 2 * 50) + 40;
    let costs = PipelineCosts::of(&profile, &stages, &[0, 1, 2, 3]).unwrap();
    let (name, score) = best_named(&costs, 6, true).unwrap().unwrap();
    assert!(score.fits);
    assert_eq!(name, "pairs");
}

/// A kind that does not do what it says.
#[derive(Debug)]
struct Wrong {
    name: &'static str,
    in_flight: usize,
    placement: usize,
    leaves_out_backwards: bool,
}

const RIGHT: Wrong =
    Wrong { name: "wrong", in_flight: 1, placement: 0, leaves_out_backwards: false };

impl ScheduleKind for Wrong {
    fn name(&self) -> &'static str {
        self.name
    }

    fn doc(&self) -> &'static str {
        "is refused"
    }

    fn chunks(&self) -> Chunks {
        Chunks::Any { default: 1 }
    }

    fn placement(&self, ranks: usize, chunks: usize) -> Vec<usize> {
        (0..ranks * chunks).map(|stage| (stage + self.placement) % ranks).collect()
    }

    fn in_flight(&self, _stages_after: usize, _micro_batches: usize) -> usize {
        self.in_flight
    }

    fn build(&self, ranks: usize, chunks: usize, micro_batches: usize) -> Vec<Vec<Action>> {
        let mut rows = Pairs.build(ranks * chunks, 1, micro_batches);
        rows.truncate(ranks);
        if self.leaves_out_backwards {
            rows[0].truncate(1);
        }
        rows
    }
}

#[test]
fn what_is_not_sound_is_refused() {
    fn refused(kind: &'static Wrong) -> String {
        let said = Schedule::register(kind).unwrap_err().to_string();
        assert!(Schedule::names().all(|name| name != "wrong"));
        said
    }
    static TAKEN: Wrong = Wrong { name: "1f1b", ..RIGHT };
    static SEARCHED: Wrong = Wrong { name: "auto", ..RIGHT };
    static NAMELESS: Wrong = Wrong { name: "", ..RIGHT };
    static UPPER: Wrong = Wrong { name: "Pairs", ..RIGHT };
    static HOLDS_MORE: Wrong = Wrong { in_flight: 9, ..RIGHT };
    static HOLDS_NONE: Wrong = Wrong { in_flight: 0, ..RIGHT };
    static ELSEWHERE: Wrong = Wrong { placement: 1, ..RIGHT };
    static INCOMPLETE: Wrong = Wrong { leaves_out_backwards: true, ..RIGHT };
    assert!(refused(&TAKEN).contains("is there already; give this one another name"));
    for kind in [&SEARCHED, &NAMELESS, &UPPER] {
        assert!(refused(kind).contains("give it a name of its own"));
    }
    assert!(refused(&HOLDS_MORE).contains("but in_flight says 9"));
    assert!(refused(&HOLDS_NONE).contains("but in_flight says 0"));
    assert!(refused(&ELSEWHERE).contains("on other ranks than its placement says"));
    assert!(refused(&INCOMPLETE).contains("counted from 1"));
    // Larger ones are validated as they are built.
    let chunks = Schedule::of_kind(&INCOMPLETE, 2, 1, 2);
    assert!(matches!(chunks, Err(PlanError::BadSchedule { .. })));
}
