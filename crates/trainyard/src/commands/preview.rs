//! `trainyard preview`: the first samples of a training as the model sees them.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use trainyard_data::{Batch, Cursor, DataSource, HostTensor, IGNORED, SEGMENTS};

use super::preview_encoder;
use super::run_command::RunCommand;
use crate::app::App;
use crate::cli::{Output, RunFile, at_least_one, say};
use crate::error::RunError;
use crate::setup::TrainingSetup;

/// Show the first samples of a training as the model sees them: tokens, text, and what counts
#[derive(Debug, Args)]
pub struct PreviewCommand {
    #[command(flatten)]
    run: RunFile,
    /// How many samples
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = at_least_one::<usize>)]
    samples: usize,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

/// What is shown of data.
#[derive(Debug, Serialize)]
struct Preview {
    /// Their name.
    source: String,
    /// Training samples of an epoch, where they have an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    training_samples: Option<u64>,
    /// What is worth knowing of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<String>,
    samples: Vec<Sample>,
}

/// A row, without what it is filled up with.
#[derive(Debug, Default, Serialize)]
pub(super) struct Sample {
    pub(super) tokens: Vec<i32>,
    /// The text of each token; empty inside of a character that is spread over several.
    pub(super) texts: Vec<String>,
    /// Whether each token is to be learned: the model is asked for it by those before it, or an encoder in its place.
    pub(super) counts: Vec<bool>,
    /// All of it.
    pub(super) text: String,
    /// Of a row that several share, the tokens with which each begins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) starts: Vec<usize>,
    /// What an encoder is asked for in the place of each token that counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) answers: Vec<String>,
    /// What is to be learned of the whole: a class, or a score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<String>,
}

impl RunCommand for PreviewCommand {
    /// Prints what a training would begin with.
    ///
    /// # Errors
    /// Whatever is wrong with the run file or its data; [`RunError::Mismatch`] for data without tokens.
    fn run(&self, app: &App) -> Result<ExitCode, RunError> {
        let run_file = app.config(&self.run.file, &self.run.sets)?;
        let seed = run_file.0.train.seed;
        let source = TrainingSetup::data_of(run_file, app.recipes())?;
        let info = source.info();
        info.remarks.iter().for_each(|remark| say(format_args!("note: {remark}")));
        let preview = Preview {
            source: info.name.clone(),
            training_samples: info.samples,
            remarks: info.remarks.clone(),
            samples: samples(&*source, Cursor::new(seed), self.samples)?,
        };
        print(&preview, self.json).map_err(RunError::io("write to", "the terminal"))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn samples(source: &dyn DataSource, cursor: Cursor, rows: usize) -> Result<Vec<Sample>, RunError> {
    let rows =
        source.info().samples.map_or(rows, |all| rows.min(usize::try_from(all).unwrap_or(rows)));
    let batch = source.batch(cursor, rows)?;
    let values = |name: &str| of_tokens(&batch, name);
    if let Some(rows) = preview_encoder::samples(source, &batch) {
        return Ok(rows);
    }
    let (Some((tokens, width)), Some((targets, _))) = (values("tokens"), values("targets")) else {
        return Err(RunError::Mismatch {
            what: format!("{} has no tokens to show", source.info().name),
            remedy: "preview needs a text or chats in [data]",
        });
    };
    let rows = tokens.chunks(width).zip(targets.chunks(width));
    let Some((segments, _)) = values(SEGMENTS) else {
        return Ok(rows.map(|(tokens, targets)| sample(source, tokens, targets)).collect());
    };
    let rows = rows.zip(segments.chunks(width));
    Ok(rows
        .map(|((tokens, targets), segments)| packed(source, [tokens, targets, segments]))
        .collect())
}

/// A tensor of whole numbers, one a token, and how many a row has, at least 1.
pub(super) fn of_tokens<'a>(batch: &'a Batch, name: &str) -> Option<(&'a [i32], usize)> {
    match batch.get(name)? {
        HostTensor::I32 { values, shape } => match shape.as_slice() {
            [_, width] => Some((values, (*width).max(1))),
            _ => None,
        },
        _ => None,
    }
}

/// A row of several, one behind the other.
fn packed(source: &dyn DataSource, [tokens, targets, segments]: [&[i32]; 3]) -> Sample {
    let (mut all, mut at) = (Sample::default(), 0);
    for of_one in segments.chunk_by(|one, next| one == next) {
        let places = at..at + of_one.len();
        at = places.end;
        if of_one.first() == Some(&0) {
            continue;
        }
        let one = sample(source, &tokens[places.clone()], &targets[places]);
        all.starts.push(all.tokens.len());
        all.tokens.extend(one.tokens);
        all.texts.extend(one.texts);
        all.counts.extend(one.counts);
        all.text.push_str(&one.text);
    }
    all
}

/// A row with the token behind it, which is its last target.
fn sample(source: &dyn DataSource, tokens: &[i32], targets: &[i32]) -> Sample {
    let mut length = tokens.len();
    while length > 1
        && targets[length - 1] == IGNORED
        && targets[length - 2] == IGNORED
        && tokens[length - 1] == 0
    {
        length -= 1;
    }
    let last = targets.get(length - 1).copied().filter(|target| *target != IGNORED);
    let tokens: Vec<i32> = tokens[..length].iter().copied().chain(last).collect();
    let is_learned = |at: usize| at > 0 && targets.get(at - 1).is_some_and(|it| *it != IGNORED);
    let counts = (0..tokens.len()).map(is_learned).collect();
    let texts = texts(source, &tokens);
    Sample { text: texts.concat(), tokens, texts, counts, ..Sample::default() }
}

/// The text of each token.
pub(super) fn texts(source: &dyn DataSource, tokens: &[i32]) -> Vec<String> {
    let Some(tokenizer) = source.tokenizer() else {
        let vocabulary = &source.info().vocabulary;
        let text =
            |token: &i32| usize::try_from(*token).ok().and_then(|it| vocabulary.get(it)).cloned();
        return tokens.iter().map(|token| text(token).unwrap_or_default()).collect();
    };
    let mut stream = tokenizer.stream(false);
    let mut texts: Vec<String> =
        tokens.iter().map(|token| stream.push(token.cast_unsigned())).collect();
    if let Some(last) = texts.last_mut() {
        last.push_str(&stream.rest());
    }
    texts
}

fn print(preview: &Preview, json: bool) -> std::io::Result<()> {
    let out = &mut std::io::stdout();
    if json {
        serde_json::to_writer(&mut *out, preview)?;
        return writeln!(out);
    }
    // What counts stands out by its colour, or else between marks.
    let [begin, end] =
        if Output::detect(false).color() { ["\u{1b}[32m", "\u{1b}[0m"] } else { ["⟦", "⟧"] };
    for (number, sample) in (1..).zip(&preview.samples) {
        let counted = sample.counts.iter().filter(|counts| **counts).count();
        let share = match sample.starts.len() {
            0 | 1 => String::new(),
            several => format!(" of {several} that share a row"),
        };
        let tokens = sample.tokens.len();
        let learned = match &sample.target {
            Some(target) => format!("to be learned: {target}"),
            None => format!("{counted} to be learned"),
        };
        writeln!(out, "sample {number}: {tokens} tokens{share}, {learned}")?;
        let (mut inside, mut answers) = (false, sample.answers.iter());
        for (at, (text, counts)) in sample.texts.iter().zip(&sample.counts).enumerate() {
            if at > 0 && sample.starts.contains(&at) {
                let end = if std::mem::take(&mut inside) { end } else { "" };
                writeln!(out, "{end}\n──")?;
            }
            if *counts != inside {
                write!(out, "{}", if *counts { begin } else { end })?;
                inside = *counts;
            }
            write!(out, "{text}")?;
            if *counts && let Some(answer) = answers.next() {
                write!(out, " = {answer}")?;
            }
        }
        writeln!(out, "{}\n", if inside { end } else { "" })?;
    }
    Ok(())
}
