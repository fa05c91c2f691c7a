//! The same pipeline with its ranks named backwards, where no named schedule is one to start from:
//! what ranks are called makes nothing slower.

use trainyard_plan::Schedule;
use trainyard_plan::costs::PipelineCosts;
use trainyard_plan::schedule_search::{self, SearchOptions};
use trainyard_plan::simulate::score;

use crate::instances::{Draw, Memory, equal, unlike};

fn mirrored(costs: &PipelineCosts) -> PipelineCosts {
    let mut costs = costs.clone();
    let last = costs.ranks.len() - 1;
    costs.ranks.reverse();
    costs.stages.iter_mut().for_each(|stage| stage.rank = last - stage.rank);
    costs.links.iter_mut().for_each(|(from, to)| (*from, *to) = (last - *from, last - *to));
    for tie in &mut costs.ties {
        (tie.owner, tie.follower) = (last - tie.owner, last - tie.follower);
    }
    costs
}

/// The time of what is made for the mirrored pipeline as a share of the best named schedule's for
/// the pipeline itself, where one fits.
fn share(costs: &PipelineCosts, m: usize, split_backward: bool) -> Option<f64> {
    let (_, named) = schedule_search::best_named(costs, m, split_backward).unwrap()?;
    let options = SearchOptions { split_backward, ..SearchOptions::default() };
    let made = schedule_search::search(&mirrored(costs), m, &options).unwrap().unwrap();
    assert_eq!(made.best_named, None);
    Some(made.score.step_us / named.step_us)
}

/// With memory without end, or as much on each as the named one with full backwards needs on any.
#[test]
fn equal_stages_take_no_longer_than_under_the_named_schedules() {
    for (name, chunks) in [("1f1b", 1), ("zb-v", 2)] {
        for (ranks, m) in (2..=5).flat_map(|ranks| [1, 2, 3].map(|times| (ranks, times * ranks))) {
            let mut costs = equal(&Schedule::placement(name, ranks, chunks).unwrap());
            let whole = Schedule::with_chunks(name, ranks, chunks, m).unwrap().merged();
            let held = score(&costs, &whole, m).unwrap().peak_bytes.into_iter().max();
            for budget_bytes in [u64::MAX, held.unwrap()] {
                costs.ranks.iter_mut().for_each(|rank| rank.budget_bytes = budget_bytes);
                for split_backward in [true, false] {
                    let share = share(&costs, m, split_backward).unwrap();
                    assert!(share <= 1.0, "{name}, {ranks} × {m}, {budget_bytes} B: {share}");
                }
            }
        }
    }
}

#[test]
fn unlike_stages_seldom_take_longer_than_under_the_named_schedules() {
    // It is a search, so now and then it misses a little.
    let mut slower = 0;
    for (name, chunks) in [("1f1b", 1), ("interleaved", 2), ("zb-v", 2)] {
        for split_backward in [true, false] {
            let mut draw = Draw(5);
            for _ in 0..12 {
                let (ranks, m) = (2 + draw.below(3) as usize, 4 + draw.below(8) as usize);
                let owners = Schedule::placement(name, ranks, chunks).unwrap();
                let costs = unlike(&mut draw, &owners, m, Memory::Named);
                let Some(share) = share(&costs, m, split_backward) else { continue };
                assert!(share <= 1.1, "{name}, {ranks} × {m}, split {split_backward}: {share}");
                slower += usize::from(share > 1.0 + 1e-9);
            }
        }
    }
    assert!(slower <= 6, "{slower} of 72");
}
