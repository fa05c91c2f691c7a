//! Tests of the run file.

use std::path::{Path, PathBuf};

use super::*;

mod properties;
mod refusals;

const SMALL: &str = "[model]\nkind = \"mlp\"\n";

fn read(text: &str) -> Result<RunConfig, RunError> {
    RunConfig::from_text(text, Path::new("/yard/run.toml"), &[])
}

fn read_with(text: &str, sets: &[&str]) -> Result<RunConfig, RunError> {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    RunConfig::from_text(text, Path::new("/yard/run.toml"), &sets)
}

/// The message for a text after `SMALL`.
fn message(text: &str) -> String {
    read(&format!("{SMALL}{text}")).unwrap_err().to_string()
}

#[test]
fn everything_but_the_model_has_a_default() {
    let config = read(SMALL).unwrap();
    assert_eq!(config.train, TrainSection::default());
    assert_eq!(config.data, DataSection::default());
    assert_eq!(config.pipeline, PipelineSection::default());
    assert_eq!(config.run.dir, std::path::absolute("runs/run").unwrap());
    assert!(config.devices.is_empty() && config.model.options.is_empty());
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
fn model_options_are_passed_on() {
    let config =
        read("[model]\nkind = \"gpt\"\nlayers = 4\nx.y = [1, 2]\n[data]\nbuiltin = \"yard\"");
    let options = config.unwrap().model.options;
    assert_eq!(options.keys().collect::<Vec<_>>(), ["layers", "x"]);
    assert_eq!(options["layers"].as_integer(), Some(4));
}

#[test]
fn a_gpt_needs_one_text() {
    let error = read("[model]\nkind = \"gpt\"").unwrap_err().to_string();
    assert!(error.contains("data is missing") && error.contains("builtin = \"yard\""), "{error}");
    let both = "[data]\ntext = \"a\"\nbuiltin = \"yard\"";
    assert!(
        message(both).starts_with("/yard/run.toml:4:8: data.text is given twice"),
        "{}",
        message(both)
    );
    // The one named on the command line wins over the one in the file.
    let text = format!("{SMALL}[data]\ntext = \"a\"");
    let config = read_with(&text, &["data.builtin=yard"]).unwrap();
    assert_eq!((config.data.text, config.data.builtin), (None, Some("yard".into())));
}

#[test]
fn paths_are_relative_to_where_they_are_written() {
    let text = format!(
        "{SMALL}[data]\ntext = \"a.txt\"\n[pipeline]\nplan = \"../p.json\"\n[run]\ndir = \"out\""
    );
    let config = read(&text).unwrap();
    assert_eq!(config.data.text.unwrap(), PathBuf::from("/yard/a.txt"));
    assert_eq!(config.pipeline.plan.unwrap(), PathBuf::from("/yard/../p.json"));
    assert_eq!(config.run.dir, PathBuf::from("/yard/out"));
    let config = read_with(&text, &["data.text=b.txt"]).unwrap();
    assert_eq!(config.data.text.unwrap(), std::path::absolute("b.txt").unwrap());
    assert!(
        message("[data]\ntext = \"\"").contains("data.text is '', but must be the name of a file")
    );
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
        "model.deep.er=\"x\"",
        "device.right.memory=64 MiB",
        "device.0.adapter=1",
        "data.text=my input.txt",
        "train.clip=0",
    ];
    let config = read_with(&text, &sets).unwrap();
    assert_eq!((config.train.steps, config.train.batch, config.train.clip), (40, 24, 0.0));
    assert_eq!(config.train.schedule, LearningRateSchedule::Constant);
    assert_eq!(config.model.options["layers"].as_integer(), Some(3));
    assert_eq!(config.model.options["deep"]["er"].as_str(), Some("x"));
    assert_eq!(config.devices[1].memory, Some(64 << 20));
    assert_eq!(config.devices[0].adapter, "1");
    assert!(config.data.text.unwrap().ends_with("my input.txt"));
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
    std::fs::write(&path, format!("\u{feff}{SMALL}")).unwrap();
    let config = RunConfig::load(&path, &[]).unwrap();
    assert!(config.run.dir.ends_with("runs/first"));
    std::fs::write(&path, b"[model]\n\xff").unwrap();
    assert!(matches!(
        RunConfig::load(&path, &[]),
        Err(RunError::NotUtf8 { offset: 8, line: 2, .. })
    ));
    let missing = RunConfig::load(&folder.path().join("no.toml"), &[]).unwrap_err();
    assert!(missing.to_string().contains("no.toml"), "{missing}");
    assert_eq!(missing.exit_code(), 2);
}

#[test]
fn the_example_files_are_sound() {
    // Tests run in the folder of their package, wherever that is.
    let assets = Path::new("../../assets");
    let mut found = 0;
    for entry in std::fs::read_dir(assets).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "toml") {
            let config = RunConfig::load(&path, &[]).unwrap();
            assert_eq!(read(&config.to_toml().unwrap()).unwrap(), config, "{}", path.display());
            found += 1;
        }
    }
    assert!(found >= 4, "{found} files");
}

/// A full config: what serde writes and what the reader knows must be the same keys.
#[test]
fn every_key_that_is_written_is_known_and_the_other_way_round() {
    let mut config = read(SMALL).unwrap();
    config.data.text = Some("/t".into());
    config.data.builtin = Some("b".into());
    config.pipeline.plan = Some("/p".into());
    config.pipeline.lock = vec!["a=b".into()];
    let device = DeviceSection {
        id: "a".into(),
        memory: Some(1),
        threads: Some(1),
        speed: Some(1.0),
        reserve: Some(1),
        throttle: Some(2.0),
        ..Default::default()
    };
    config.devices = vec![device];
    let written: toml::Table = config.to_toml().unwrap().parse().unwrap();
    assert_eq!(written.len(), keys::SECTIONS.len());
    for (section, known) in keys::SECTIONS {
        let table = &written[*section];
        let table = table.get(0).unwrap_or(table).as_table().unwrap();
        let mut known = known.to_vec();
        known.sort_unstable();
        let mut names: Vec<_> = table.keys().collect();
        names.sort_unstable();
        assert_eq!(names, known, "[{section}]");
    }
}
