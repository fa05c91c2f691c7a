//! `trainyard evaluate`: loss and metrics over a whole data set, on the split model.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Map, Value};

use super::run_command::RunCommand;
use crate::app::App;
use crate::cli::{Output, Sets, say};
use crate::error::RunError;
use crate::evaluate::{Evaluated, evaluate};
use crate::files::read_plan;
use crate::run_dir::{CheckpointChoice, RunDir};
use crate::train::read_state;

/// Compute loss and metrics over a whole data set
#[derive(Debug, Args)]
pub struct EvaluateCommand {
    /// A run directory, for the weights of its newest checkpoint; or a run file, for those that its
    /// model starts with
    #[arg(value_name = "RUN_DIR | RUN.toml")]
    run: PathBuf,
    /// Evaluate all of this file or folder instead of the run's validation data
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Which checkpoint of the run
    #[arg(long, value_name = "latest|best|STEP", default_value = "latest")]
    checkpoint: CheckpointChoice,
    #[command(flatten)]
    sets: Sets,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

impl RunCommand for EvaluateCommand {
    /// Puts the weights on the run's devices, runs the data through them and prints the figures.
    ///
    /// # Errors
    /// When there is no run or checkpoint, the data do not go with the model, or a device fails.
    fn run(&self, app: &App) -> Result<ExitCode, RunError> {
        let directory = self.run.is_dir().then(|| RunDir::open(&self.run)).transpose()?;
        let file = directory.as_ref().map_or_else(|| self.run.clone(), RunDir::run_file);
        let from = match &directory {
            Some(directory) => Some((directory, directory.find(self.checkpoint)?)),
            None => None,
        };
        from.iter().filter_map(|(_, found)| found.note.as_ref()).for_each(say);
        let mut run_file = app.config(&file, &self.sets)?;
        if let Some(data) = &self.data {
            let path = std::path::absolute(data).map_err(RunError::io("find", data))?;
            let trained = match &from {
                Some((directory, found)) => Some(read_state(directory, found)?),
                None => None,
            };
            app.replace_data(&mut run_file, &path, trained)?;
        } else if let Some((directory, found)) = &from {
            let state = read_state(directory, found)?;
            app.keep_meanings(&mut run_file, &state.vocabulary, &state.classes)?;
        }
        let setup = app.setup(run_file)?;
        if setup.validation_batches()? == 0 {
            return Err(RunError::Mismatch {
                what: "the run keeps no data for validation (data.validation_fraction = 0)"
                    .to_owned(),
                remedy: "name some with --data",
            });
        }
        let costs = setup.costs()?.for_inference();
        let planned =
            directory.as_ref().filter(|dir| self.sets.sets.is_empty() && dir.plan().is_file());
        let plan = planned.map(|directory| read_plan(&directory.plan())).transpose()?;
        let plan = setup.plan_to_use(plan, &costs)?;
        let mut pipeline = setup.start(&plan, &costs)?;
        let weights = match &from {
            Some((directory, found)) => {
                directory.explain(found.step, pipeline.load_weights(&found.path))?;
                format!("the weights after step {}", found.step)
            }
            None => "the weights that the model starts with".to_owned(),
        };
        // A training beside may remove it from here on.
        drop(from);
        let bar = match Output::detect(self.json) {
            Output::Terminal => ProgressBar::new(0),
            _ => ProgressBar::hidden(),
        };
        let go_on = &mut |done: u64, of: u64| {
            bar.set_length(of);
            bar.set_position(done);
            true
        };
        let evaluated = evaluate(&setup, &mut pipeline, None, go_on)?.unwrap_or_default();
        bar.finish_and_clear();
        if !evaluated.loss.is_finite() {
            say(
                "note: the loss is not a number: these weights are past use; --checkpoint takes earlier ones",
            );
        }
        let unit = setup.data()?.info().unit.name();
        if !self.json {
            let part = if self.data.is_some() { "" } else { "the validation data of " };
            say(format_args!("{weights}, over {part}{}", setup.data()?.info().name));
        }
        print(&evaluated, unit, self.json).map_err(RunError::io("write to", "the terminal"))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn print(evaluated: &Evaluated, unit: &str, json: bool) -> std::io::Result<()> {
    let out = &mut std::io::stdout();
    let Evaluated { loss, metrics, items, .. } = evaluated;
    if json {
        let mut object = Map::new();
        object.insert("loss".to_owned(), (*loss).into());
        object.insert(unit.to_owned(), (*items).into());
        object.extend(metrics.iter().map(|(name, value)| (name.clone(), Value::from(*value))));
        serde_json::to_writer(&mut *out, &object)?;
        return writeln!(out);
    }
    writeln!(out, "loss {loss:.6} over {items} {unit}")?;
    metrics.iter().try_for_each(|(name, value)| writeln!(out, "{name} {value:.6}"))
}
