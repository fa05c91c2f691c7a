//! `trainyard simulate`: what a step would take, in time and memory.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use trainyard_plan::costs::PipelineCosts;
use trainyard_plan::memory::human_bytes;
use trainyard_plan::schedule_search::{self, SearchOptions};
use trainyard_plan::simulate::{self, Simulation};
use trainyard_plan::{Plan, PlanError, Profile, Recompute, Schedule, Stage, Trace, chrome, text};

use super::run_command::RunCommand;
use super::table::{Align, percent, table, time};
use super::wishes::{is_file, is_name};
use crate::app::App;
use crate::cli::{Force, Output, at_least_one};
use crate::error::RunError;
use crate::files::{read_plan, read_profile, read_schedule, write_asked};

/// Say what a step of a plan or schedule would take, without running it
#[derive(Debug, Args)]
pub struct SimulateCommand {
    /// What the layers cost on the devices, as `trainyard measure` writes it
    #[arg(long, value_name = "PROFILE.json")]
    profile: PathBuf,
    /// The plan to simulate; without one every device gets an equal share of the layers
    #[arg(long, value_name = "PLAN.json", conflicts_with_all = ["chunks", "micro_batches", "slices"])]
    plan: Option<PathBuf>,
    /// A schedule: a name (1f1b unless told otherwise), auto, or a CSV file as PyTorch's pipelining
    /// writes it; with a plan, a CSV file for the plan's stages
    #[arg(long, value_name = "NAME|FILE.csv")]
    schedule: Option<String>,
    /// Stages a rank, for schedules that take several
    #[arg(long, value_name = "N", value_parser = at_least_one::<usize>)]
    chunks: Option<usize>,
    /// Micro-batches a step, instead of the profile's
    #[arg(long, value_name = "M", value_parser = at_least_one::<usize>)]
    micro_batches: Option<usize>,
    /// Slices along the context into which the rows of each micro-batch are cut
    #[arg(long, value_name = "N")]
    slices: Option<usize>,
    /// Print the result as JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print the schedule as CSV, a row a rank
    #[arg(long)]
    csv: bool,
    /// Write the step as a trace for Perfetto
    #[arg(long, value_name = "TRACE.json")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

impl RunCommand for SimulateCommand {
    /// Simulates one step and prints what it takes.
    ///
    /// # Errors
    /// When a file is wrong or does not go with the others (exit code 2).
    fn run(&self, _: &App) -> Result<ExitCode, RunError> {
        let (profile, plan) = inputs(self)?;
        let (simulation, trace) = simulate::simulate_traced(&profile, &plan)?;
        if let Some(path) = &self.trace {
            write_asked(path, chrome::to_string(&trace).as_bytes(), self.force)?;
        }
        let out = &mut std::io::stdout();
        let printed = if self.json {
            let json = serde_json::to_string_pretty(&simulation);
            writeln!(out, "{}", json.map_err(|error| RunError::config(error.to_string()))?)
        } else if self.csv {
            write!(out, "{}", plan.schedule.to_csv())
        } else {
            print(out, &simulation, &trace, self.plan.is_none())
                .and_then(|()| print_remarks(out, &profile, &plan))
        };
        printed.map_err(RunError::io("write to", "the terminal"))?;
        // Beside what a program reads, people are told.
        if (self.json || self.csv)
            && let Err(error) = simulate::validate_memory(&profile, &plan)
        {
            eprintln!("it does not fit: {error}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The profile, at the number of micro-batches that is simulated, and the plan.
fn inputs(command: &SimulateCommand) -> Result<(Profile, Plan), RunError> {
    let mut profile = read_profile(&command.profile)?;
    if let Some(path) = &command.plan {
        let mut plan = read_plan(path)?;
        let unusable = |error| RunError::PlanFile { path: path.clone(), error };
        plan.check(profile.model.layers.len()).map_err(unusable)?;
        if let Some(name) = &command.schedule {
            if is_name(name) {
                return Err(RunError::BadValue {
                    key: "--schedule".to_owned(),
                    value: name.clone(),
                    must: "a CSV file for the plan's stages; `trainyard plan --schedule` plans \
                           for a schedule by its name"
                        .to_owned(),
                });
            }
            let slices = plan.schedule.slices;
            plan.schedule = Schedule { slices, ..read_schedule(Path::new(name))? };
            plan.micro_batches = plan.schedule.micro_batches();
            let of_file = |error| RunError::PlanFile { path: name.into(), error };
            plan.check(profile.model.layers.len()).map_err(of_file)?;
        }
        profile = profile.with_rows_of(&plan)?;
        return Ok((profile, plan));
    }
    if let Some(micro_batches) = command.micro_batches {
        profile = profile.with_micro_batches(micro_batches)?;
    }
    if let Some(slices) = command.slices {
        profile = profile.in_slices(slices)?.into_owned();
    }
    let plan = even_plan(&profile, command)?;
    Ok((profile, plan))
}

/// Stage i is the i-th equal share of the layers, rank r the r-th device.
fn even_plan(profile: &Profile, command: &SimulateCommand) -> Result<Plan, RunError> {
    let (devices, micro_batches) = (profile.devices.len(), profile.micro_batches);
    let name = command.schedule.as_deref().unwrap_or("1f1b");
    let path = Path::new(name);
    if is_file(name) {
        if command.micro_batches.is_some() || command.chunks.is_some() {
            return Err(RunError::BadValue {
                key: "--micro-batches or --chunks".to_owned(),
                value: "given".to_owned(),
                must: format!("left out: {name} says how many there are"),
            });
        }
        let schedule = Schedule { slices: profile.slices, ..read_schedule(path)? };
        let micro_batches = schedule.micro_batches();
        let stages = even_stages(profile, &schedule.owners())?;
        let plan = Plan::new(&profile.model.name, stages, schedule, micro_batches);
        let of_file = |error| RunError::PlanFile { path: path.to_owned(), error };
        plan.check(profile.model.layers.len()).map_err(of_file)?;
        return Ok(plan);
    }
    if name == Schedule::SEARCHED {
        if profile.slices > 1 {
            let reason = "no schedule is searched for slices; name one with --schedule";
            return Err(PlanError::NoSuchPlan { reason: reason.into() }.into());
        }
        let owners: Vec<usize> =
            (0..devices * command.chunks.unwrap_or(1)).map(|stage| stage % devices).collect();
        let stages = even_stages(profile, &owners)?;
        let costs = PipelineCosts::of(profile, &stages, &owners)?;
        let options = SearchOptions::default();
        let made = schedule_search::search(&costs, micro_batches, &options)?;
        let made = made.ok_or_else(|| PlanError::NoSuchPlan {
            reason: "no schedule keeps equal shares of the layers within the devices' memory; let \
                     `trainyard plan` find the shares"
                .into(),
        })?;
        let mut plan = Plan::new(&profile.model.name, stages, made.schedule, micro_batches);
        plan.notes.extend(schedule_search::notes(
            &costs,
            micro_batches,
            options.split_backward,
            made.score.step_us,
            made.best_named.as_ref(),
        ));
        return Ok(plan);
    }
    let chunks = match command.chunks {
        Some(chunks) => chunks,
        None => Schedule::default_chunks(name)?,
    };
    let owners = Schedule::placement(name, devices, chunks)?;
    let schedule = Schedule::in_slices(name, devices, chunks, micro_batches, profile.slices)?;
    let stages = even_stages(profile, &owners)?;
    Ok(Plan::new(&profile.model.name, stages, schedule, micro_batches))
}

fn even_stages(profile: &Profile, owners: &[usize]) -> Result<Vec<Stage>, PlanError> {
    let (layers, stages) = (profile.model.layers.len(), owners.len());
    if stages > layers {
        let reason = format!(
            "the model has {layers} layers, too few for {stages} stages; let `trainyard plan` \
             choose the devices, or give fewer --chunks"
        );
        return Err(PlanError::NoSuchPlan { reason });
    }
    let share = |(stage, rank): (usize, &usize)| {
        let device = profile.devices.get(*rank).ok_or_else(|| PlanError::BadPlan {
            reason: format!(
                "the schedule has {} ranks, but the profile only {} devices; give one of as many \
                 ranks, or a --plan that says which devices take part",
                owners.iter().max().map_or(0, |last| last + 1),
                profile.devices.len()
            ),
        })?;
        Ok(Stage {
            device: device.id.clone(),
            layers: (stage * layers / stages, (stage + 1) * layers / stages),
            recompute: Recompute::None,
        })
    };
    owners.iter().enumerate().map(share).collect()
}

fn print(
    out: &mut impl Write,
    simulation: &Simulation,
    trace: &Trace,
    even: bool,
) -> std::io::Result<()> {
    let color = Output::detect(false).color();
    write!(out, "{}", text::timeline(trace, 1, 72, color))?;
    let shares = if even { ", an equal share of the layers a stage" } else { "" };
    writeln!(out, "\n{} under {}{shares}\n", time(simulation.step_us), simulation.schedule)?;
    let header =
        ["device", "busy", "optimizer", "warm-up", "drain", "neighbour", "link", "peak", "budget"];
    let share = |us: f64| percent(us / simulation.step_us.max(f64::MIN_POSITIVE));
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for device in &simulation.devices {
        let idle = device.idle_us;
        let mut row = vec![device.id.clone()];
        row.extend(
            [
                device.busy_us,
                device.optimizer_us,
                idle.warm_up_us,
                idle.drain_us,
                idle.neighbour_us,
                idle.link_us,
            ]
            .map(share),
        );
        row.push(human_bytes(device.peak_bytes.total()));
        let over = device.peak_bytes.total() > device.budget_bytes;
        let over = if over { " (over)" } else { "" };
        row.push(human_bytes(device.budget_bytes) + over);
        rows.push(row);
    }
    table(out, &rows, &[Align::Left])?;
    if !simulation.links.is_empty() {
        writeln!(out)?;
    }
    for link in &simulation.links {
        writeln!(
            out,
            "link {} → {}: {} in {} transfer{}, busy {}",
            link.from,
            link.to,
            human_bytes(link.bytes),
            link.transfers,
            if link.transfers == 1 { "" } else { "s" },
            share(link.busy_us)
        )?;
    }
    let path: Vec<_> = simulation.critical_path.iter().map(|a| a.action.to_string()).collect();
    writeln!(out, "\ncritical path: {}", shorten(&path))
}

/// The plan's notes, and where it first takes more memory than there is.
fn print_remarks(out: &mut impl Write, profile: &Profile, plan: &Plan) -> std::io::Result<()> {
    for note in &plan.notes {
        writeln!(out, "\n{note}")?;
    }
    if let Err(error) = simulate::validate_memory(profile, plan) {
        writeln!(out, "\nit does not fit: {error}")?;
    }
    Ok(())
}

/// A long chain's ends.
fn shorten(path: &[String]) -> String {
    const ENDS: usize = 12;
    match path {
        [first @ .., _] if first.len() >= 2 * ENDS => {
            let (head, tail) = (&path[..ENDS], &path[path.len() - ENDS..]);
            format!("{} … {}", head.join(" "), tail.join(" "))
        }
        _ => path.join(" "),
    }
}
