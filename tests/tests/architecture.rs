//! Holds the repository to what ARCHITECTURE.md promises: who may use whom, where versions are
//! written, and how files begin and how long they get.
//!
//! Every check collects all that is wrong before it fails, so that one run shows the whole list.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot read the repository fails at once and says why"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::{Table, Value};
use trainyard_tests::{read, root};

/// Longer files hold more than one concept: split them. Long enough for one concept with its
/// documentation, short enough to be read at a sitting.
const MAX_LINES: usize = 400;

/// What one crate may use. A family such as `burn` stands for `burn`, `burn-…` and `burn_…`.
struct Rule {
    /// The crate, and its folder under `crates/`.
    name: &'static str,
    /// Crates of ours it may use.
    ours: &'static [&'static str],
    /// Families it must never use directly, in its tests neither.
    never: &'static [&'static str],
}

/// The table of ARCHITECTURE.md.
const RULES: [Rule; 8] = [
    Rule {
        name: "trainyard-plan",
        ours: &[],
        never: &["burn", "cubecl", "wgpu", "egui", "eframe"],
    },
    Rule {
        name: "trainyard-config",
        ours: &["trainyard-plan"],
        never: &["burn", "cubecl", "wgpu", "egui", "eframe", "clap"],
    },
    Rule {
        name: "trainyard-data",
        ours: &["trainyard-config", "trainyard-pretrained"],
        never: &["burn", "cubecl", "wgpu", "egui", "eframe", "clap"],
    },
    Rule {
        name: "trainyard-pretrained",
        ours: &[],
        never: &["burn", "cubecl", "wgpu", "egui", "eframe", "clap"],
    },
    Rule {
        name: "trainyard-engine",
        ours: &["trainyard-plan", "trainyard-config"],
        never: &["egui", "eframe", "clap"],
    },
    Rule {
        name: "trainyard-models",
        ours: &[
            "trainyard-plan",
            "trainyard-config",
            "trainyard-data",
            "trainyard-engine",
            "trainyard-pretrained",
        ],
        never: &["wgpu", "egui", "eframe"],
    },
    Rule {
        name: "trainyard",
        ours: &[
            "trainyard-plan",
            "trainyard-config",
            "trainyard-data",
            "trainyard-engine",
            "trainyard-models",
            "trainyard-pretrained",
        ],
        never: &["egui", "eframe"],
    },
    Rule { name: "trainyard-studio", ours: &["trainyard-plan"], never: &["burn", "cubecl"] },
];

/// All that `trainyard-plan` may use outside its tests: it is pure and must build for wasm.
const PLAN_MAY_USE: [&str; 5] =
    ["serde", "serde_json", "serde_path_to_error", "strsim", "thiserror"];

/// Modules of `std` that reach outside the process, which `trainyard-plan` must not.
const IMPURE_MODULES: [&str; 6] = ["env", "fs", "net", "os", "process", "thread"];

/// Clocks, which `trainyard-plan` must not read.
const CLOCKS: [&str; 2] = ["Instant", "SystemTime"];

/// The executor, below the engine's `src`: it has threads and channels from `concurrency` alone, so that
/// its tests can run it under every order of its threads.
const EXECUTOR: [&str; 6] =
    ["compute_thread.rs", "link", "link.rs", "pipeline", "tie.rs", "worker"];

/// Other ways to channels and to what threads wait for.
const WAITING: [&str; 5] = ["crossbeam_channel", "mpsc", "shuttle", "Condvar", "Barrier"];

#[test]
fn the_table_names_every_crate_and_every_crate_exists() {
    let named: BTreeSet<String> = RULES.iter().map(|rule| rule.name.to_owned()).collect();
    let found: BTreeSet<String> = children(&root().join("crates"))
        .iter()
        .filter(|path| path.is_dir())
        .map(|path| file_name(path))
        .collect();
    assert_eq!(named, found, "left: the table of this test, right: the folders in `crates/`");
    for name in named {
        let package = &manifest(&crate_dir(&name))["package"]["name"];
        assert_eq!(package.as_str(), Some(name.as_str()), "a crate is named like its folder");
    }
}

#[test]
fn crates_use_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for rule in &RULES {
        for (name, _) in dependencies(&manifest(&crate_dir(rule.name)), true) {
            let ours = is_of_family(&name, "trainyard");
            if ours && !rule.ours.contains(&name.as_str()) {
                wrong.push(format!("{} may not use {name} of ours", rule.name));
            }
            if rule.never.iter().any(|family| is_of_family(&name, family)) {
                wrong.push(format!("{} must never use {name}", rule.name));
            }
        }
    }
    expect_none(&wrong);
}

#[test]
fn plan_is_pure() {
    let plan = crate_dir("trainyard-plan");
    let mut wrong = Vec::new();
    for (name, _) in dependencies(&manifest(&plan), false) {
        if !PLAN_MAY_USE.contains(&name.as_str()) {
            wrong.push(format!("trainyard-plan may not use {name}"));
        }
    }
    for file in rust_files(&plan.join("src")) {
        for word in impure_words(&code_of(&read(&file))) {
            wrong.push(format!("{} mentions {word}", file.display()));
        }
    }
    expect_none(&wrong);
}

#[test]
fn the_executor_has_its_threads_from_one_module() {
    let src = crate_dir("trainyard-engine").join("src");
    let files: Vec<PathBuf> = EXECUTOR
        .iter()
        .map(|name| src.join(name))
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .collect();
    let mut wrong = Vec::new();
    for file in &files {
        for word in words_of_threads(&code_of(&read(file))) {
            wrong.push(format!("{} mentions {word}: take it from concurrency", file.display()));
        }
    }
    expect_none(&wrong);
    let uses = |file: &&PathBuf| code_of(&read(file)).contains("use crate::concurrency");
    assert!(files.iter().filter(uses).count() >= 5, "the executor's files are others now");
}

#[test]
fn the_check_of_threads_sees_every_spelling() {
    let code =
        "use std::{fmt, thread};\nuse std::sync::{Arc, mpsc};\nuse crossbeam_channel::bounded;";
    assert_eq!(words_of_threads(code), ["std::thread", "mpsc", "crossbeam_channel"]);
    assert!(words_of_threads("use crate::concurrency::Sender; let thread = 1;").is_empty());
}

#[test]
fn purity_check_sees_every_spelling() {
    let code = "use std::{fmt, thread};\nstd::fs::read(p);\nuse std::time::{Duration, Instant};";
    assert_eq!(impure_words(code), ["std::thread", "std::fs", "Instant"]);
    assert!(impure_words("use std::{fmt, str::FromStr}; let Instantaneous = 1;").is_empty());
    assert!(impure_words(&code_of("//! std::fs\n    /// std::thread\nlet a = 1;")).is_empty());
}

#[test]
fn versions_are_in_the_root_manifest_alone() {
    let mut wrong = Vec::new();
    for dir in package_dirs() {
        for (name, value) in dependencies(&manifest(&dir), true) {
            if value.get("workspace").and_then(Value::as_bool) != Some(true) {
                let place = dir.join("Cargo.toml");
                wrong.push(format!("{}: write `{name}.workspace = true`", place.display()));
            }
        }
    }
    expect_none(&wrong);
}

#[test]
fn burn_is_pinned() {
    // A model's numbers and its checkpoints depend on the exact version, also a patch release.
    let root = manifest(&root());
    let dependencies = table(&root["workspace"]["dependencies"]);
    for (name, value) in dependencies.iter().filter(|(name, _)| is_of_family(name, "burn")) {
        let version = value.as_str().or_else(|| value.get("version").and_then(Value::as_str));
        assert!(
            version.is_some_and(|version| version.starts_with('=')),
            "pin {name} with '=' in [workspace.dependencies]; it says {version:?}"
        );
    }
}

#[test]
fn every_package_takes_the_lints_of_the_workspace() {
    let wrong: Vec<String> = package_dirs()
        .iter()
        .filter(|dir| {
            let lints =
                manifest(dir).get("lints").and_then(|lints| lints.get("workspace").cloned());
            lints.and_then(|value| value.as_bool()) != Some(true)
        })
        .map(|dir| format!("{}: write `[lints] workspace = true`", dir.display()))
        .collect();
    expect_none(&wrong);
}

#[test]
fn every_source_file_begins_with_its_documentation() {
    let wrong: Vec<String> = ["crates", "tests"]
        .iter()
        .flat_map(|dir| rust_files(&root().join(dir)))
        .filter(|file| !read(file).starts_with("//!"))
        .map(|file| format!("{} does not begin with `//!`: say what it is for", file.display()))
        .collect();
    expect_none(&wrong);
}

#[test]
fn no_source_file_is_too_long() {
    let mut wrong = Vec::new();
    for rule in &RULES {
        for file in rust_files(&crate_dir(rule.name).join("src")) {
            let lines = read(&file).lines().count();
            if lines > MAX_LINES {
                wrong.push(format!("{} has {lines} lines; split it", file.display()));
            }
        }
    }
    expect_none(&wrong);
}

#[test]
fn the_rooms_and_the_pages_exist() {
    let rooms = ["crates", "shaders", "assets", "tests"];
    let pages = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
    ];
    let missing: Vec<String> = rooms
        .iter()
        .filter(|room| !root().join(room).is_dir())
        .chain(pages.iter().filter(|page| !root().join(page).is_file()))
        .map(|name| format!("{name} is missing"))
        .collect();
    expect_none(&missing);
}

#[test]
fn readme_and_ci_run_the_same_test_command() {
    for file in ["README.md", ".ci/run"] {
        assert!(
            read(&root().join(file)).lines().any(|line| line.trim() == "scripts/test.sh"),
            "{file} has no line `scripts/test.sh`"
        );
    }
}

fn crate_dir(name: &str) -> PathBuf {
    root().join("crates").join(name)
}

/// Every crate, the package of these tests, and the examples that are packages.
fn package_dirs() -> Vec<PathBuf> {
    let examples = children(&root().join("examples"));
    let crates = RULES.iter().map(|rule| crate_dir(rule.name));
    crates.chain([root().join("tests")]).chain(examples).collect()
}

fn manifest(dir: &Path) -> Table {
    let path = dir.join("Cargo.toml");
    read(&path).parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn table(value: &Value) -> &Table {
    value.as_table().unwrap_or_else(|| panic!("expected a table, found {value}"))
}

/// Everything a package depends on by name, on every system; with its tests' needs or without.
fn dependencies(manifest: &Table, with_tests: bool) -> BTreeMap<String, Value> {
    let mut kinds = vec!["dependencies", "build-dependencies"];
    if with_tests {
        kinds.push("dev-dependencies");
    }
    let targets = manifest.get("target").map(table).into_iter().flat_map(Table::values).map(table);
    std::iter::once(manifest)
        .chain(targets)
        .flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)))
        .flat_map(|list| table(list).clone())
        .collect()
}

fn is_of_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

/// A source text without its comment lines, which may speak of anything.
fn code_of(text: &str) -> String {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// What a code mentions that a pure crate must not.
fn impure_words(code: &str) -> Vec<String> {
    mentioned(code, &IMPURE_MODULES, &CLOCKS)
}

/// What a code mentions of std's threads and of channels.
fn words_of_threads(code: &str) -> Vec<String> {
    mentioned(code, &["thread"], &WAITING)
}

/// What a code mentions of some modules of std, `std::fs` also out of `std::{fmt, fs}`, and of some words.
fn mentioned(code: &str, modules: &[&str], words: &[&str]) -> Vec<String> {
    let is_part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for rest in code.split("std::").skip(1) {
        let group = rest.strip_prefix('{').and_then(|rest| rest.split('}').next());
        for item in
            group.unwrap_or(rest).split(',').take(if group.is_some() { usize::MAX } else { 1 })
        {
            let module = item.trim().split(|c| !is_part_of_word(c)).next().unwrap_or_default();
            if modules.contains(&module) {
                found.push(format!("std::{module}"));
            }
        }
    }
    let all = code.split(|c| !is_part_of_word(c));
    found.extend(all.filter(|word| words.contains(word)).map(str::to_owned));
    found
}

/// Every `.rs` file below a folder, in order of name.
fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in children(dir) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn children(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", dir.display()))
        .map(|entry| entry.expect("a folder's entry can be read").path())
        .collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("a folder's child has a name").to_string_lossy().into_owned()
}

fn expect_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
