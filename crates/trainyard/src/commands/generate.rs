//! `trainyard generate`: lets a trained language model write.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use trainyard_data::{
    DataError, first_token, in_known_letters, prompt_from, prompt_from_file, prompt_in_form,
};

use super::run_command::RunCommand;
use crate::app::App;
use crate::cli::{Sets, number, say, whole};
use crate::config::DataSection;
use crate::error::RunError;
use crate::files::read_plan;
use crate::run_dir::{CheckpointChoice, RunDir};
use crate::sampler::Sampler;
use crate::stop_text::{Shown, StopText};
use crate::train::{CheckpointState, read_state};

/// Let a trained language model write
#[derive(Debug, Args)]
pub struct Generate {
    /// The run directory
    #[arg(value_name = "RUN_DIR")]
    directory: PathBuf,
    /// What the text starts with; a line end, or what else the model knows, where it is not given
    #[arg(long, conflicts_with = "prompt_file")]
    prompt: Option<String>,
    /// A file with what the text starts with, without its last line end; - for standard input
    #[arg(long, value_name = "FILE")]
    prompt_file: Option<PathBuf>,
    /// Stop before this text would be written; may be given several times
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// How many tokens (here: characters) to add
    #[arg(long, default_value_t = 300, value_parser = whole::<usize>)]
    tokens: usize,
    /// 0 always takes the likeliest token, 1 samples as the model says, more is wilder
    #[arg(long, default_value_t = 0.8, allow_negative_numbers = true, value_parser = number)]
    temperature: f64,
    /// The same seed gives the same text
    #[arg(long, default_value_t = 1, value_parser = whole::<u64>)]
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
        let prompt = self.begin(&state, &run_file.0.data)?;
        let tokens = encode(&state, &prompt)?;
        let mut stop = StopText::new(self.stops(&state, &run_file.0.data)?);
        let setup = app.setup_for_inference(run_file, &directory, vocabulary.len())?;
        let as_trained = self.sets.sets.is_empty() && directory.plan().is_file();
        let costs = setup.costs()?.for_inference();
        let plan = as_trained.then(|| read_plan(&directory.plan())).transpose()?;
        let plan = setup.plan_to_use(plan, &costs)?;
        let mut pipeline = setup.start(&plan, &costs)?;
        directory.explain(found.step, pipeline.load_weights(&found.path))?;
        // A training beside may remove it from here on.
        drop(found);
        let context = setup.job.context.unwrap_or(1);
        let writer = Sampler { context, temperature, random: ChaCha8Rng::seed_from_u64(self.seed) };
        let out = &mut std::io::stdout();
        let failed = |e| RunError::io("write to", "the terminal")(e);
        write!(out, "{prompt}").map_err(failed)?;
        writer.write(&mut pipeline, tokens, self.tokens, |token| {
            let shown = stop.push(vocabulary.get(token).map_or("\u{fffd}", String::as_str));
            let (text, next) = match shown {
                Shown::More(text) => (text, ControlFlow::Continue(())),
                Shown::Last(text) => (text, ControlFlow::Break(())),
            };
            write!(out, "{text}").and_then(|()| out.flush()).map_err(failed)?;
            Ok(next)
        })?;
        write!(out, "{}", stop.rest()).map_err(failed)?;
        writeln!(std::io::stdout()).map_err(failed)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Generate {
    /// The prompt in the form of the text that was trained on; the model's own beginning without one.
    fn begin(&self, state: &CheckpointState, data: &DataSection) -> Result<String, DataError> {
        let prompt = match (&self.prompt, &self.prompt_file) {
            (Some(prompt), _) => prompt_in_form(prompt, data)?,
            (None, Some(path)) if path.as_os_str() == "-" => {
                prompt_from(std::io::stdin().lock(), data)?
            }
            (None, Some(path)) => prompt_from_file(path, data)?,
            (None, None) => {
                let first = state.vocabulary.get(first_token(&state.vocabulary));
                return Ok(first.cloned().unwrap_or_default());
            }
        };
        Ok(in_known_letters(&prompt, &state.vocabulary))
    }

    /// The texts to stop at, in the same form; one that the model cannot write is refused.
    fn stops(&self, state: &CheckpointState, data: &DataSection) -> Result<Vec<String>, RunError> {
        let in_form = |stop: &String| {
            if stop.is_empty() {
                return Err(RunError::BadValue {
                    key: "--stop".to_owned(),
                    value: "empty".to_owned(),
                    must: "a text".to_owned(),
                });
            }
            let stop = in_known_letters(&prompt_in_form(stop, data)?, &state.vocabulary);
            encode(state, &stop)?;
            Ok(stop)
        };
        self.stop.iter().map(in_form).collect()
    }
}

/// The tokens of a text; an empty one is what the model begins with of itself.
fn encode(state: &CheckpointState, text: &str) -> Result<Vec<i32>, DataError> {
    let token = |character: char| {
        let is_it = |known: &String| known.chars().eq([character]);
        let found = state.vocabulary.iter().position(is_it);
        found.and_then(|token| i32::try_from(token).ok())
    };
    let tokens = trainyard_data::encode(text, "the text it was trained on", token)?;
    let first = || i32::try_from(first_token(&state.vocabulary)).unwrap_or(0);
    Ok(if tokens.is_empty() { vec![first()] } else { tokens })
}
