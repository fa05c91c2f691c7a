//! Encoders over two devices: classes of texts, pairs of texts, masked tokens, what is shown of them, and what they
//! refuse.
#![allow(clippy::expect_used, reason = "a test that cannot go on fails at once and says why")]

use std::path::Path;

use serde_json::Value;
use trainyard_tests::encoder_place::{BAD, EncoderPlace, GOOD};
use trainyard_tests::{assert_says, losses, root, run_fails, run_ok, set, train, trainyard, write};

fn evaluate(run: &Path, data: Option<&Path>) -> Value {
    let mut command = trainyard();
    command.args(["evaluate", "--json"]).arg(run);
    if let Some(data) = data {
        command.arg("--data").arg(data);
    }
    serde_json::from_str(&run_ok(&mut command)).expect("JSON")
}

fn preview(file: &Path, sets: &[&str]) -> Value {
    let mut command = trainyard();
    command.args(["preview", "--json", "--samples", "8"]).arg(file);
    serde_json::from_str(&run_ok(set(&mut command, sets))).expect("JSON")
}

#[test]
fn classes_of_texts_are_learned_on_two_devices_as_on_one() {
    let place = EncoderPlace::new();
    let two = train(&place.file, "two", &["pipeline.split=[2, 2]"]);
    let test = evaluate(&two, Some(&place.path("test.csv")));
    assert!(test["accuracy"].as_f64() > Some(0.9), "{test}");
    assert_eq!(test["rows"], 48);
    let one = train(&place.file, "one", &["pipeline.split=[4, 0]"]);
    assert_eq!(losses(&one), losses(&two));
    let shown = preview(&place.file, &[]);
    let sample = &shown["samples"][0];
    assert_says(sample["text"].as_str().expect("a text"), &["[CLS]", "train", "[SEP]"]);
    assert!(["good", "bad"].contains(&sample["target"].as_str().expect("a class")), "{sample}");
    // What has no text to go on with writes none.
    for model in [&two, &place.path("model")] {
        for how in [&["--prompt", "a"][..], &["--chat"]] {
            let said = run_fails(trainyard().arg("generate").arg(model).args(how), 2);
            assert_says(&said, &["is BERT, an encoder, which writes no text"]);
        }
    }
}

#[test]
fn masked_tokens_are_learned_from_tables_and_from_texts() {
    let place = EncoderPlace::new();
    let bare = ["model.task=\"masked\"", "data.validation_fraction=0.25"];
    let run = train(&place.file, "masked", &bare);
    let found = evaluate(&run, None);
    assert!(found["perplexity"].as_f64() > Some(1.0), "{found}");
    // A seventh of some fifty tokens that are not special.
    assert!((1..20).contains(&found["tokens"].as_u64().expect("a number")), "{found}");
    let text = format!("{} {} {}\n", GOOD[0], BAD[1], GOOD[2]).repeat(60);
    write(&place.path("words.txt"), text);
    let masked = std::fs::read_to_string(&place.file).expect("the run file");
    let masked =
        masked.replace("sentences = \"train.csv\"\nlabel = \"class\"", "text = \"words.txt\"");
    let file = place.path("words.toml");
    write(&file, masked);
    let run = train(&file, "words", &["train.steps=40"]);
    let found = losses(&run);
    let loss = |step: u64| found[&step].parse::<f64>().expect("a number");
    assert!(loss(40) < loss(1) / 2.0, "{found:?}");
    let shown = preview(&file, &[]);
    let mut hidden = 0;
    for sample in shown["samples"].as_array().expect("samples") {
        let counts = sample["counts"].as_array().expect("counts");
        let counted = counts.iter().filter(|counts| **counts == true).count();
        // Of a row in which nothing is hidden there are none.
        let answers = sample["answers"].as_array().map_or(0, Vec::len);
        assert_eq!(counted, answers, "{sample}");
        hidden += counted;
    }
    assert!(hidden > 0, "{shown}");
}

#[test]
fn pairs_of_texts_become_as_alike_as_their_scores() {
    let place = EncoderPlace::new();
    let row = |row: usize| {
        let (one, other) = (
            GOOD[row % 4],
            if row.is_multiple_of(3) { BAD[row / 3 % 4] } else { GOOD[row / 4 % 4] },
        );
        format!(
            "{}\ttrain{} {one}\t{other} train{}\n",
            if row.is_multiple_of(3) { 1 } else { 5 },
            row % 24,
            row % 24
        )
    };
    let rows: String = (0..48).map(row).collect();
    write(&place.path("pairs.tsv"), format!("score\tone\tother\n{rows}"));
    let text = std::fs::read_to_string(&place.file).expect("the run file");
    let pairs = "sentences = \"pairs.tsv\"\ncolumn = \"one\"\nsecond = \"other\"\nscore = \"score\"\nfull_score = 5.0";
    let text = text.replace("sentences = \"train.csv\"\nlabel = \"class\"", pairs);
    let text = text.replace("context = 9", "context = 10");
    write(&place.file, text);
    let run = train(&place.file, "pairs", &["train.steps=40"]);
    let found = evaluate(&run, Some(&place.path("pairs.tsv")));
    assert!(found["correlation"].as_f64() > Some(0.8), "{found}");
    // Two texts as one, with a class.
    let table = (0..24).map(|at| format!("train{at}\t{}\t{}\n", GOOD[at % 4], ["a", "b"][at % 2]));
    write(&place.path("joined.tsv"), format!("one\tother\tclass\n{}", table.collect::<String>()));
    let text = std::fs::read_to_string(&place.file).expect("the run file");
    let text = text
        .replace("pairs.tsv", "joined.tsv")
        .replace("score = \"score\"\nfull_score = 5.0", "label = \"class\"");
    write(&place.file, text);
    let run = train(&place.file, "joined", &["train.steps=3"]);
    assert_eq!(losses(&run).len(), 3);
}

#[test]
fn what_does_not_go_together_is_refused_by_name() {
    let place = EncoderPlace::new();
    let refused = |sets: &[&str]| {
        let mut command = trainyard();
        command.arg("preview").arg(&place.file);
        run_fails(set(&mut command, sets), 2)
    };
    assert_says(&refused(&["model.task=\"embed\""]), &["pairs of texts with scores", "train.csv"]);
    assert_says(&refused(&["model.context=18"]), &["at most 17"]);
    assert_says(&refused(&["model.dropout=1.0"]), &["dropout", "below 1"]);
    assert_says(&refused(&["data.label=\"kind\""]), &["no column 'kind'; it has: text, class"]);
    let llama = root().join("crates/trainyard-models/tests/fixtures/hf/llama");
    let path = format!("model.path={:?}", llama.display().to_string());
    assert_says(&refused(&[&path]), &["pooling", "Llama is a decoder"]);
    // A head for five classes, where the data have two.
    let classes = root().join("crates/trainyard-models/tests/fixtures/hf/bert_classes");
    std::fs::copy(classes.join("model.safetensors"), place.path("model/model.safetensors"))
        .expect("a copy");
    assert_says(&refused(&[]), &["for 2 classes", "its own tells 5"]);
    assert_says(&refused(&["model.task=\"masked\""]), &["cls.predictions", "is missing"]);
}

#[test]
fn the_columns_of_a_table_are_listed() {
    let place = EncoderPlace::new();
    let mut command = trainyard();
    command.args(["columns", "--json"]).arg(place.path("train.csv"));
    let listed: Value = serde_json::from_str(&run_ok(&mut command)).expect("JSON");
    assert_eq!(listed["format"], "trainyard-columns");
    assert_eq!(listed["columns"][1]["name"], "class");
    assert_eq!(listed["columns"][1]["cells"], serde_json::json!(["good", "bad", "good"]));
    let page = run_ok(trainyard().arg("columns").arg(place.path("train.csv")));
    assert_says(&page, &["column  row 1", "text    train0 fine", "class   good"]);
    let said = run_fails(trainyard().arg("columns").arg(place.path("none.csv")), 2);
    assert_says(&said, &["none.csv"]);
}
