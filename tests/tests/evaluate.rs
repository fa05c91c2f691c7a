//! Evaluating other data than a run's own: what tokens and class numbers mean is the model's affair.
#![allow(clippy::expect_used, reason = "a test that cannot go on fails at once and says why")]

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use trainyard_tests::{
    assert_says, run_fails, run_ok, temp_dir, train, trainyard, write, write_run_file,
};

/// What `evaluate --json` says of a run or run file over a file.
fn evaluate(run: &Path, data: &Path) -> Value {
    let mut command = trainyard();
    command.args(["evaluate", "--json"]).arg(run).arg("--data").arg(data);
    // Costs are found out anew: nothing of the data may come from a cache.
    command.env("TRAINYARD_CACHE", data.with_extension("cache"));
    serde_json::from_str(&run_ok(&mut command)).expect("JSON")
}

#[test]
fn other_texts_have_the_tokens_that_were_trained() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let run = train(&file, "run", &[]);
    let own = std::fs::read_to_string(dir.path().join("input.txt")).expect("the run file's text");
    let (copy, part, odd) =
        (dir.path().join("copy.txt"), dir.path().join("part.txt"), dir.path().join("odd.txt"));
    write(&copy, &own);
    let letters = own.split_whitespace().next().expect("a word").repeat(40);
    write(&part, &letters);
    write(&odd, own.clone() + "\u{2603}");
    let whole = evaluate(&run, &copy);
    assert!(whole["tokens"].as_u64().is_some_and(|tokens| tokens > 8000), "{whole}");
    for run in [&run, &file] {
        // Few of its characters: numbered by themselves they would be other tokens.
        assert!(evaluate(run, &part)["loss"].is_f64());
        let mut command = trainyard();
        let stderr = run_fails(command.arg("evaluate").arg(run).arg("--data").arg(&odd), 2);
        assert_says(&stderr, &["odd.txt", "\u{2603}", "no token for"]);
    }
}

#[test]
fn a_model_is_used_where_there_is_no_room_to_train_it() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let run = train(&file, "run", &["model.width=128", "train.batch=32"]);
    let plan = trainyard_tests::read(&run.join("plan.json"));
    let plan: Value = serde_json::from_str(&plan).expect("JSON");
    let needs = |device: &Value| {
        let peak = device["peak_bytes"].as_object().expect("categories");
        peak.values().filter_map(Value::as_u64).sum::<u64>()
    };
    let all = plan["predicted"]["devices"].as_array().expect("devices");
    let trained = all.iter().map(needs).max().expect("a need");
    // The plan of the training, with three quarters of what it takes to train.
    let smaller = trainyard_tests::read(&run.join("run.toml"));
    let budget = |line: &str| {
        let is_budget = line.starts_with("memory = ");
        if is_budget { format!("memory = {}", trained * 3 / 4) } else { line.to_owned() }
    };
    let smaller = smaller.lines().map(budget).collect::<Vec<_>>().join("\n");
    write(&run.join("run.toml"), &smaller);
    run_ok(trainyard().arg("generate").arg(&run).args(["--tokens", "3"]));
    run_ok(trainyard().arg("evaluate").arg(&run));
    let mut resume = trainyard();
    resume.arg("resume").arg(&run).args(["--set", "train.steps=40"]);
    assert_says(&run_fails(&mut resume, 3), &["does not fit"]);
}

#[test]
fn other_tables_have_the_classes_that_were_trained() {
    let dir = temp_dir();
    let table = |name: &str, classes: &[&str], only: Option<usize>| {
        let mut text = "a,b,y\n".to_owned();
        for row in 0..70 {
            let (a, b) = (row % 7, row % 5);
            let class = usize::from(a > b);
            if only.is_none_or(|only| only == class) {
                writeln!(text, "{a},{b},{}", classes[class]).expect("a string takes everything");
            }
        }
        let path = dir.path().join(name);
        write(&path, text);
        path
    };
    table("train.csv", &["small", "large"], None);
    // Numbered by itself its one class would be what "large" is to the model.
    let small = table("small.csv", &["small", "large"], Some(0));
    let other = table("other.csv", &["small", "huge"], None);
    let file = dir.path().join("run.toml");
    write(
        &file,
        "[model]\nkind = \"mlp\"\ninputs = 2\nhidden = 8\noutputs = 2\n\
         [data]\ntable = \"train.csv\"\ntarget = \"y\"\n\
         [train]\nsteps = 300\nbatch = 14\nmicro_batches = 2\nlearning_rate = 1e-2\n\
         [[device]]\nid = \"one\"\nadapter = \"cpu\"\nthreads = 1\nmemory = \"64 MiB\"\n",
    );
    let run = train(&file, "run", &[]);
    let evaluated = evaluate(&run, &small);
    assert!(evaluated["accuracy"].as_f64().is_some_and(|share| share > 0.8), "{evaluated}");
    for run in [&run, &file] {
        let mut command = trainyard();
        let stderr = run_fails(command.arg("evaluate").arg(run).arg("--data").arg(&other), 2);
        assert_says(&stderr, &["other.csv", "huge", "data.classes"]);
    }
}
