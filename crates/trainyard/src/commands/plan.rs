//! `trainyard plan`: which layers would go where, and what that needs.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use trainyard_plan::Plan;
use trainyard_plan::memory::{self, human_bytes};
use trainyard_plan::planner::fits_alone;

use crate::cli::RunFile;
use crate::config::RunConfig;
use crate::error::RunError;
use crate::run_dir::write_atomic;
use crate::yard::Yard;

/// `trainyard plan RUN.toml`
#[derive(Debug, Args)]
pub struct PlanCommand {
    #[command(flatten)]
    run: RunFile,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
    /// Where to write the plan; plan.json beside the run file unless told otherwise
    #[arg(short, long, value_name = "PLAN.json")]
    output: Option<PathBuf>,
}

/// Makes the plan, prints it and writes it to a file.
///
/// # Errors
/// When the run file is wrong, or nothing fits (exit code 3).
pub fn run(command: &PlanCommand) -> Result<(), RunError> {
    let mut yard = Yard::make_up(RunConfig::load(&command.run.file, &command.run.sets.sets)?)?;
    let plan = yard.plan()?;
    yard.check_fit(&plan)?;
    let text = serde_json::to_string_pretty(&plan).map_err(|e| RunError::config(e.to_string()))?;
    let path =
        command.output.clone().unwrap_or_else(|| command.run.file.with_file_name("plan.json"));
    let out = &mut std::io::stdout();
    let closed = |e| RunError::io("write to", "the terminal")(e);
    // Shown first: whoever cannot write here can still see it.
    if command.json {
        writeln!(out, "{text}").map_err(closed)?;
        return write_atomic(&path, text.as_bytes());
    }
    print(out, &mut yard, &plan).map_err(closed)?;
    write_atomic(&path, text.as_bytes())?;
    writeln!(out, "\nwritten to {}", path.display()).map_err(closed)
}

/// The table of stages with bytes by category, and whether one device alone would do.
///
/// # Errors
/// When `out` cannot be written to.
pub fn print(out: &mut impl Write, yard: &mut Yard, plan: &Plan) -> std::io::Result<()> {
    let parameters = yard.parameters();
    writeln!(
        out,
        "{}: {} weights in {} layers; {} micro-batches under {}\n",
        plan.model,
        thousands(parameters),
        yard.profile.layers.len(),
        plan.micro_batches,
        plan.schedule.name
    )?;
    let header = [
        "stage",
        "device",
        "layers",
        "weights",
        "gradients",
        "optimizer",
        "activations",
        "buffers",
        "all",
        "budget",
        "share of work",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let flops = |range: std::ops::Range<usize>| -> u64 {
        yard.profile.layers[range].iter().map(|layer| layer.forward_flops).sum()
    };
    let all_flops = flops(0..yard.profile.layers.len()).max(1);
    let uses = memory::of_plan(&yard.profile, &plan.stages, &plan.schedule);
    for (index, stage) in plan.stages.iter().enumerate() {
        let (first, end) = stage.layers;
        let names = &yard.profile.layers;
        let layers = if end - first == 1 {
            names[first].name.clone()
        } else {
            format!("{} … {}", names[first].name, names[end - 1].name)
        };
        let used = uses.iter().find(|(id, _)| *id == stage.device).map(|(_, used)| *used);
        let used = used.unwrap_or_default();
        let device = yard.devices.iter().find(|device| device.id == stage.device);
        let bytes = [
            used.weights,
            used.gradients,
            used.optimizer,
            used.activations,
            used.buffers,
            used.total(),
        ];
        let mut row = vec![index.to_string(), stage.device.clone(), layers];
        row.extend(bytes.map(human_bytes));
        row.push(device.map_or_else(String::new, |device| human_bytes(device.budget_bytes)));
        row.push(format!("{:.0} %", 100.0 * flops(first..end) as f64 / all_flops as f64));
        rows.push(row);
    }
    write_table(out, &rows)?;
    writeln!(out)?;
    let schedule = plan.schedule.name.as_str();
    for device in yard.device_profiles().unwrap_or_default() {
        let recompute = trainyard_plan::planner::RecomputeChoice::None;
        let alone = fits_alone(&yard.profile, &device, schedule, plan.micro_batches, recompute);
        let Ok(need) = alone else { continue };
        let (needs, has) = (human_bytes(need.needed_bytes), human_bytes(need.budget_bytes));
        let verdict = if need.deficit_bytes() == 0 { "it would fit" } else { "it would not fit" };
        writeln!(out, "on {} alone the model needs {needs} of {has}: {verdict}", device.id)?;
    }
    Ok(())
}

/// Columns as wide as their widest cell; numbers to the right, the first three to the left.
fn write_table(out: &mut impl Write, rows: &[Vec<String>]) -> std::io::Result<()> {
    let columns = rows.first().map_or(0, Vec::len);
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count());
            let [before, after] =
                if index < 3 { ["", padding.as_str()] } else { [padding.as_str(), ""] };
            line.extend([before, cell, after, "  "]);
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// `1234567` as `1,234,567`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
