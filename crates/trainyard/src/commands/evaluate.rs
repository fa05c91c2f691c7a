//! `trainyard evaluate`: loss and metrics over a whole data set, on the split model.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};

use super::run_command::RunCommand;
use crate::app::App;
use crate::cli::Sets;
use crate::error::RunError;
use crate::evaluate::{Evaluated, evaluate};
use crate::files::read_plan;
use crate::run_dir::RunDir;
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
            Some(directory) => Some((directory, directory.newest_checkpoint()?)),
            None => None,
        };
        let mut run_file = app.config(&file, &self.sets)?;
        if let Some(data) = &self.data {
            let path = std::path::absolute(data).map_err(RunError::io("find", data))?;
            let trained = match &from {
                Some((directory, (step, path))) => {
                    Some(directory.explain(*step, read_state(path))?)
                }
                None => None,
            };
            app.replace_data(&mut run_file, &path, trained)?;
        }
        let setup = app.setup(run_file)?;
        let costs = setup.costs()?;
        let planned =
            directory.as_ref().filter(|dir| self.sets.sets.is_empty() && dir.plan().is_file());
        let plan = match planned {
            Some(directory) => read_plan(&directory.plan())?,
            None => setup.plan(&costs)?,
        };
        let mut pipeline = setup.start(&plan, &costs)?;
        if let Some((directory, (step, path))) = &from {
            directory.explain(*step, pipeline.load(path))?;
        }
        let evaluated = evaluate(&setup, &mut pipeline, None)?;
        let unit = setup.data()?.info().unit.name();
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
