//! Measures what searched schedules gain: `cargo test --release --test schedule_search -- --ignored --nocapture`.

use std::time::Instant;

use trainyard_plan::Schedule;
use trainyard_plan::schedule_search::{self, SearchOptions};

use crate::instances::{Draw, Memory, unlike};

const INSTANCES: u32 = 60;

#[test]
#[ignore = "measures"]
fn gains_over_the_best_named_schedule() {
    for split_backward in [true, false] {
        for memory in [Memory::Ample, Memory::Named, Memory::Tight] {
            for (name, chunks) in [("1f1b", 1), ("interleaved", 2), ("zb-v", 2)] {
                println!("split {split_backward}, {memory:?}, {name}: {}", {
                    gain(split_backward, memory, name, chunks)
                });
            }
        }
    }
}

fn gain(split_backward: bool, memory: Memory, placement: &str, chunks: usize) -> String {
    let mut draw = Draw(7);
    let (mut gains, mut above) = (Vec::new(), 0.0);
    let start = Instant::now();
    for _ in 0..INSTANCES {
        let ranks = 2 + draw.below(7) as usize;
        let m = 4 + draw.below(29) as usize;
        let owners = Schedule::placement(placement, ranks, chunks).unwrap();
        let costs = unlike(&mut draw, &owners, m, memory);
        let options = SearchOptions { split_backward, ..SearchOptions::default() };
        let found = schedule_search::search(&costs, m, &options).unwrap().unwrap();
        above +=
            found.score.step_us / schedule_search::lower_bound_us(&costs, m, split_backward) - 1.0;
        gains.extend(found.best_named.map(|(_, named)| named.step_us / found.score.step_us - 1.0));
    }
    let mean = gains.iter().sum::<f64>() / gains.len() as f64;
    let max = gains.iter().copied().fold(0.0, f64::max);
    format!(
        "mean {:.2} %, max {:.1} % on {} of {INSTANCES} where a named one fits; {:.2} % above the \
         bound; {:?} each",
        mean * 100.0,
        max * 100.0,
        gains.len(),
        above / f64::from(INSTANCES) * 100.0,
        start.elapsed() / INSTANCES,
    )
}

#[test]
#[ignore = "measures"]
fn timings() {
    for (ranks, m) in [(2, 4), (4, 16), (8, 32), (8, 64), (8, 256), (16, 128)] {
        let mut draw = Draw(3);
        let owners: Vec<usize> = (0..ranks).collect();
        for memory in [Memory::Ample, Memory::Named] {
            let costs = unlike(&mut draw, &owners, m, memory);
            let start = Instant::now();
            schedule_search::search(&costs, m, &SearchOptions::default()).unwrap().unwrap();
            println!("{ranks} × {m}, {memory:?}: {:?}", start.elapsed());
        }
    }
}
