//! `trainyard bench generate`: how fast a model writes on one CPU device with all cores, and split over two with
//! half of them each, one text and two texts at once.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use trainyard_engine::Pipeline;
use trainyard_plan::compare::median;
use trainyard_plan::{Plan, Profile, Recompute, Schedule, SequencesKept, Stage};

use crate::app::App;
use crate::cli::at_least_one;
use crate::commands::table::table;
use crate::error::RunError;
use crate::generation::{Listener, Sampling, Text, Writer};

/// `trainyard bench generate`
#[derive(Debug, Args)]
pub(super) struct GenerateBench {
    /// A pretrained model: a folder in Hugging Face layout, or a .gguf file; a GPT of nanoGPT's shape with the weights
    /// that it begins with where none is named
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Tokens that a text begins with, and that are added
    #[arg(long, default_value_t = 64, value_parser = at_least_one::<usize>)]
    tokens: usize,
    /// Rounds; in each, every arrangement writes once, and ratios are taken within the round
    #[arg(long, default_value_t = 5, value_parser = at_least_one::<usize>)]
    rounds: usize,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

/// The model without a name, but for its context.
const GPT: &str =
    "[model]\nkind = \"gpt\"\nlayers = 8\nheads = 8\nwidth = 512\nvocabulary = 8192\n";

/// What became of one arrangement.
#[derive(Debug, Serialize)]
struct Figures {
    devices: usize,
    texts: usize,
    /// Tokens a second of all texts together, the median of the rounds.
    tokens_per_s: f64,
    /// The same as a multiple of the first arrangement's.
    ratio: f64,
}

/// Devices, and texts at once.
const ARRANGEMENTS: [(usize, usize); 3] = [(1, 1), (2, 1), (2, 2)];

/// Measures and prints.
///
/// # Errors
/// When there is no such model, or a device fails.
pub(super) fn run(bench: &GenerateBench, app: &App) -> Result<(), RunError> {
    let context = 2 * bench.tokens;
    let mut pipelines = Vec::new();
    for devices in [1, 2] {
        pipelines.push(start(bench, app, devices, context)?);
    }
    let mut rates = vec![Vec::new(); ARRANGEMENTS.len()];
    // The first round warms up: caches and pools.
    for round in 0..=bench.rounds {
        for ((devices, texts), rates) in ARRANGEMENTS.into_iter().zip(&mut rates) {
            let rate = write(&mut pipelines[devices - 1], context, bench.tokens, texts)?;
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    let one = rates[0].clone();
    let figures = ARRANGEMENTS.into_iter().zip(rates).map(|((devices, texts), rates)| {
        let ratios = rates.iter().zip(&one).map(|(rate, one)| rate / one).collect();
        Figures { devices, texts, ratio: median(ratios), tokens_per_s: median(rates) }
    });
    let figures: Vec<Figures> = figures.collect();
    print(bench, &figures).map_err(RunError::io("write to", "the terminal"))
}

/// The model on so many CPU devices, in stages that take as long as each other.
fn start(
    bench: &GenerateBench,
    app: &App,
    devices: usize,
    context: usize,
) -> Result<Pipeline, RunError> {
    let model = match &bench.model {
        Some(path) => {
            let path = std::path::absolute(path).map_err(RunError::io("find", path))?;
            let path = toml::Value::from(path.display().to_string());
            format!("[model]\nkind = \"hf\"\npath = {path}\n")
        }
        None => GPT.to_owned(),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (cores / devices).max(1);
    let ids: Vec<String> = (0..devices).map(|number| format!("cpu{number}")).collect();
    let sections = ids
        .iter()
        .map(|id| format!("[[device]]\nid = \"{id}\"\nadapter = \"cpu\"\nthreads = {threads}\n"));
    let sections: String = sections.collect();
    let file = format!(
        "{model}context = {context}\n[train]\nbatch = {devices}\nmicro_batches = {devices}\n{sections}"
    );
    let setup = app.setup_without_data(app.config_text(&file, "bench.toml")?, 1)?;
    let kept = SequencesKept { count: devices, positions: context, rows: 1 };
    let costs = setup.costs()?.for_inference().with_sequences(kept);
    let schedule = Schedule::named("1f1b", devices, devices)?;
    let stages = stages(&costs, &ids);
    let plan = Plan::new(&costs.model.name, stages, schedule, devices);
    setup.start(&plan, &costs)
}

/// Stages of which the slower takes as little as possible.
fn stages(costs: &Profile, ids: &[String]) -> Vec<Stage> {
    let flops: Vec<u64> = costs.model.layers.iter().map(|layer| layer.forward_flops).collect();
    let slower = |cut: &usize| {
        let before: u64 = flops[..*cut].iter().sum();
        before.max(flops[*cut..].iter().sum())
    };
    let cut = (1..flops.len()).min_by_key(slower).filter(|_| ids.len() > 1);
    let ends = cut.into_iter().chain([flops.len()]);
    let mut first = 0;
    let stage = |(device, end): (&String, usize)| {
        let layers = (first, end);
        first = end;
        Stage { device: device.clone(), layers, recompute: Recompute::None }
    };
    ids.iter().zip(ends).map(stage).collect()
}

/// When tokens came.
#[derive(Default)]
struct Times(Vec<Instant>);

impl Listener for Times {
    fn token(&mut self, _text: usize, _token: u32) -> Result<ControlFlow<()>, RunError> {
        self.0.push(Instant::now());
        Ok(ControlFlow::Continue(()))
    }
}

/// Tokens a second, of those after the first.
fn write(
    pipeline: &mut Pipeline,
    context: usize,
    tokens: usize,
    count: usize,
) -> Result<f64, RunError> {
    let prompt = |number: usize| {
        (0..tokens).map(|at| u32::try_from((at * 7 + number) % 32).unwrap_or(0)).collect()
    };
    let mut texts: Vec<Text> =
        (0..count).map(|number| Text::new(prompt(number), tokens, 1, number)).collect();
    let writer = Writer { context, sampling: Sampling::at(0.0), at_once: count };
    let mut times = Times::default();
    writer.write(&mut pipeline.sequences(), &mut texts, &mut times)?;
    let Times(times) = times;
    let ends = times.last().zip(times.first());
    let seconds = ends.map_or(0.0, |(last, first)| last.duration_since(*first).as_secs_f64());
    Ok(times.len().saturating_sub(1) as f64 / seconds.max(f64::MIN_POSITIVE))
}

fn print(bench: &GenerateBench, figures: &[Figures]) -> std::io::Result<()> {
    let out = &mut std::io::stdout();
    if bench.json {
        let all = serde_json::json!({
            "format": "trainyard-bench-generate",
            "version": 1,
            "model": bench.model.as_ref().map(|path| path.display().to_string()),
            "tokens": bench.tokens,
            "rounds": bench.rounds,
            "arrangements": figures,
        });
        return writeln!(out, "{all:#}");
    }
    let header = ["devices", "texts at once", "tokens/s", "÷ one device"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(figures.iter().map(|figures| {
        let Figures { devices, texts, tokens_per_s, ratio } = figures;
        let numbers = [format!("{tokens_per_s:.1}"), format!("{ratio:.2}")];
        [devices.to_string(), texts.to_string()].into_iter().chain(numbers).collect()
    }));
    table(out, &rows, &[])?;
    writeln!(
        out,
        "\n{} tokens after as many, medians of {} rounds, ratios within a round; all devices together have the \
         cores of this machine",
        bench.tokens, bench.rounds
    )
}
