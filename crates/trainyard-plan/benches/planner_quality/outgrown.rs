//! Plans of the baseline that today's memory rules refuse: they need more than dea5a49 knew of, and
//! a slower plan in their place is no worse.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use trainyard_plan::simulate::check_memory;
use trainyard_plan::{Plan, PlanError};

use crate::baseline::Outcome;
use crate::profiles;
use crate::table::SAME;

/// The seeds of such plans, a line each.
const SEEDS: &str = include_str!("outgrown.txt");

/// The seeds whose plan of the baseline does not fit any more.
pub(crate) fn seeds() -> Vec<u64> {
    SEEDS.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Writes `SEED.json` for every case with a plan, as dea5a49 reads it, and the commands to plan for it.
pub(crate) fn write_profiles(folder: &Path, before: &[Outcome]) {
    fs::create_dir_all(folder).unwrap();
    let mut commands = String::new();
    for (seed, _) in before.iter().enumerate().filter(|(_, outcome)| outcome.step_us.is_some()) {
        let case = profiles::case(seed as u64);
        let text = serde_json::to_string(&case.profile).unwrap();
        fs::write(folder.join(format!("{seed}.json")), text).unwrap();
        let whole = if case.split_backward { "" } else { " --whole-backward" };
        let schedule = case.schedule;
        writeln!(
            commands,
            "plan --profile {seed}.json --schedule {schedule}{whole} -o {seed}.plan.json"
        )
        .unwrap();
    }
    fs::write(folder.join("commands.txt"), commands).unwrap();
}

/// The seeds of plans that do not fit, of those that [`write_profiles`] led to. A plan that is not the
/// baseline's stops it.
pub(crate) fn find(folder: &Path, before: &[Outcome]) -> String {
    let mut found = String::new();
    for (seed, outcome) in before.iter().enumerate() {
        let Some(step_us) = outcome.step_us else { continue };
        let text = fs::read_to_string(folder.join(format!("{seed}.plan.json"))).unwrap();
        let plan = Plan::from_json(&text).unwrap();
        let predicted = plan.predicted.as_ref().unwrap().step_us;
        assert!((predicted / step_us - 1.0).abs() < SAME, "{seed}: {predicted}, {step_us}");
        let case = profiles::case(seed as u64);
        if let Err(error) = check_memory(&case.profile, &plan) {
            assert!(matches!(error, PlanError::DoesNotFit { .. }), "{seed}: {error}");
            writeln!(found, "{seed}").unwrap();
        }
    }
    found
}
