//! Quality of the plans for 1,000 random profiles, against those of the planner of dea5a49, and the
//! worth of each generator of candidates. The tables are kept in `planner_quality.md`.
//!
//! ```sh
//! cargo bench -p trainyard-plan --bench planner_quality                       # compares
//! cargo bench -p trainyard-plan --bench planner_quality -- seeds SEED…        # only these, no table kept
//! cargo bench -p trainyard-plan --bench planner_quality -- ablation EVERY     # every EVERY-th profile
//! cargo bench -p trainyard-plan --bench planner_quality -- record FILE        # outcomes to a file
//! cargo bench -p trainyard-plan --bench planner_quality -- profiles FOLDER    # for dea5a49's program
//! cargo bench -p trainyard-plan --bench planner_quality -- outgrown FOLDER    # judges its plans
//! ```
//!
//! `baseline.txt` has the outcomes of dea5a49, recorded with this very program. Planning times are
//! those of one machine: to compare them, record both planners on the same one.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

mod baseline;
mod outgrown;
mod profiles;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use baseline::{Outcome, measure, request};
use table::Comparison;
use trainyard_plan::planner::{Generator, PlanRequest};

const CASES: u64 = 1000;
const OUTGROWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/planner_quality/outgrown.txt");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test` runs benches without this.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let words: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| *word != "--bench").collect();
    match words[..] {
        [] => return compare(&[]),
        ["seeds", ref seeds @ ..] => {
            let seeds: Vec<u64> = seeds.iter().map(|seed| seed.parse().unwrap()).collect();
            return compare(&seeds);
        }
        ["record", file] => fs::write(file, baseline::write(&outcomes())).unwrap(),
        ["profiles", folder] => outgrown::write_profiles(folder.as_ref(), &baseline()),
        ["outgrown", folder] => {
            fs::write(OUTGROWN, outgrown::find(folder.as_ref(), &baseline())).unwrap();
        }
        ["ablation", every, ref names @ ..] => ablation(every.parse().unwrap(), names),
        _ => eprintln!(
            "arguments: none, seeds SEED…, record FILE, profiles FOLDER, outgrown FOLDER, or ablation EVERY [NAME…]"
        ),
    }
    ExitCode::SUCCESS
}

/// The outcomes of dea5a49, by seed.
fn baseline() -> Vec<Outcome> {
    baseline::read(include_str!("baseline.txt"))
}

/// Plans every case, with a dot a hundred.
fn outcomes() -> Vec<Outcome> {
    let one = |seed: u64| {
        if seed.is_multiple_of(100) {
            eprint!(".");
        }
        measure(&request(&profiles::case(seed)))
    };
    (0..CASES).map(one).collect()
}

/// Compares with the baseline, all cases or only these, and fails where plans are worse.
fn compare(only: &[u64]) -> ExitCode {
    let before = baseline();
    let mut by_memory: BTreeMap<String, Comparison> = BTreeMap::new();
    let mut all = Comparison::default();
    let outgrown = outgrown::seeds();
    let asked = |(seed, _): &(usize, &Outcome)| only.is_empty() || only.contains(&(*seed as u64));
    for (seed, before) in before.iter().enumerate().filter(asked) {
        let case = profiles::case(seed as u64);
        let now = measure(&request(&case));
        let one = if outgrown.contains(&(seed as u64)) {
            Comparison::outgrown(before, &now)
        } else {
            Comparison::of(before, &now)
        };
        if one.much_slower + one.lost > 0 {
            println!("seed {seed}: {before:?}, now {now:?}");
        }
        *by_memory.entry(format!("{:?}", case.memory).to_lowercase()).or_default() += one;
        all += one;
    }
    let mut rows: Vec<(String, Comparison)> = by_memory.into_iter().collect();
    rows.push(("all".into(), all));
    let table = table::comparisons(&rows);
    println!("{table}");
    if only.is_empty() {
        table::keep("quality", &table);
    }
    let is_worse = all.much_slower > 0 || all.lost > 0 || all.mean() > 1e-9;
    if is_worse { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Plans without each generator. Profiles for which nothing fits are left out, as most of their time goes
/// into remedies; locks are added for the generator that is for them. `names`: these generators alone,
/// and the table is only printed.
fn ablation(every: usize, names: &[&str]) {
    let before = baseline();
    let seeds: Vec<u64> = (0..CASES).step_by(every).collect();
    let seeds = seeds.into_iter().filter(|seed| before[*seed as usize].step_us.is_some());
    let cases: Vec<profiles::Case> = seeds.map(profiles::case).collect();
    let mut rows = Vec::new();
    for locked in [false, true] {
        let with_locks = |case: &profiles::Case| {
            if locked { profiles::locks(case) } else { Vec::new() }
        };
        let of_locks = |generator: &&Generator| (**generator == Generator::LockedOrders) == locked;
        let is_asked_for = |generator: &&Generator| {
            names.is_empty() || names.contains(&format!("{generator:?}").as_str())
        };
        let generators: Vec<&Generator> =
            Generator::ALL.iter().filter(of_locks).filter(is_asked_for).collect();
        if generators.is_empty() {
            continue;
        }
        let whole: Vec<Outcome> = cases
            .iter()
            .map(|case| measure(&PlanRequest { locks: with_locks(case), ..request(case) }))
            .collect();
        for generator in generators {
            let mut all = Comparison::default();
            for (case, whole) in
                cases.iter().zip(&whole).filter(|(_, whole)| whole.step_us.is_some())
            {
                let (locks, without) = (with_locks(case), vec![*generator]);
                all += Comparison::of(
                    whole,
                    &measure(&PlanRequest { locks, without, ..request(case) }),
                );
            }
            rows.push((format!("{generator:?}"), all));
            println!("{}", table::ablation(&rows[rows.len() - 1..]));
        }
    }
    if names.is_empty() {
        table::keep("ablation", &table::ablation(&rows));
    }
}
