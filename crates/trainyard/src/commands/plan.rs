//! `trainyard plan`: which layers go where, and what that takes.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::Serialize;
use trainyard_plan::planner::{
    self, MicroBatches, Objective, PlanRequest, Planned, RecomputeChoice, Slices,
};
use trainyard_plan::{Plan, Profile};

use super::run_command::RunCommand;
use super::table::{Align, table, time};
use super::wishes::{Wishes, with_own_schedule};
use crate::app::App;
use crate::cli::{Force, Sets, at_least_one};
use crate::config::TrainSection;
use crate::error::RunError;
use crate::files::{read_profile, write_asked};

/// Find which layers go where, and say what that takes
#[derive(Debug, Args)]
pub struct PlanCommand {
    /// The run file
    #[arg(value_name = "RUN.toml", required_unless_present = "profile")]
    file: Option<PathBuf>,
    #[command(flatten)]
    sets: Sets,
    /// Plan for these costs, as `trainyard measure` writes them, instead of for a run file
    #[arg(long, value_name = "PROFILE.json", conflicts_with_all = ["file", "sets"])]
    profile: Option<PathBuf>,
    #[command(flatten)]
    wishes: Wishes,
    #[command(flatten)]
    kind: Kind,
    /// Print the plan as JSON; with --top, a list of plans
    #[arg(long)]
    json: bool,
    /// Where to write the plan
    #[arg(short, long, value_name = "PLAN.json")]
    output: Option<PathBuf>,
    /// Also write what it was planned with: the costs of every layer, as measured or estimated
    #[arg(long, value_name = "PROFILE.json")]
    save_profile: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

/// What a plan shall be like, beside what a training takes as well.
#[derive(Debug, Args)]
struct Kind {
    /// Micro-batches a step: a number, or auto for the best
    #[arg(long, value_name = "M|auto")]
    micro_batches: Option<Count>,
    /// Slices of every micro-batch's rows along their context: a number, or auto for the best
    #[arg(long, value_name = "N|auto")]
    slices: Option<Count>,
    /// Whether stages may, must or must not recompute their activations
    #[arg(long, value_enum)]
    recompute: Option<Recompute>,
    /// What is best
    #[arg(long, value_enum, default_value = "time")]
    objective: Goal,
    /// Show so many plans
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = at_least_one::<usize>)]
    top: usize,
    /// Run every backward whole, also under schedules that split it
    #[arg(long)]
    whole_backward: bool,
}

#[derive(Clone, Copy, Debug)]
enum Count {
    Auto,
    Number(usize),
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(number)) if number > 0 => Ok(Self::Number(number)),
            _ => Err("must be a number of at least 1, or auto".to_owned()),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Recompute {
    Auto,
    None,
    Full,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Goal {
    /// The shortest step
    Time,
    /// The smallest largest share of a device's budget
    Memory,
    /// The shortest way of one micro-batch, forward and back
    Latency,
}

impl PlanCommand {
    /// Writes the costs where that is asked, before planning: what does not fit can be looked at.
    fn save(&self, profile: &Profile) -> Result<(), RunError> {
        let Some(path) = &self.save_profile else { return Ok(()) };
        write_asked(path, json(profile)?.as_bytes(), self.force)
    }
}

impl RunCommand for PlanCommand {
    /// Makes the plan and prints it; writes it to a file where one is named.
    ///
    /// # Errors
    /// When the run file or profile is wrong, or nothing fits (exit code 3).
    fn run(&self, app: &App) -> Result<ExitCode, RunError> {
        let (planned, noise) = match (&self.profile, &self.file) {
            (Some(path), _) => {
                let profile = read_profile(path)?;
                self.save(&profile)?;
                let own = self.wishes.own_schedule()?;
                let request = self.wishes.put_on(PlanRequest::new(&profile), &profile)?;
                let request = self.kind.put_on(request, own.is_some())?;
                (planner::plan(&with_own_schedule(request, own.as_ref()))?, profile.noise)
            }
            (None, Some(file)) => {
                let (mut config, document) = app.config(file, &self.sets)?;
                self.wishes.put_into(&mut config)?;
                let has_own = config.pipeline.schedule_file.is_some();
                self.kind.check_for(&config.train)?;
                let setup = app.setup((config, document))?;
                let costs = setup.costs()?;
                self.save(&costs)?;
                self.wishes.check(&costs)?;
                let request = self.kind.put_on(setup.plan_request(&costs)?, has_own)?;
                let planned =
                    planner::plan(&request).map_err(|error| setup.located(error.into()))?;
                (planned, costs.noise)
            }
            (None, None) => return Err(RunError::config("name a run file, or a profile")),
        };
        let best = planned.candidates.first();
        let best = best.ok_or_else(|| RunError::config("the planner found no plan"))?;
        let text = json(&best.plan)?;
        let out = &mut std::io::stdout();
        let closed = |e| RunError::io("write to", "the terminal")(e);
        // Shown first: whoever cannot write here can still see it.
        if self.json && self.kind.top > 1 {
            let plans: Vec<&Plan> = planned.candidates.iter().map(|c| &c.plan).collect();
            writeln!(out, "{}", json(&Best { format: "trainyard-plans", version: 1, plans })?)
                .map_err(closed)?;
        } else if self.json {
            writeln!(out, "{text}").map_err(closed)?;
        } else {
            print(out, &planned).map_err(closed)?;
            if let Some(noise) = noise {
                writeln!(out, "\nwhen the costs were measured, {noise}").map_err(closed)?;
            }
        }
        let Some(path) = &self.output else { return Ok(ExitCode::SUCCESS) };
        write_asked(path, text.as_bytes(), self.force)?;
        if !self.json {
            writeln!(out, "\nwritten to {}", path.display()).map_err(closed)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What `--top K --json` prints.
#[derive(Serialize)]
struct Best<'a> {
    format: &'static str,
    version: u64,
    plans: Vec<&'a Plan>,
}

fn json(value: &impl Serialize) -> Result<String, RunError> {
    serde_json::to_string_pretty(value).map_err(|error| RunError::config(error.to_string()))
}

impl Kind {
    /// Refuses micro-batches that a run could not have.
    fn check_for(&self, train: &TrainSection) -> Result<(), RunError> {
        let Some(Count::Number(count)) = self.micro_batches else { return Ok(()) };
        train.cannot_be_cut(count).map_or(Ok(()), |must| {
            let (key, value) = ("--micro-batches".to_owned(), count.to_string());
            Err(RunError::BadValue { key, value, must })
        })
    }

    /// `has_own`: the request has a schedule of its own.
    fn put_on<'a>(
        &self,
        mut request: PlanRequest<'a>,
        has_own: bool,
    ) -> Result<PlanRequest<'a>, RunError> {
        if has_own && (self.micro_batches.is_some() || self.slices.is_some()) {
            return Err(RunError::BadValue {
                key: "--micro-batches or --slices".to_owned(),
                value: "given".to_owned(),
                must: "left out: the schedule's file says how many there are".to_owned(),
            });
        }
        match self.micro_batches {
            None => {}
            Some(Count::Auto) => request.micro_batches = MicroBatches::Auto,
            Some(Count::Number(number)) => request.micro_batches = MicroBatches::Count(number),
        }
        match self.slices {
            None => {}
            Some(Count::Auto) => request.slices = Slices::Auto,
            Some(Count::Number(number)) => request.slices = Slices::Count(number),
        }
        match self.recompute {
            None => {}
            Some(Recompute::Auto) => request.recompute = RecomputeChoice::Auto,
            Some(Recompute::None) => request.recompute = RecomputeChoice::None,
            Some(Recompute::Full) => request.recompute = RecomputeChoice::Full,
        }
        request.objective = match self.objective {
            Goal::Time => Objective::Time,
            Goal::Memory => Objective::Memory,
            Goal::Latency => Objective::Latency,
        };
        request.top = self.top;
        request.split_backward &= !self.whole_backward;
        Ok(request)
    }
}

/// The best plan explained, and the others in a table.
///
/// # Errors
/// When `out` cannot be written to.
pub fn print(out: &mut impl Write, planned: &Planned) -> std::io::Result<()> {
    write!(out, "{}", planner::text(&planner::explain(planned)))?;
    if planned.candidates.len() < 2 {
        return Ok(());
    }
    writeln!(out, "\nthe best {}\n", planned.candidates.len())?;
    let header = ["", "schedule", "split", "step", "bubble", "fullest device"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (index, candidate) in planned.candidates.iter().enumerate() {
        let (plan, simulation) = (&candidate.plan, &candidate.simulation);
        let stage = |stage: &trainyard_plan::Stage| {
            let recompute = match stage.recompute {
                trainyard_plan::Recompute::None => "",
                trainyard_plan::Recompute::Full => " recomputed",
            };
            let (first, last) = (stage.layers.0, stage.layers.1.saturating_sub(1));
            let last = if last > first { format!("–{last}") } else { String::new() };
            format!("{} {first}{last}{recompute}", stage.device)
        };
        let split: Vec<String> = plan.stages.iter().map(stage).collect();
        let share = simulation
            .devices
            .iter()
            .map(|device| device.peak_bytes.total() as f64 / (device.budget_bytes.max(1)) as f64);
        rows.push(vec![
            (index + 1).to_string(),
            plan.schedule.name.clone(),
            split.join(", "),
            time(simulation.step_us),
            super::table::percent(simulation.bubble_fraction),
            super::table::percent(share.fold(0.0, f64::max)),
        ]);
    }
    table(out, &rows, &[Align::Right, Align::Left, Align::Left])
}
