//! `trainyard measure`: what the run's layers cost on the run's devices.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use trainyard_plan::memory::human_bytes;
use trainyard_plan::{OptimizerTime, Profile};

use super::run_command::RunCommand;
use super::table::{Align, table, time};
use crate::app::App;
use crate::cli::{Force, Output, RunFile};
use crate::error::RunError;
use crate::files::{refuse_to_replace, write_asked};

/// Measure what the layers cost on the devices, for plans that hold
#[derive(Debug, Args)]
pub struct MeasureCommand {
    #[command(flatten)]
    run: RunFile,
    /// Where to write the profile; what was measured is remembered without it, too
    #[arg(short, long, value_name = "PROFILE.json")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    /// Measure anew, also what was measured before
    #[arg(long)]
    refresh: bool,
    /// Print the profile as JSON
    #[arg(long)]
    json: bool,
}

impl RunCommand for MeasureCommand {
    /// Measures and prints what it found; writes it to a file where one is named.
    ///
    /// # Errors
    /// When the run file is wrong, a device fails, or a layer does not fit a device (exit code 3).
    fn run(&self, app: &App) -> Result<ExitCode, RunError> {
        // Before minutes are spent.
        if let Some(path) = &self.output {
            refuse_to_replace(path, self.force)?;
        }
        let setup = app.load(&self.run)?;
        let bar = Mutex::new(None);
        let output = Output::detect(self.json);
        let known = AtomicBool::new(false);
        let profile = setup.measure(self.refresh, &|done, of, what| {
            if of == 0 {
                known.store(true, Ordering::Relaxed);
            } else if output == Output::Terminal {
                move_bar(&bar, done, of, what);
            }
        })?;
        if let Ok(Some(bar)) = bar.into_inner() {
            bar.finish_and_clear();
        }
        let text =
            serde_json::to_string_pretty(&profile).map_err(|e| RunError::config(e.to_string()))?;
        let out = &mut std::io::stdout();
        let closed = |e| RunError::io("write to", "the terminal")(e);
        if self.json {
            writeln!(out, "{text}").map_err(closed)?;
        } else {
            if known.into_inner() {
                writeln!(out, "measured before; --refresh measures anew\n").map_err(closed)?;
            }
            print(out, &profile).map_err(closed)?;
            if let Some(noise) = &profile.noise {
                writeln!(out, "\n{noise}; --refresh measures anew").map_err(closed)?;
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

fn move_bar(bar: &Mutex<Option<ProgressBar>>, done: usize, of: usize, what: &str) {
    let Ok(mut bar) = bar.lock() else { return };
    let bar = bar.get_or_insert_with(|| {
        let style =
            ProgressStyle::with_template("measuring {msg} {wide_bar} {pos}/{len} {elapsed}");
        ProgressBar::new(1).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    });
    bar.set_length(of as u64);
    bar.set_position(done as u64);
    bar.set_message(what.to_owned());
}

/// Every sort of layer on every device, and every link. Layers of one sort cost the same.
pub(super) fn print(out: &mut impl Write, profile: &Profile) -> std::io::Result<()> {
    let rows = profile.rows.unwrap_or(1);
    writeln!(out, "{}, micro-batches of {rows} rows\n", profile.model.name)?;
    let header = ["device", "layer", "forward", "input grad", "weight grad", "optimizer", "saved"];
    let mut cells = vec![header.map(str::to_owned).to_vec()];
    for (index, device) in profile.devices.iter().enumerate() {
        let mut last: Option<Vec<String>> = None;
        for (layer, of_model) in profile.model.layers.iter().enumerate() {
            let optimizer = match &device.optimizer_us {
                OptimizerTime::Layers(times) => times[layer],
                OptimizerTime::Device(_) => 0.0,
            };
            let times = [
                device.forward_us[layer],
                device.input_grad_us[layer],
                device.weight_grad_us[layer],
                optimizer,
            ];
            let mut costs = times.map(time).to_vec();
            costs.push(human_bytes(profile.saved_bytes(index, layer)));
            match cells.last_mut() {
                Some(row) if last.as_ref() == Some(&costs) => {
                    let first = row[1].split(" … ").next().unwrap_or_default().to_owned();
                    row[1] = format!("{first} … {}", of_model.name);
                }
                _ => {
                    let mut row = vec![device.id.clone(), of_model.name.clone()];
                    row.extend(costs.clone());
                    cells.push(row);
                }
            }
            last = Some(costs);
        }
    }
    table(out, &cells, &[Align::Left, Align::Left])?;
    for link in &profile.links {
        let rate = human_bytes((link.bytes_per_us * 1e6) as u64);
        writeln!(out, "link {} → {}: {} + {rate}/s", link.from, link.to, time(link.latency_us))?;
    }
    Ok(())
}
