//! A fine-tuned encoder, exported, is the encoder of the run.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

use std::path::Path;

use serde_json::Value;
use trainyard_tests::encoder_place::{BAD, EncoderPlace, GOOD};
use trainyard_tests::{assert_says, read, run_fails, run_ok, set, train, trainyard, write};

const PAIRS: &str =
    "sentences = \"pairs.csv\"\ncolumn = \"one\"\nsecond = \"other\"\nscore = \"score\"";

/// A place whose run file learns from pairs of texts.
fn of_pairs() -> EncoderPlace {
    let place = EncoderPlace::new();
    let row = |at: usize| {
        let (other, score) = if at.is_multiple_of(2) { (GOOD, 1) } else { (BAD, 0) };
        format!(
            "train{} {},{} train{},{score}\n",
            at % 24,
            GOOD[at % 4],
            other[at / 2 % 4],
            at % 24
        )
    };
    let rows: String = (0..48).map(row).collect();
    write(&place.path("pairs.csv"), format!("one,other,score\n{rows}"));
    let text = read(&place.file);
    let text = text.replace("sentences = \"train.csv\"\nlabel = \"class\"", PAIRS);
    write(&place.file, text.replace("context = 9", "context = 10"));
    place
}

fn export(run: &Path, to: &Path, arguments: &[&str]) {
    run_ok(trainyard().arg("export").arg(run).arg("-o").arg(to).args(arguments));
}

/// The loss of a run, or of a run file with what it says otherwise, over its validation data.
fn loss(of: &Path, sets: &[&str]) -> f64 {
    let mut command = trainyard();
    command.args(["evaluate", "--json"]).arg(of);
    let text = run_ok(set(&mut command, sets));
    let found: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    found["loss"].as_f64().expect("a loss")
}

/// An exported model begins where a run has ended.
fn begins_where_it_ended(place: &EncoderPlace, run: &Path, exported: &Path, sets: &[&str]) {
    let path = format!("model.path={:?}", exported.display().to_string());
    let sets = [sets, &[&path, "train.method=\"full\""]].concat();
    let (found, expected) = (loss(&place.file, &sets), loss(run, &[]));
    assert!((found - expected).abs() <= 2e-6 * expected, "{found}, not {expected}");
    assert!(
        (loss(&place.file, &sets[..sets.len() - 2]) - expected).abs() > 1e-3,
        "nothing was learned"
    );
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&read(path)).expect("JSON")
}

/// The names of weights in a file.
fn names(path: &Path) -> Vec<String> {
    let bytes = std::fs::read(path).expect("weights");
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("a length"));
    let end = 8 + usize::try_from(length).expect("a length");
    let head: Value = serde_json::from_slice(&bytes[8..end]).expect("a header");
    let all = head.as_object().expect("an object").keys();
    all.filter(|name| *name != "__metadata__").cloned().collect()
}

const TRAINED: [&str; 3] = ["train.steps=6", "data.validation_fraction=0.25", "lora.rank=2"];

#[test]
fn an_exported_folder_tells_the_classes_that_the_run_tells() {
    let place = EncoderPlace::new();
    for (name, method, pooling) in [
        ("a", "full", "first"),
        ("b", "lora", "first"),
        ("c", "full", "mean"),
        ("d", "lora", "mean"),
    ] {
        let ways = [format!("train.method=\"{method}\""), format!("model.pooling=\"{pooling}\"")];
        let sets: Vec<&str> = ways.iter().map(String::as_str).chain(TRAINED).collect();
        let run = train(&place.file, name, &sets);
        let folder = place.path(&format!("{name}-exported"));
        export(&run, &folder, &[]);
        begins_where_it_ended(&place, &run, &folder, &sets);
        let config = json(&folder.join("config.json"));
        assert_eq!(config["id2label"], serde_json::json!({ "0": "bad", "1": "good" }));
        assert_eq!(config["label2id"]["good"], 1);
        let card = read(&folder.join("README.md"));
        assert_says(&card, &["base_model: model", "pipeline_tag: text-classification"]);
        let weights = names(&folder.join("model.safetensors"));
        if pooling == "first" {
            assert_eq!(config["architectures"][0], "BertForSequenceClassification");
            assert!(weights.contains(&"bert.pooler.dense.weight".to_owned()), "{weights:?}");
            assert!(!folder.join("modules.json").exists());
            assert_says(&card, &["library_name: transformers"]);
        } else {
            assert_eq!(config["architectures"][0], "BertModel");
            assert!(
                weights.iter().all(|it| it.starts_with("em") || it.starts_with("en")),
                "{weights:?}"
            );
            let dense = folder.join("2_Dense");
            assert_eq!(json(&dense.join("config.json"))["out_features"], 2);
            assert_eq!(names(&dense.join("model.safetensors")), ["linear.bias", "linear.weight"]);
            assert_says(&card, &["library_name: sentence-transformers", "max_length=9"]);
        }
        let gguf = place.path("no.gguf");
        let said = run_fails(trainyard().arg("export").arg(&run).arg("-o").arg(&gguf), 2);
        assert_says(
            &said,
            &["no.gguf: llama.cpp has no head for classes like this one; write a folder"],
        );
    }
}

#[test]
fn an_exported_folder_finds_the_masked_tokens_that_the_run_finds() {
    let place = EncoderPlace::new();
    for method in ["full", "lora"] {
        let way = format!("train.method=\"{method}\"");
        let sets = [&["model.task=\"masked\"", &way][..], &TRAINED].concat();
        let run = train(&place.file, method, &sets);
        let folder = place.path(&format!("{method}-exported"));
        export(&run, &folder, &[]);
        begins_where_it_ended(&place, &run, &folder, &sets);
        let config = json(&folder.join("config.json"));
        assert_eq!(config["architectures"][0], "BertForMaskedLM");
        assert_eq!(config["id2label"], Value::Null);
        assert_says(&read(&folder.join("README.md")), &["pipeline_tag: fill-mask"]);
    }
}

#[test]
fn an_exported_folder_and_gguf_make_the_vectors_that_the_run_makes() {
    let place = of_pairs();
    for pooling in ["mean", "first"] {
        let way = format!("model.pooling=\"{pooling}\"");
        let run = train(&place.file, pooling, &[&[&*way][..], &TRAINED].concat());
        let folder = place.path(&format!("{pooling}-exported"));
        export(&run, &folder, &[]);
        // The files say how vectors are made.
        let text = read(&place.file).replace("pooling = \"mean\"\n", "");
        let file = place.path("bare.toml");
        write(&file, text);
        let bare = |path: &Path| {
            let path = format!("model.path={:?}", path.display().to_string());
            loss(&file, &[&[&*path][..], &TRAINED].concat())
        };
        let expected = loss(&run, &[]);
        assert!((bare(&folder) - expected).abs() <= 2e-6 * expected, "{pooling}");
        let modules = read(&folder.join("modules.json"));
        assert_says(&modules, &["sentence_transformers.models.Pooling", "1_Pooling"]);
        assert_eq!(json(&folder.join("sentence_bert_config.json"))["max_seq_length"], 10);
        let gguf = place.path(&format!("{pooling}.gguf"));
        export(&run, &gguf, &["--dtype", "f32"]);
        assert!((bare(&gguf) - expected).abs() <= 2e-6 * expected, "{pooling}");
    }
}

#[test]
fn an_adapter_of_an_encoder_has_its_head_beside() {
    let place = EncoderPlace::new();
    let sets = [&["train.method=\"lora\""][..], &TRAINED].concat();
    let adapter = |name: &str, more: &str| {
        let run = train(&place.file, name, &[&[more][..], &sets].concat());
        let folder = place.path(&format!("{name}-adapter"));
        export(&run, &folder, &["--adapter"]);
        folder
    };
    let query = "encoder.layer.0.attention.self.query";
    let first = adapter("first", "model.pooling=\"first\"");
    let config = json(&first.join("adapter_config.json"));
    assert_eq!(config["task_type"], "SEQ_CLS");
    assert_eq!(config["modules_to_save"], serde_json::json!(["classifier", "pooler"]));
    let weights = names(&first.join("adapter_model.safetensors"));
    for name in
        [&format!("bert.{query}.lora_A.weight"), "classifier.weight", "bert.pooler.dense.bias"]
    {
        assert!(weights.contains(&format!("base_model.model.{name}")), "{name}: {weights:?}");
    }
    assert_says(&read(&first.join("README.md")), &["num_labels=2", "PeftModel"]);
    let mean = adapter("mean", "model.pooling=\"mean\"");
    let config = json(&mean.join("adapter_config.json"));
    assert_eq!(config["task_type"], "FEATURE_EXTRACTION");
    let weights = names(&mean.join("adapter_model.safetensors"));
    assert!(weights.contains(&format!("base_model.model.{query}.lora_B.weight")), "{weights:?}");
    assert!(weights.iter().all(|name| name.contains(".lora_")), "{weights:?}");
    assert_eq!(names(&mean.join("2_Dense/model.safetensors")), ["linear.bias", "linear.weight"]);
    let masked = adapter("masked", "model.task=\"masked\"");
    assert_eq!(json(&masked.join("adapter_config.json"))["task_type"], Value::Null);
    assert!(!masked.join("modules.json").exists());
}
