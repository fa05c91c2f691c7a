//! `trainyard fit`: whether a pretrained model can be trained on devices.

mod sizes;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use serde::Serialize;
use trainyard_plan::fit::{
    DeviceFit, Fit, FitDevice, FitRequest, Largest, Method, USUAL_MICRO_BATCHES, Verdict,
    estimated_profile, fit,
};
use trainyard_plan::memory::{human_bytes, parse_bytes};
use trainyard_plan::{Api, DeviceProfile, Precision};
use trainyard_pretrained::{Pretrained, find};

use super::run_command::RunCommand;
use super::table::{Align, table};
use crate::app::App;
use crate::cli::{Force, Sets};
use crate::error::RunError;
use crate::files::write_asked;
use crate::setup::fit_devices;

/// The context where none is asked for, unless the model's is shorter: that of a decoder, and that of an encoder.
const CONTEXT: u64 = 1024;
const ENCODER_CONTEXT: u64 = 128;

/// The rank of adapters where none is asked for.
const RANK: u64 = 16;

/// Say whether a pretrained model can be trained here: on this machine's devices, or on described ones
///
/// Nothing is opened but the heads of the model's files. Sizes follow from its shapes, times from speeds:
/// both are estimates; `trainyard plan` of a run file runs the layers and knows better. An encoder is taken to learn
/// what its files say that it was made for, or else masked tokens, which need the most.
#[derive(Debug, Args)]
pub struct FitCommand {
    /// A folder in Hugging Face layout, a config.json alone, a .gguf file, or the name of a model that
    /// Hugging Face's tools have downloaded, such as HuggingFaceTB/SmolLM2-135M
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Which weights train: all, or adapters beside frozen ones, as numbers or in blocks: those of their file, or
    /// of four bits
    #[arg(long, value_enum, default_value = "full")]
    method: MethodName,
    /// Numbers between an adapter's two products, of --method lora and qlora [default: 16]
    #[arg(long, value_name = "N")]
    rank: Option<u64>,
    /// Positions of a row [default: the model's, at most 1024, or 128 of an encoder]
    #[arg(long, value_name = "N")]
    context: Option<u64>,
    /// Rows of a step
    #[arg(long, value_name = "N", default_value_t = 8)]
    batch: u64,
    /// A device in place of this machine's, by its memory, such as "8 GiB", or by memory and TFLOP/s, such as
    /// "24 GiB@35"; as often as there are devices
    #[arg(long = "device", value_name = "SIZE")]
    devices: Vec<Described>,
    /// The devices of this run file in place of all of this machine's
    #[arg(long, value_name = "RUN.toml", conflicts_with = "devices")]
    devices_of: Option<PathBuf>,
    /// The numbers in which cards compute products; CPU devices are no faster in others, and stay f32
    #[arg(long, default_value = Precision::F32.text(), value_parser = precisions())]
    precision: Precision,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
    /// Also write what it was planned with: the costs of every layer, estimated, for `trainyard plan --profile`
    /// and the studio
    #[arg(long, value_name = "PROFILE.json")]
    save_profile: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MethodName {
    Full,
    Lora,
    Qlora,
}

fn precisions() -> impl TypedValueParser<Value = Precision> {
    let named = |text: String| Precision::ALL.into_iter().find(|it| it.text() == text);
    PossibleValuesParser::new(Precision::ALL.map(Precision::text))
        .map(move |text| named(text).unwrap_or_default())
}

/// A device by its memory, and its speed where that is said.
#[derive(Clone, Copy, Debug)]
struct Described {
    bytes: u64,
    teraflops: Option<f64>,
}

impl FromStr for Described {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (size, speed) = text.split_once('@').map_or((text, None), |(a, b)| (a, Some(b)));
        if size.trim().parse::<f64>().is_ok() {
            return Err(format!(
                "'{size}' has no unit; write \"{} GiB\" or \"{0} MiB\"",
                size.trim()
            ));
        }
        let bytes = parse_bytes(size.trim()).map_err(|error| error.to_string())?;
        let speed = speed.map(|speed| {
            let teraflops = speed.trim().trim_end_matches("TFLOPS").trim().parse::<f64>().ok();
            let sound = teraflops.filter(|it| it.is_finite() && *it > 0.0);
            sound.ok_or_else(|| {
                format!("'{speed}' must be a number of TFLOP/s above 0, as in \"24 GiB@35\"")
            })
        });
        Ok(Self { bytes, teraflops: speed.transpose()? })
    }
}

impl Described {
    fn device(self, number: usize) -> FitDevice {
        let id = format!("card{number}");
        let device = DeviceProfile { id, memory_bytes: self.bytes, ..DeviceProfile::default() };
        FitDevice { device, gflops: self.teraflops.map(|it| it * 1e3), copy_rate: None }
    }
}

impl RunCommand for FitCommand {
    /// Prints what the training needs, and whether the devices have it.
    ///
    /// # Errors
    /// When there is no such model, or a number makes no sense; when a device cannot be opened, or the terminal
    /// cannot be written to.
    fn run(&self, app: &App) -> Result<ExitCode, RunError> {
        let pretrained = Pretrained::open(&find(&self.model)?)?;
        if pretrained.has_weights {
            pretrained.check()?;
        }
        let model = sizes::transformer(&pretrained)?;
        let mut devices: Vec<FitDevice> = if self.devices.is_empty() {
            let run_file = self.devices_of.as_ref();
            let run_file = run_file.map(|file| app.config(file, &Sets::default())).transpose()?;
            fit_devices(run_file.as_ref().map(|(config, _)| config))?
        } else {
            self.devices.iter().enumerate().map(|(number, it)| it.device(number)).collect()
        };
        let cards = devices.iter_mut().filter(|it| it.device.api != Some(Api::Cpu));
        cards.for_each(|card| card.device.precision = self.precision);
        let rank = self.rank.unwrap_or(RANK);
        let method = match (self.method, self.rank) {
            (MethodName::Full, Some(rank)) => {
                return Err(RunError::BadValue {
                    key: "--rank".to_owned(),
                    value: rank.to_string(),
                    must: "left out, or given with --method lora or --method qlora".to_owned(),
                });
            }
            (MethodName::Full, None) => Method::Full,
            (MethodName::Lora, _) => Method::Lora { rank },
            (MethodName::Qlora, _) => Method::Qlora { rank },
        };
        let usual = if model.causal { CONTEXT } else { ENCODER_CONTEXT };
        let context = self.context.unwrap_or(model.context.min(usual));
        let request =
            FitRequest { model: &model, devices: &devices, method, batch: self.batch, context };
        if let Some(path) = &self.save_profile {
            let json = in_json(&estimated_profile(&request)?)?;
            write_asked(path, json.as_bytes(), self.force)?;
        }
        let fit = fit(&request)?;
        let out = &mut std::io::stdout();
        let printed =
            if self.json { writeln!(out, "{}", in_json(&fit)?) } else { print(out, &fit) };
        printed.map_err(RunError::io("write to", "the terminal"))?;
        if !self.json && fit.verdict == Verdict::TooBig && method == Method::Full {
            let remedy = adapters_that_fit(&request)?;
            remedy
                .map_or(Ok(()), |line| writeln!(out, "{line}"))
                .map_err(RunError::io("write to", "the terminal"))?;
        }
        // As for a plan that does not fit.
        Ok(if fit.verdict == Verdict::TooBig { ExitCode::from(3) } else { ExitCode::SUCCESS })
    }
}

/// With which adapters a model can be trained that is too big to be trained whole, and in which contexts.
///
/// # Errors
/// As [`fit`].
fn adapters_that_fit(request: &FitRequest<'_>) -> Result<Option<String>, RunError> {
    for (name, method) in
        [("lora", Method::Lora { rank: RANK }), ("qlora", Method::Qlora { rank: RANK })]
    {
        if let Some(context) = fit(&FitRequest { method, ..*request })?.largest.context {
            return Ok(Some(format!(
                "with --method {name} on the same devices contexts up to {context} fit with a batch of {}",
                request.batch
            )));
        }
    }
    Ok(None)
}

fn in_json(value: &impl Serialize) -> Result<String, RunError> {
    serde_json::to_string_pretty(value).map_err(|error| RunError::config(error.to_string()))
}

fn print(out: &mut impl Write, fit: &Fit) -> std::io::Result<()> {
    let method = match (fit.method.as_str(), fit.rank) {
        ("qlora", Some(rank)) => {
            format!("adapters of rank {rank} beside frozen weights in few bits")
        }
        (_, Some(rank)) => format!("adapters of rank {rank} beside frozen weights"),
        _ => "all weights".to_owned(),
    };
    writeln!(
        out,
        "{}, {method}, {} × {} tokens a step in {} micro-batches: {}\n",
        fit.model,
        fit.batch,
        fit.context,
        fit.micro_batches,
        fit.verdict.text()
    )?;
    if let Some(assumed) = &fit.assumes {
        writeln!(out, "an encoder, taken {assumed}\n")?;
    }
    table(out, &rows(&fit.devices), &[Align::Left, Align::Left])?;
    if fit.micro_batches > USUAL_MICRO_BATCHES {
        writeln!(
            out,
            "\ntrain.micro_batches = {} makes them; by itself a training takes at most {USUAL_MICRO_BATCHES}, which need \
             more memory",
            fit.micro_batches
        )?;
    }
    if let Some(reason) = &fit.reason {
        writeln!(out, "\n{reason}")?;
    }
    writeln!(out)?;
    if let Some(tokens) = fit.tokens_per_s {
        writeln!(
            out,
            "at most about {} tokens/s, estimated from the devices' speeds",
            whole(tokens)
        )?;
    }
    writeln!(out, "{}", limits(&fit.largest, fit))?;
    if let Some(more) = &fit.one_more {
        let tokens = more.tokens_per_s.map(|tokens| format!(", about {} tokens/s", whole(tokens)));
        writeln!(
            out,
            "with one more like {} ({}): {}{}; {}",
            more.like,
            human_bytes(more.budget_bytes),
            more.verdict.text(),
            tokens.unwrap_or_default(),
            limits(&more.largest, fit)
        )?;
    }
    writeln!(out, "sizes are estimated from the model's shapes, on the safe side")
}

/// A row a device, with the categories of its memory.
fn rows(devices: &[DeviceFit]) -> Vec<Vec<String>> {
    let head = ["device", "layers", "weights", "gradients", "optimizer", "activations", "buffers"];
    let head = head.into_iter().chain(["needs", "has", ""]).map(str::to_owned).collect();
    let row = |device: &DeviceFit| {
        let recomputed = if device.recompute { ", recomputed" } else { "" };
        let layers = match device.stages.as_slice() {
            [] => "–".to_owned(),
            stages => {
                let range = |(first, last): &(String, String)| {
                    if first == last { first.clone() } else { format!("{first} – {last}") }
                };
                let ranges: Vec<String> = stages.iter().map(range).collect();
                format!("{}{recomputed}", ranges.join(", "))
            }
        };
        let needs = &device.needs;
        let bytes =
            [needs.weights, needs.gradients, needs.optimizer, needs.activations, needs.buffers];
        let bytes = bytes.into_iter().chain([device.needed_bytes, device.budget_bytes]);
        let row = [device.id.clone(), layers].into_iter();
        row.chain(bytes.map(human_bytes)).chain([device.verdict.text().to_owned()]).collect()
    };
    std::iter::once(head).chain(devices.iter().map(row)).collect()
}

fn limits(largest: &Largest, fit: &Fit) -> String {
    let context = largest.context.map_or_else(
        || format!("no context fits with a batch of {}", fit.batch),
        |context| format!("contexts up to {context} fit with a batch of {}", fit.batch),
    );
    let rows = largest.rows.map_or_else(
        || "not one row at once".to_owned(),
        |rows| match rows {
            1 => "micro-batches of 1 row".to_owned(),
            rows => format!("micro-batches up to {rows} rows"),
        },
    );
    format!("{context}; {rows} with a context of {}", fit.context)
}

/// A number to three digits.
fn whole(number: f64) -> String {
    let digits = 10_f64.powf((number.max(1.0).log10().floor() - 2.0).max(0.0));
    format!("{:.0}", (number / digits).round() * digits)
}
