//! What a trained model writes: prompts, how tokens are chosen, several texts at once, and the memory for it.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use trainyard_tests::{
    NO_LOCK, assert_says, run_fails, run_ok, temp_dir, train, trainyard, write, write_run_file,
};

fn command(run: &Path, arguments: &[&str]) -> Command {
    let mut command = trainyard();
    command.arg("generate").arg(run).args(arguments);
    command
}

fn generate(run: &Path, arguments: &[&str]) -> String {
    run_ok(&mut command(run, arguments))
}

fn json(run: &Path, arguments: &[&str]) -> Value {
    let text = generate(run, &[arguments, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Texts of several prompts are those of each alone, whatever is written beside them.
#[test]
fn several_prompts_are_written_at_once_and_shown_one_after_the_other() {
    let dir = temp_dir();
    let run = train(&write_run_file(dir.path()), "run", &["train.steps=8"]);
    let file = dir.path().join("prompt.txt");
    write(&file, "no track\n");
    let file = file.display().to_string();
    let common = ["--tokens", "40", "--temperature", "0"];
    let prompts =
        ["--prompt", "the train", "--prompt", "is", "--prompt", "t", "--prompt-file", &file];
    let of_one = |prompt: &str| generate(&run, &[&common[..], &["--prompt", prompt]].concat());
    let all = generate(&run, &[&common[..], &prompts].concat());
    let texts = ["the train", "is", "t", "no track"].into_iter().enumerate();
    let expected: Vec<String> = texts
        .map(|(number, prompt)| format!("── prompt {} of 4 ──\n{}", number + 1, of_one(prompt)))
        .collect();
    assert_eq!(all, expected.join("\n"));
    // Each has its own chance.
    let same = json(&run, &["--prompt", "t", "--prompt", "t", "--temperature", "1.5"]);
    assert_ne!(same[0], same[1]);
    let one_alone = json(&run, &["--prompt", "t", "--temperature", "1.5"]);
    assert_eq!(same[0], one_alone);
}

#[test]
fn json_has_what_was_added() {
    let dir = temp_dir();
    let run = train(&write_run_file(dir.path()), "run", &["train.steps=8"]);
    let arguments = ["--prompt", "the train", "--tokens", "30", "--seed", "3"];
    let text = generate(&run, &arguments);
    let one = json(&run, &arguments);
    assert_eq!(format!("the train{}\n", one["text"].as_str().unwrap_or_default()), text);
    assert_eq!(one["tokens"].as_array().map(Vec::len), Some(30));
    let several = json(&run, &[&arguments[..], &["--prompt", "is"]].concat());
    assert_eq!(several.as_array().map(Vec::len), Some(2));
    assert_eq!(several[0], one);
    let none = json(&run, &["--prompt", "t", "--tokens", "0"]);
    assert_eq!(none, serde_json::json!({ "text": "", "tokens": [] }));
}

#[test]
fn filters_choose_among_the_likeliest() {
    let dir = temp_dir();
    let run = train(&write_run_file(dir.path()), "run", &["train.steps=8"]);
    let write = |arguments: &[&str]| {
        generate(&run, &[&["--prompt", "the train", "--tokens", "50"], arguments].concat())
    };
    let likeliest = write(&["--temperature", "0"]);
    for only_one in [["--top-k", "1"], ["--top-p", "0"], ["--min-p", "1"]] {
        assert_eq!(
            write(&[&only_one[..], &["--temperature", "3"]].concat()),
            likeliest,
            "{only_one:?}"
        );
    }
    // What filters nothing changes nothing.
    let free = write(&["--seed", "5"]);
    let all = ["--top-k", "0", "--top-p", "1", "--min-p", "0", "--repetition-penalty", "1"];
    assert_eq!(write(&[&["--seed", "5"], &all[..]].concat()), free);
    // So large a penalty that each character of a short text comes once.
    let penalty = ["--temperature", "0", "--repetition-penalty", "1e6", "--tokens", "6"];
    let text = generate(&run, &[&["--prompt", "t"][..], &penalty].concat());
    let mut characters: Vec<char> = text.trim_end_matches('\n').chars().collect();
    characters.sort_unstable();
    let count = characters.len();
    characters.dedup();
    assert_eq!(characters.len(), count, "{text:?}");
}

#[test]
fn a_smaller_context_sees_less_and_a_larger_one_is_refused() {
    let dir = temp_dir();
    let run = train(&write_run_file(dir.path()), "run", &["train.steps=8"]);
    let write = |prompt: &str, context: &str| {
        json(
            &run,
            &["--prompt", prompt, "--context", context, "--tokens", "20", "--temperature", "0"],
        )
    };
    // The model has 16 positions: of a longer text it sees the end.
    assert_eq!(write("the train leaves when", "16"), write("rain leaves when", "16"));
    assert_eq!(write("the train", "1"), write("n", "1"));
    for (context, must) in [("17", "from 1 to 16"), ("0", "from 1 to 16")] {
        let stderr = run_fails(&mut command(&run, &["--context", context]), 2);
        assert_says(&stderr, &[&format!("--context is {context}"), must]);
    }
    for (option, value) in [("--top-p", "1.5"), ("--min-p", "-1"), ("--repetition-penalty", "0")] {
        let stderr = run_fails(&mut command(&run, &[option, value]), 2);
        assert_says(&stderr, &[&format!("{option} is {value}"), "must be"]);
    }
}

#[test]
fn what_is_kept_of_texts_has_to_fit_too() {
    let dir = temp_dir();
    let run = train(&write_run_file(dir.path()), "run", &[]);
    let write = |kibibytes: u64, context: &str| {
        let device = format!(r#"device=[{{id="solo",adapter="cpu",memory="{kibibytes} KiB"}}]"#);
        let sets = ["--set", &device, "--set", NO_LOCK];
        command(
            &run,
            &[&["--prompt", "t", "--tokens", "3", "--context", context], &sets[..]].concat(),
        )
    };
    let fits = |kibibytes: u64| {
        let output = write(kibibytes, "1").output().unwrap_or_else(|error| panic!("{error}"));
        output.status.code() == Some(0)
    };
    // The least memory with which one position is kept.
    let (mut too_small, mut enough) = (1, 64 << 10);
    assert!(!fits(too_small) && fits(enough));
    while enough - too_small > 1 {
        let middle = u64::midpoint(enough, too_small);
        *if fits(middle) { &mut enough } else { &mut too_small } = middle;
    }
    let stderr = run_fails(&mut write(enough, "16"), 3);
    let words =
        ["it does not fit", "solo", "short by", "one text of 16 tokens", "a smaller --context"];
    assert_says(&stderr, &words);
    run_ok(&mut write(enough + 32, "16"));
}
