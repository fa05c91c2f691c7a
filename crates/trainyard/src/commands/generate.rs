//! `trainyard generate`: lets a trained language model write.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use trainyard_data::DataError;

use super::run_command::RunCommand;
use crate::app::App;
use crate::cli::{Sets, say};
use crate::error::RunError;
use crate::files::read_plan;
use crate::run_dir::{CheckpointChoice, RunDir};
use crate::sampler::Sampler;
use crate::train::{CheckpointState, read_state};

/// Let a trained language model write
#[derive(Debug, Args)]
pub struct Generate {
    /// The run directory
    #[arg(value_name = "RUN_DIR")]
    directory: PathBuf,
    /// What the text starts with
    #[arg(long, default_value = "\n")]
    prompt: String,
    /// How many tokens (here: characters) to add
    #[arg(long, default_value_t = 300)]
    tokens: usize,
    /// 0 always takes the likeliest token, 1 samples as the model says, more is wilder
    #[arg(long, default_value_t = 0.8, allow_negative_numbers = true)]
    temperature: f64,
    /// The same seed gives the same text
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which checkpoint of the run
    #[arg(long, value_name = "latest|best|STEP", default_value = "latest")]
    checkpoint: CheckpointChoice,
    #[command(flatten)]
    sets: Sets,
}

impl RunCommand for Generate {
    /// Loads the newest checkpoint onto the run's devices and writes to standard output.
    ///
    /// # Errors
    /// When the directory holds no run or checkpoint, the prompt has unknown characters, or a device
    /// fails.
    fn run(&self, app: &App) -> Result<ExitCode, RunError> {
        let temperature = self.temperature;
        if !(temperature.is_finite() && temperature >= 0.0) {
            return Err(RunError::BadValue {
                key: "--temperature".to_owned(),
                value: temperature.to_string(),
                must: "0 or more".to_owned(),
            });
        }
        let directory = RunDir::open(&self.directory)?;
        let found = directory.find(self.checkpoint)?;
        found.note.iter().for_each(say);
        let state = read_state(&directory, &found)?;
        let run_file = app.config(&directory.run_file(), &self.sets)?;
        let vocabulary = state.vocabulary.clone();
        if vocabulary.is_empty() {
            return Err(RunError::Mismatch {
                what: format!("{} was not trained on text", self.directory.display()),
                remedy: "generate needs a run of a language model",
            });
        }
        let prompt = encode(&state, &self.prompt)?;
        let setup = app.setup_for_inference(run_file, &directory, vocabulary.len())?;
        let as_trained = self.sets.sets.is_empty() && directory.plan().is_file();
        let costs = setup.costs()?;
        let plan = if as_trained { read_plan(&directory.plan())? } else { setup.plan(&costs)? };
        let mut pipeline = setup.start(&plan, &costs)?;
        directory.explain(found.step, pipeline.load(&found.path))?;
        let context = setup.job.context.unwrap_or(1);
        let writer = Sampler { context, temperature, random: ChaCha8Rng::seed_from_u64(self.seed) };
        let out = &mut std::io::stdout();
        let failed = |e| RunError::io("write to", "the terminal")(e);
        write!(out, "{}", self.prompt).map_err(failed)?;
        writer.write(&mut pipeline, prompt, self.tokens, |token| {
            let text = vocabulary.get(token).map_or("\u{fffd}", String::as_str);
            write!(out, "{text}").and_then(|()| out.flush()).map_err(failed)?;
            Ok(true)
        })?;
        writeln!(std::io::stdout()).map_err(failed)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The prompt's tokens; an empty prompt starts with the first character the model knows.
fn encode(state: &CheckpointState, prompt: &str) -> Result<Vec<i32>, DataError> {
    let token = |character: char| {
        let is_it = |known: &String| known.chars().eq([character]);
        let found = state.vocabulary.iter().position(is_it);
        found.and_then(|token| i32::try_from(token).ok())
    };
    let tokens = trainyard_data::encode(prompt, "the text it was trained on", token)?;
    Ok(if tokens.is_empty() { vec![0] } else { tokens })
}
