//! How good the plans for 1,000 random profiles are, against those of the planner of dea5a49.
//!
//! ```sh
//! cargo bench -p trainyard-plan --bench planner_quality            # compares, and writes the table
//! cargo bench -p trainyard-plan --bench planner_quality -- record FILE    # outcomes to a file
//! ```
//!
//! `baseline.txt` has the outcomes of dea5a49, recorded with this very program. Planning times are
//! those of one machine: to compare them, record both planners on the same one.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

mod baseline;
mod profiles;

use baseline::{Outcome, measure, request};

const CASES: u64 = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test` runs benches without this.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let words: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| *word != "--bench").collect();
    match words[..] {
        ["record", file] => std::fs::write(file, baseline::write(&outcomes())).unwrap(),
        _ => eprintln!("arguments: record FILE"),
    }
}

/// Plans every case, with a dot a hundred.
fn outcomes() -> Vec<Outcome> {
    let one = |seed: u64| {
        if seed % 100 == 0 {
            eprint!(".");
        }
        measure(&request(&profiles::case(seed)))
    };
    (0..CASES).map(one).collect()
}
