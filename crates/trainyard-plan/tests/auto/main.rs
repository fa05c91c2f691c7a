//! Schedules made for given costs: sound, within memory, never slower than the named ones.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod instances;
mod oracle;

use instances::{Draw, Memory, lower_bound_us, unlike};
use std::time::Instant;
use trainyard_plan::Schedule;
use trainyard_plan::auto::{self, Options};
use trainyard_plan::validate::validate;

/// The figures of the documentation: `cargo test --release --test auto -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn figures() {
    for split_backward in [true, false] {
        for memory in [Memory::Ample, Memory::Named, Memory::Tight] {
            for chunks in [1, 2, 3] {
                let mut draw = Draw(7);
                let (mut gains, mut none, mut gap) = (Vec::new(), 0, 0.0);
                let start = Instant::now();
                for _ in 0..60 {
                    let ranks = 2 + draw.below(7) as usize;
                    let m = 4 + draw.below(29) as usize;
                    let owners = match chunks {
                        1 => Schedule::placement("1f1b", ranks, 1),
                        2 => Schedule::placement("interleaved", ranks, 2),
                        _ => Schedule::placement("zb-v", ranks, 2),
                    };
                    let costs = unlike(&mut draw, &owners.unwrap(), m, memory);
                    let options = Options {
                        split_backward,
                        effort: std::env::var("EFFORT").map_or(2000, |e| e.parse().unwrap()),
                    };
                    let auto = auto::make(&costs, m, &options).unwrap().unwrap();
                    validate(&auto.schedule, costs.stages.len(), m).unwrap();
                    gap += auto.score.step_us / lower_bound_us(&costs, m, split_backward) - 1.0;
                    match auto.best_named {
                        Some((_, named)) => gains.push(named.step_us / auto.score.step_us - 1.0),
                        None => none += 1,
                    }
                }
                let mean = gains.iter().sum::<f64>() / gains.len() as f64;
                let max = gains.iter().copied().fold(0.0, f64::max);
                println!(
                    "split {split_backward} {memory:?} placement {chunks}: mean {:.2} % max {:.1} % \
                     ({} without a named one), above the bound {:.2} %, {:?} each",
                    mean * 100.0,
                    max * 100.0,
                    none,
                    gap / 60.0 * 100.0,
                    start.elapsed() / 60
                );
            }
        }
    }
}

#[test]
#[ignore = "measures"]
fn timings() {
    for (ranks, m) in [(2, 4), (4, 16), (8, 32), (8, 64), (8, 256), (16, 128)] {
        let mut draw = Draw(3);
        let owners: Vec<usize> = (0..ranks).collect();
        for memory in [Memory::Ample, Memory::Tight] {
            let costs = unlike(&mut draw, &owners, m, memory);
            let start = Instant::now();
            let auto = auto::make(&costs, m, &Options::default()).unwrap().unwrap();
            println!(
                "{ranks} × {m} {memory:?}: {:?} {:?}",
                start.elapsed(),
                auto.best_named.map(|(_, s)| s.step_us / auto.score.step_us)
            );
        }
    }
}
