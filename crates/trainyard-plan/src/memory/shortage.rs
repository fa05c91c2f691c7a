//! The message for a plan that does not fit: the numbers and a remedy.

use super::{DeviceNeed, human_bytes};
use crate::{ActionKind, Plan, Profile, Recompute, Schedule, Stage, simulate};

/// A remedy for a plan that does not fit. Says "would fit" only of what was tried.
pub(crate) fn hint(profile: &Profile, plan: &Plan, short: &[DeviceNeed]) -> String {
    let full = |stage: &Stage| Stage { recompute: Recompute::Full, ..stage.clone() };
    let recomputed = Plan { stages: plan.stages.iter().map(full).collect(), ..plan.clone() };
    let fits = |needs: Vec<DeviceNeed>| needs.iter().all(|need| need.deficit_bytes() == 0);
    if simulate::needs(profile, &recomputed).is_ok_and(fits) {
        return "recompute = \"full\" would fit".to_owned();
    }
    let Some(worst) = short.iter().max_by_key(|need| need.deficit_bytes()) else {
        return String::new();
    };
    if worst.peak.activations > worst.needed_bytes / 2 {
        return format!(
            "most of what '{}' needs is activations: {} would lower them",
            worst.device,
            if holds_every_micro_batch(&plan.stages, &plan.schedule, &worst.device) {
                "a smaller batch"
            } else {
                "a smaller batch or more micro_batches"
            }
        );
    }
    format!(
        "'{}' is short by {}: give it more memory or fewer layers, or add a device",
        worst.device,
        human_bytes(worst.deficit_bytes())
    )
}

/// True where every stage of a device keeps the whole batch at its peak; smaller micro-batches then
/// come in greater numbers and gain nothing.
fn holds_every_micro_batch(stages: &[Stage], schedule: &Schedule, device: &str) -> bool {
    let in_flight = schedule.in_flight_by_stage();
    let forwards = |stage: usize| {
        let of_stage = schedule.ranks.iter().flatten().filter(move |a| a.stage == stage);
        of_stage.filter(|a| a.kind == ActionKind::Forward).count()
    };
    stages
        .iter()
        .enumerate()
        .filter(|(_, stage)| stage.device == device)
        .all(|(index, _)| in_flight.get(&index).is_some_and(|held| *held >= forwards(index)))
}

/// The text of [`crate::PlanError::DoesNotFit`]: a row a device, then the hint.
#[must_use]
pub fn describe_shortage(devices: &[DeviceNeed], hint: &str) -> String {
    let header = ["device", "needs", "budget", "short by"].map(str::to_owned);
    let row = |need: &DeviceNeed| {
        let short_by = match need.deficit_bytes() {
            0 => "fits".to_owned(),
            deficit => human_bytes(deficit),
        };
        let id = need.device.clone();
        [id, human_bytes(need.needed_bytes), human_bytes(need.budget_bytes), short_by]
    };
    let rows: Vec<[String; 4]> = std::iter::once(header).chain(devices.iter().map(row)).collect();
    let width = |column: usize| {
        rows.iter().map(|row: &[String; 4]| row[column].chars().count()).max().unwrap_or(0)
    };
    let (id, needs, budget) = (width(0), width(1), width(2));
    let mut lines = vec!["it does not fit in the devices' memory:".to_owned()];
    for [a, b, c, d] in &rows {
        lines.push(format!("  {a:<id$}  {b:>needs$}  {c:>budget$}  {d}"));
    }
    if !hint.is_empty() {
        lines.push(hint.to_owned());
    }
    lines.join("\n")
}
