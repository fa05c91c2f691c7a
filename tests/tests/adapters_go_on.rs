//! Going on with adapters: what may change about them, and what a person is told of the rest.
#![allow(clippy::expect_used, reason = "a test that cannot go on fails at once and says why")]

use std::path::{Path, PathBuf};

use trainyard_tests::{assert_says, root, run_fails, run_ok, temp_dir, trainyard, write};

/// A run of two steps with adapters, which keeps no data for validation, and what its training said.
fn trained(dir: &Path) -> (PathBuf, String) {
    let text = dir.join("text.txt");
    write(&text, "on the track to no end a train sat and then it ran on\n".repeat(40));
    let file = dir.join("lora.toml");
    let model = root().join("crates/trainyard-models/tests/fixtures/hf/llama");
    write(
        &file,
        format!(
            "[model]\nkind = \"hf\"\npath = '{}'\ncontext = 16\n[data]\ntext = '{}'\n\
             validation_fraction = 0\n[train]\nmethod = \"lora\"\nsteps = 2\nbatch = 4\n\
             warmup = 0\nsample_tokens = 0\n[lora]\nrank = 3\n\
             [[device]]\nid = \"cpu\"\nadapter = \"cpu\"\nthreads = 1\n",
            model.display(),
            text.display(),
        ),
    );
    let run = dir.join("run");
    let set = format!("run.dir={}", run.display());
    let output = trainyard().arg("train").arg(&file).args(["--set", &set]).output();
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (run, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn other_adapters_are_refused_by_their_key_and_packed_weights_are_not() {
    let dir = temp_dir();
    let (run, said) = trained(dir.path());
    assert!(!said.contains("validation"), "{said}");
    for (set, words) in [
        ("lora.rank=8", "lora.rank is 8, but must be 3, as it was when this was saved"),
        ("lora.targets=[\"q\"]", "lora.targets is [\"q\"], but must be [\"all\"], as it was"),
        ("lora.layers=[0]", "lora.layers is [0], but must be not given, as it was"),
        ("train.method=full", "train.method is full, but must be lora, as it was"),
    ] {
        let mut command = trainyard();
        command.arg("resume").arg(&run).args(["--set", set, "--set", "train.steps=3"]);
        assert_says(&run_fails(&mut command, 2), &[words]);
    }
    let mut evaluate = trainyard();
    let refused = run_fails(evaluate.arg("evaluate").arg(&run), 2);
    assert_says(&refused, &["keeps no data for validation", "--data"]);
    // The adapters are the same, whatever the weights beside them are held in.
    let sets = ["--set", "train.method=qlora", "--set", "train.steps=3"];
    run_ok(trainyard().arg("resume").arg(&run).args(sets));
    let sets = ["--set", "train.method=lora", "--set", "train.steps=4"];
    run_ok(trainyard().arg("resume").arg(&run).args(sets));
}
