//! `trainyard resume`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::run_command::RunCommand;
use super::train::{GoOn, Start, run};
use super::wishes::Wishes;
use crate::app::App;
use crate::cli::{Output, Sets};
use crate::error::RunError;
use crate::run_dir::RunDir;

/// Go on with a training that was stopped
#[derive(Debug, Args)]
pub struct Resume {
    /// The run directory
    #[arg(value_name = "RUN_DIR")]
    directory: PathBuf,
    #[command(flatten)]
    go_on: GoOn,
    #[command(flatten)]
    sets: Sets,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl RunCommand for Resume {
    /// Goes on with a training.
    ///
    /// # Errors
    /// As a training; when the directory holds no run.
    fn run(&self, app: &App) -> Result<ExitCode, RunError> {
        if let Some(set) = self.sets.sets.iter().find(|set| set.trim_start().starts_with("run.dir"))
        {
            return Err(RunError::BadValue {
                key: "--set".to_owned(),
                value: format!("'{set}'"),
                must: "left out: a run goes on where it is; copy its directory to go on elsewhere"
                    .to_owned(),
            });
        }
        let directory = RunDir::open(&self.directory)?;
        let (mut config, document) = app.config(&directory.run_file(), &self.sets)?;
        // The directory may have been moved since, and its plan with it.
        let was = config.run.dir.join("plan.json");
        config.run.dir =
            std::path::absolute(&self.directory).map_err(RunError::io("find", &self.directory))?;
        if config.pipeline.plan == Some(was) {
            config.pipeline.plan = Some(config.run.dir.join("plan.json"));
        }
        let (start, output) = (Start::GoOn(&self.go_on), Output::detect(self.json));
        run(app, (config, document), &Wishes::default(), start, output, None)
    }
}
