//! `trainyard inspect`: what a pretrained model is.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use trainyard_plan::memory::human_bytes;
use trainyard_pretrained::{Part, Pretrained, Role, Weight, find};

use super::run_command::RunCommand;
use super::table::{Align, table};
use crate::app::App;
use crate::error::RunError;

/// So many problems are told to people.
const TOLD: usize = 10;

/// Show what a pretrained model is: architecture, sizes, weights by layer, tokenizer, licence
#[derive(Debug, Args)]
pub struct Inspect {
    /// A folder in Hugging Face layout, a config.json alone, a .gguf file, or the name of a model that
    /// Hugging Face's tools have downloaded, such as HuggingFaceTB/SmolLM2-135M
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

impl RunCommand for Inspect {
    /// Prints what the model's files say. Of weights, only heads of files are read.
    ///
    /// # Errors
    /// When there is no such model, or one that is not known; when the terminal cannot be written to.
    fn run(&self, _: &App) -> Result<ExitCode, RunError> {
        let model = Pretrained::open(&find(&self.model)?)?;
        let layers = Layer::of_all(&model.weights);
        let out = &mut std::io::stdout();
        let printed = if self.json {
            writeln!(out, "{:#}", in_json(&model, &layers))
        } else {
            print(out, &model, &layers)
        };
        printed.map_err(RunError::io("write to", "the terminal"))?;
        Ok(if model.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
    }
}

/// A part of the model, and what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Layer {
    part: Part,
    bytes: u64,
    numbers: BTreeMap<Role, u64>,
}

impl Layer {
    /// Every part, in the order of the model.
    fn of_all(weights: &[Weight]) -> Vec<Self> {
        let mut layers = BTreeMap::<Part, Self>::new();
        for weight in weights {
            let part = weight.part;
            let new = || Self { part, bytes: 0, numbers: BTreeMap::new() };
            let layer = layers.entry(part).or_insert_with(new);
            layer.bytes = layer.bytes.saturating_add(weight.bytes);
            let of_role = layer.numbers.entry(weight.role).or_default();
            *of_role = of_role.saturating_add(weight.numbers());
        }
        layers.into_values().collect()
    }

    fn all_numbers(&self) -> u64 {
        self.numbers.values().fold(0, |all, numbers| all.saturating_add(*numbers))
    }

    fn name(&self) -> String {
        match self.part {
            Part::Embed => "embed".to_owned(),
            Part::Block(block) => format!("block{block}"),
            Part::Head => "head".to_owned(),
        }
    }

    /// Whether another differs from it in its number alone.
    fn is_like(&self, other: &Self) -> bool {
        let both = [self.part, other.part].map(|part| matches!(part, Part::Block(_)));
        both == [true; 2] && self.bytes == other.bytes && self.numbers == other.numbers
    }
}

fn in_json(model: &Pretrained, layers: &[Layer]) -> Value {
    let layer = |layer: &Layer| {
        let roles =
            layer.numbers.iter().map(|(role, numbers)| (role.name().to_owned(), json!(numbers)));
        json!({
            "name": layer.name(),
            "parameters": layer.all_numbers(),
            "bytes": layer.bytes,
            "roles": roles.collect::<serde_json::Map<_, _>>(),
        })
    };
    json!({
        "name": model.name,
        "architecture": model.config.architecture.model_type(),
        "parameters": model.parameters(),
        "bytes": model.bytes(),
        "elements": by_element(model).into_iter().collect::<BTreeMap<_, _>>(),
        "has_weights": model.has_weights,
        "config": model.config,
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
        "tokenizer": model.tokenizer,
        "licence": model.licence,
        "problems": model.problems,
    })
}

/// How many numbers are stored in which way, the most first.
fn by_element(model: &Pretrained) -> Vec<(&'static str, u64)> {
    let mut numbers = BTreeMap::<&'static str, u64>::new();
    for weight in &model.weights {
        let of_element = numbers.entry(weight.element.name()).or_default();
        *of_element = of_element.saturating_add(weight.numbers());
    }
    let mut numbers: Vec<_> = numbers.into_iter().collect();
    numbers.sort_by_key(|(_, numbers)| std::cmp::Reverse(*numbers));
    numbers
}

fn print(out: &mut impl Write, model: &Pretrained, layers: &[Layer]) -> std::io::Result<()> {
    let config = &model.config;
    let kind = if config.architecture.is_encoder() { "an encoder" } else { "a decoder" };
    let (weights, bytes) = (count(model.parameters()), human_bytes(model.bytes()));
    writeln!(
        out,
        "{}: {}, {kind} with {weights} weights, {bytes}{}",
        model.name,
        config.architecture.name(),
        if model.has_weights { "" } else { " by its config; there are no weights here" }
    )?;
    let shared = match config.key_value_heads {
        same if same == config.heads => String::new(),
        fewer => format!(" that share {fewer} of keys and values"),
    };
    writeln!(
        out,
        "{} blocks of width {}, {} heads of {}{shared}, feed-forward of {}",
        config.blocks, config.width, config.heads, config.head_width, config.feed_forward
    )?;
    let tied = if config.tied { "; the head shares the embedding's weights" } else { "" };
    let window =
        config.window.map(|window| format!(", each sees the last {window}")).unwrap_or_default();
    writeln!(out, "{} tokens, {} positions{window}{tied}", config.vocabulary, config.context)?;
    let all = model.parameters().max(1) as f64;
    let elements = by_element(model).into_iter();
    let elements =
        elements.map(|(name, numbers)| format!("{name} {:.0} %", 100.0 * numbers as f64 / all));
    writeln!(out, "stored as {}", elements.collect::<Vec<_>>().join(", "))?;
    match &model.tokenizer {
        Some(tokenizer) => {
            let tokens = tokenizer.tokens.map(|tokens| format!(", {tokens} tokens"));
            let (kind, file) = (&tokenizer.kind, &tokenizer.file);
            let known = model.config.vocabulary;
            let unknown = match tokenizer.tokens {
                Some(tokens) if tokens > known => {
                    format!(
                        ", of which the model knows the first {known}: it may be another model's"
                    )
                }
                _ => String::new(),
            };
            writeln!(out, "tokenizer {kind}{}{unknown} ({file})", tokens.unwrap_or_default())?;
        }
        None => writeln!(out, "no tokenizer here")?,
    }
    writeln!(out, "licence {}\n", model.licence.as_deref().unwrap_or("not said"))?;
    table(out, &rows(layers), &[Align::Left])?;
    let problems = &model.problems;
    for problem in problems.iter().take(TOLD) {
        writeln!(out, "{}{problem}", if problem == &problems[0] { "\n" } else { "" })?;
    }
    match problems.len().saturating_sub(TOLD) {
        0 => Ok(()),
        more => writeln!(out, "… and {more} more (--json has all)"),
    }
}

/// A line a layer, equal blocks in one.
fn rows(layers: &[Layer]) -> Vec<Vec<String>> {
    let used = |role: &Role| layers.iter().any(|layer| layer.numbers.contains_key(role));
    let roles: Vec<Role> = Role::ALL.into_iter().filter(used).collect();
    let head = ["layer", "weights", "stored in"].map(str::to_owned).into_iter();
    let mut rows =
        vec![head.chain(roles.iter().map(|role| role.name().to_owned())).collect::<Vec<_>>()];
    for run in layers.chunk_by(Layer::is_like) {
        let [first, ..] = run else { continue };
        let each = if run.len() > 1 { " each" } else { "" };
        let name = match run {
            [_, .., last] => format!("{} – {}", first.name(), last.name()),
            _ => first.name(),
        };
        let mut row = vec![name, count(first.all_numbers()) + each, human_bytes(first.bytes)];
        row.extend(
            roles
                .iter()
                .map(|role| first.numbers.get(role).map_or_else(String::new, |it| count(*it))),
        );
        rows.push(row);
    }
    rows
}

/// A number to three digits: `260 K`, `135 M`, `6.74 G`.
fn count(number: u64) -> String {
    let units = ["", " K", " M", " G", " T"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1e3;
        unit += 1;
    }
    let decimals = match value {
        _ if unit == 0 => 0,
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{}", units.get(unit).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn numbers_have_three_digits() {
        let expected = [
            (0, "0"),
            (999, "999"),
            (1000, "1.00 K"),
            (260_032, "260 K"),
            (134_515_008, "135 M"),
            (6_738_415_616, "6.74 G"),
            (999_600, "1.00 M"),
            (12_340, "12.3 K"),
        ];
        for (number, text) in expected {
            assert_eq!(count(number), text);
        }
    }
}
