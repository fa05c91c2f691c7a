//! Tests of the run file.

use std::path::{Path, PathBuf};

use super::*;
use crate::document::Document;

mod groups;
mod kinds;
mod macros;
mod outputs;
mod properties;
mod refusals;

keys! {
    /// The nanoGPT shape.
    struct GptKeys in "model", check = check_gpt {
        /// Blocks.
        layers: usize = 4, in 1..=10_000;
        /// Attention heads of a block.
        heads: usize = 4, in 1..=10_000;
        /// Numbers a position is described by.
        width: usize = 128, in 1..=1_000_000;
        /// Different tokens; as many as the data has where it is not given.
        vocabulary: Option<usize>, in 1..=10_000_000;
        /// Share of activations dropped in training.
        dropout: f64 = 0.0, in 0.0..1.0;
        /// Whether linear layers have biases.
        bias: bool = false;
        /// Numbers between the two linear layers of a block.
        inner: usize, derived("width: four times as many", |this| 4 * this.width);
    }
}

fn check_gpt(gpt: &GptKeys) -> Result<(), BadKey> {
    let words = format!("a multiple of heads = {}", gpt.heads);
    must(gpt.width.is_multiple_of(gpt.heads), "width", &gpt.width, words)
}

keys! {
    /// Linear layers.
    struct MlpKeys in "model" {
        /// Linear layers.
        layers: usize = 2, in 1..=1_000_000;
    }
}

keys! {
    /// Text files.
    struct TextKeys in "data" {
        /// The files.
        text: Vec<PathBuf>;
        /// A text that the program makes itself, instead of files.
        builtin: Option<String>;
    }
}

keys! {
    /// Rows that the program makes itself.
    struct RowsKeys in "data" {
        /// Which.
        builtin: String = "waves".into();
        /// Numbers to learn from.
        inputs: usize = 2, in 1..=100;
    }
}

keys! {
    /// AdamW.
    struct AdamwKeys in "optimizer" {
        /// Decoupled weight decay.
        weight_decay: f64 = 0.1, in 0.0..=1000.0;
        /// Decay of the mean of the gradients.
        beta1: f64 = 0.9, in 0.0..1.0;
        /// Decay of the mean of their squares.
        beta2: f64 = 0.99, in 0.0..1.0;
        /// Keeps it from dividing by zero.
        epsilon: f64 = 1e-8,
            must("above 1.2e-38 and at most 1", |it| (f64::from(f32::MIN_POSITIVE)..=1.0).contains(it));
    }
}

keys! {
    /// Stochastic gradient descent.
    struct SgdKeys in "optimizer" {
        /// Share of the last update that goes on.
        momentum: f64 = 0.9, in 0.0..1.0;
        /// Decoupled weight decay.
        weight_decay: f64 = 0.0, in 0.0..=1000.0;
    }
}

/// Kinds as a program would register them.
const GROUPS: [KeyGroup; 6] = [
    KeyGroup::of::<GptKeys>("gpt"),
    KeyGroup::of::<MlpKeys>("mlp"),
    KeyGroup::of::<TextKeys>("text").named_by("text").builtins(&["yard"]),
    KeyGroup::of::<RowsKeys>("rows").builtins(&["spiral", "waves"]),
    KeyGroup::of::<AdamwKeys>("adamw"),
    KeyGroup::of::<SgdKeys>("sgd"),
];

const SMALL: &str = "[model]\nkind = \"mlp\"\n";

fn read(text: &str) -> Result<RunConfig, ConfigError> {
    read_with(text, &[])
}

fn read_with(text: &str, sets: &[&str]) -> Result<RunConfig, ConfigError> {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let read = RunConfig::from_text(text, Path::new("/yard/run.toml"), &sets, &GROUPS);
    read.map(|(config, _)| config)
}

/// The message for a text after `SMALL`.
fn message(text: &str) -> String {
    read(&format!("{SMALL}{text}")).unwrap_err().to_string()
}

#[test]
fn everything_but_the_model_has_a_default() {
    let config = read(SMALL).unwrap();
    assert_eq!(config.train, TrainSection::default());
    assert_eq!(config.pipeline, PipelineSection::default());
    assert_eq!((config.data.kind, config.data.validation_fraction), (None, 0.1));
    assert_eq!(config.run.dir, std::path::absolute("runs/run").unwrap());
    assert!(config.devices.is_empty() && config.run.program.is_none());
    assert_eq!(MlpKeys::from_table(&config.model.options).unwrap(), MlpKeys::default());
    assert_eq!(config.optimizer.kind, "adamw");
    assert_eq!(AdamwKeys::from_table(&config.optimizer.options).unwrap(), AdamwKeys::default());
    let error = read("").unwrap_err().to_string();
    assert_eq!(
        error,
        "/yard/run.toml does not say which model to train; write kind = \"gpt\" (or \"mlp\") under [model]"
    );
}

#[test]
fn defaults_follow_from_what_is_given() {
    let config =
        read(&format!("{SMALL}[train]\nsteps = 20\nlearning_rate = 0.5\nbatch = 6")).unwrap();
    assert_eq!((config.train.decay_steps, config.train.warmup), (20, 19));
    assert_eq!((config.train.min_learning_rate, config.train.micro_batches), (0.05, 3));
}

#[test]
fn what_follows_goes_on_to_follow_in_a_resolved_file() {
    let text = format!("{SMALL}[train]\nsteps = 20\nlearning_rate = 0.5");
    let resolved = read(&text).unwrap().to_toml().unwrap();
    assert!(resolved.contains("\n# decay_steps = 20, from steps\n"), "{resolved}");
    let longer = read_with(&resolved, &["train.steps=50"]).unwrap();
    assert_eq!(longer.train.decay_steps, 50);
    // What was said stays.
    let text = format!("{text}\ndecay_steps = 30");
    let resolved = read(&text).unwrap().to_toml().unwrap();
    assert!(resolved.contains("\ndecay_steps = 30\n"), "{resolved}");
    let longer = read_with(&resolved, &["train.steps=50"]).unwrap();
    assert_eq!(longer.train.decay_steps, 30);
}

#[test]
fn paths_are_relative_to_where_they_are_written() {
    let text = format!(
        "{SMALL}[data]\ntext = \"a.txt\"\n[pipeline]\nplan = \"../p.json\"\n[run]\ndir = \"out\"\nprogram = \"bin/mine\""
    );
    let config = read(&text).unwrap();
    let texts = |config: &RunConfig| TextKeys::from_table(&config.data.options).unwrap().text;
    assert_eq!(config.data.kind.as_deref(), Some("text"));
    assert_eq!(texts(&config), [PathBuf::from("/yard/a.txt")]);
    assert_eq!(config.pipeline.plan.clone().unwrap(), PathBuf::from("/yard/../p.json"));
    assert_eq!(config.run.dir, PathBuf::from("/yard/out"));
    assert_eq!(config.run.program.clone().unwrap(), PathBuf::from("/yard/bin/mine"));
    let config = read_with(&text, &["data.text=b.txt"]).unwrap();
    assert_eq!(texts(&config), [std::path::absolute("b.txt").unwrap()]);
    let config = read_with(&text, &["data.text=[\"b.txt\", \"/c\"]"]).unwrap();
    assert_eq!(texts(&config), [std::path::absolute("b.txt").unwrap(), PathBuf::from("/c")]);
    let error = message("[run]\ndir = \"\"");
    assert!(error.contains("run.dir is empty, but must be the name of a file"), "{error}");
}

#[test]
fn sets_go_over_the_file() {
    let text = format!(
        "{SMALL}[train]\nsteps = 9\n[[device]]\nid = \"left\"\n[[device]]\nid = \"right\"\n"
    );
    let sets = [
        "train.steps=40",
        "train.schedule=constant",
        " train.batch = 24 ",
        "model.layers=3",
        "device.right.memory=64 MiB",
        "device.0.adapter=1",
        "data.text=my input.txt",
        "pipeline.lock=embed=left",
        "pipeline.split=[6, 4]",
        "pipeline.exclude=right",
        "train.clip=0",
    ];
    let config = read_with(&text, &sets).unwrap();
    assert_eq!((config.train.steps, config.train.batch, config.train.clip), (40, 24, 0.0));
    assert_eq!(config.train.schedule, LearningRateSchedule::Constant);
    assert_eq!(config.model.options["layers"].as_integer(), Some(3));
    assert_eq!(config.pipeline.lock, ["embed=left"]);
    assert_eq!((config.pipeline.split.as_slice(), config.pipeline.exclude.len()), (&[6, 4][..], 1));
    assert_eq!(config.devices[1].memory, Some(ByteSize(64 << 20)));
    assert_eq!(config.devices[0].adapter, "1");
    let named = TextKeys::from_table(&config.data.options).unwrap().text;
    assert!(named[0].ends_with("my input.txt"));
    let whole = read_with(&text, &["device=[{id = \"only\"}]"]).unwrap();
    assert_eq!(whole.devices.len(), 1);
}

#[test]
fn a_report_shows_the_line() {
    let error = read(&format!("{SMALL}[train]\nstpes = 5\n")).unwrap_err();
    let report = miette::Report::new(error);
    let labels: Vec<_> = report.labels().unwrap().collect();
    assert_eq!((labels[0].offset(), labels[0].len(), labels[0].label()), (29, 5, Some("unknown")));
    assert!(format!("{report:?}").contains("stpes = 5"));
}

#[test]
fn files_are_loaded_and_missing_ones_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("first.toml");
    let load = |path: &Path| RunConfig::load(path, &[], &GROUPS).map(|(config, _)| config);
    std::fs::write(&path, format!("\u{feff}{SMALL}")).unwrap();
    assert!(load(&path).unwrap().run.dir.ends_with("runs/first"));
    std::fs::write(&path, b"[model]\n\xff").unwrap();
    assert!(matches!(load(&path), Err(ConfigError::NotUtf8 { offset: 8, line: 2, .. })));
    let missing = load(&folder.path().join("no.toml")).unwrap_err();
    assert!(matches!(missing, ConfigError::Read { .. }));
    assert!(missing.to_string().contains("no.toml"), "{missing}");
}

#[test]
fn what_is_found_out_later_has_a_place_too() {
    let text = format!("{SMALL}layers = 3\n");
    let (_, document) = RunConfig::from_text(&text, Path::new("/run.toml"), &[], &GROUPS).unwrap();
    let late = |key: &str| {
        let (key, value, must) = (key.to_owned(), "3".to_owned(), "even".to_owned());
        document.locate(ConfigError::BadValue { key, value, must }).to_string()
    };
    assert_eq!(late("model.layers"), "/run.toml:3:10: model.layers is 3, but must be even");
    assert_eq!(late("train.steps"), "/run.toml: train.steps is 3, but must be even");
}

#[test]
fn any_problem_can_be_placed_and_a_place_forgotten() {
    let text =
        format!("{SMALL}[data]\ntext = \"a\"\n[[device]]\nid = \"x\"\n[[device]]\nid = \"y\"\n");
    let (_, mut document) =
        RunConfig::from_text(&text, Path::new("/run.toml"), &[], &GROUPS).unwrap();
    let said = |document: &Document, key: &str| {
        document.problem_with(key, &"it is wrong").map(|problem| problem.to_string())
    };
    assert_eq!(said(&document, "data.text").unwrap(), "/run.toml:4:8: it is wrong");
    assert_eq!(said(&document, "data.builtin").unwrap(), "/run.toml:3:1: it is wrong");
    // By its id, and by the number that other messages have.
    for key in ["device.y.id", "device.1.id"] {
        assert_eq!(said(&document, key).unwrap(), "/run.toml:8:6: it is wrong");
    }
    assert_eq!(said(&document, "train.steps"), None);
    document.forget_places("data");
    assert_eq!(said(&document, "data.text"), None);
    assert!(said(&document, "model.kind").is_some());
}
