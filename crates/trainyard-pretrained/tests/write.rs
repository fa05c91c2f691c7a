//! Models that are written and opened again are the same, in folders and in GGUF files.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use trainyard_pretrained::{Element, Pretrained, PretrainedError, Tokenizer};

/// Checkpoints with weights by chance, one of each architecture of decoders.
fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new("../trainyard-models/tests/fixtures/hf");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    all.sort();
    assert!(all.len() >= 9, "{all:?}");
    all
}

/// A copy of a fixture without its tokenizer, whose tokens are characters: llama.cpp has none like it.
fn without_tokenizer(model: &Path, to: &Path) -> Pretrained {
    std::fs::create_dir_all(to).unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(model.join(name), to.join(name)).unwrap();
    }
    Pretrained::open(to).unwrap()
}

/// The same with other options in its config.
fn changed(folder: &Path, changes: &Value) -> Pretrained {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    std::fs::write(&path, config.to_string()).unwrap();
    Pretrained::open(folder).unwrap()
}

/// Why no GGUF file is written of a model.
fn refusal(model: &Pretrained) -> String {
    let file = model.path.join("refused.gguf");
    let mut reads = 0;
    let mut values = |name: &str| {
        reads += 1;
        model.values(name)
    };
    let refused = model.write_gguf(&file, Element::F32, &model.as_it_is(), &mut values);
    assert!(reads == 0 && !file.exists());
    refused.unwrap_err().to_string()
}

/// What Gemma's checkpoints have otherwise than a GGUF file can say: the words, and what is usual instead.
fn unusual(kind: &str) -> Option<(&'static str, Value)> {
    let sliding = "sliding_attention";
    match kind {
        "gemma2" => Some((
            "a GGUF file cannot say that query_pre_attn_scalar is 7: its readers take 10",
            json!({ "query_pre_attn_scalar": 10 }),
        )),
        "gemma3_text" => Some((
            "a GGUF file cannot say that rope_local_base_freq is 100 in block 0: its readers take 10000",
            json!({
                "query_pre_attn_scalar": 10,
                "layer_types": vec![sliding; 3],
                "rope_parameters": {
                    "full_attention": { "factor": 4.0, "rope_theta": 1000.0, "rope_type": "linear" },
                    "sliding_attention": { "rope_type": "default", "rope_theta": 1e4 }
                }
            }),
        )),
        _ => None,
    }
}

fn as_is(model: &Pretrained) -> impl FnMut(&str) -> Result<Vec<f32>, PretrainedError> + '_ {
    |name| model.values(name)
}

/// Whether two models have the same weights to within an error, relative to the largest number of each.
fn assert_same(one: &Pretrained, other: &Pretrained, error: f32) {
    for weight in one.layout() {
        let (one, other) = (one.values(&weight.name).unwrap(), other.values(&weight.name).unwrap());
        let greatest = one.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
        assert_eq!(one.len(), other.len(), "{}", weight.name);
        for (one, other) in one.iter().zip(&other) {
            let name = &weight.name;
            assert!((one - other).abs() <= error * greatest, "{name}: {one} and {other}");
        }
    }
}

#[test]
fn a_folder_that_was_written_has_the_same_model() {
    let dir = tempfile::tempdir().unwrap();
    for model in fixtures() {
        let model = Pretrained::open(&model).unwrap();
        for (element, error) in [(Element::F32, 0.0), (Element::F16, 1e-3), (Element::BF16, 8e-3)] {
            let to = dir.path().join(model.name.replace('/', "-")).join(element.name());
            std::fs::create_dir_all(&to).unwrap();
            model.write_folder(&to, element, &model.as_it_is(), &mut as_is(&model)).unwrap();
            let written = Pretrained::open(&to).unwrap();
            assert!(written.problems.is_empty(), "{:?}", written.problems);
            let config = trainyard_pretrained::ModelConfig { element, ..model.config.clone() };
            assert_eq!(written.config, config);
            assert_eq!(written.tokenizer, model.tokenizer);
            assert_same(&model, &written, error);
        }
    }
}

#[test]
fn a_gguf_file_that_was_written_has_the_same_model() {
    let dir = tempfile::tempdir().unwrap();
    for (number, fixture) in fixtures().into_iter().enumerate() {
        let folder = dir.path().join(number.to_string());
        let mut model = without_tokenizer(&fixture, &folder);
        if let Some((words, usual)) = unusual(model.config.architecture.model_type()) {
            let refused = refusal(&model);
            assert!(refused.contains(words), "{refused}");
            model = changed(&folder, &usual);
        }
        let file = folder.join("model.gguf");
        let written = model.write_gguf(&file, Element::F32, &model.as_it_is(), &mut as_is(&model));
        let has_window = model.config.window.is_some();
        let has_none = match model.config.architecture.model_type() {
            // Positions see all others there.
            "mistral" => has_window,
            kind => ["roberta", "distilbert"].contains(&kind),
        };
        if has_none {
            let refused = written.unwrap_err().to_string();
            assert!(refused.contains("llama.cpp has no such model"), "{refused}");
            continue;
        }
        written.unwrap();
        let again = Pretrained::open(&file).unwrap();
        assert!(again.problems.is_empty(), "{:?}", again.problems);
        assert_same(&model, &again, 1e-6);
        let (one, other) = (&model.config, &again.config);
        assert_eq!(one.width, other.width);
        assert_eq!((one.heads, one.key_value_heads), (other.heads, other.key_value_heads));
        assert_eq!((one.head_width, one.blocks), (other.head_width, other.blocks));
        assert_eq!((one.tied, one.biases), (other.tied, other.biases));
        assert!((one.epsilon - other.epsilon).abs() < 1e-9);
        assert_eq!(one.logit_cap.is_some(), other.logit_cap.is_some());
        let windows = |it: &Pretrained| -> Vec<Option<u64>> {
            (0..it.config.blocks).map(|block| it.config.window_of(block)).collect()
        };
        assert_eq!(windows(&model), windows(&again));
        // And as a folder again.
        let back = folder.join("back");
        std::fs::create_dir_all(&back).unwrap();
        let written =
            again.write_folder(&back, Element::F32, &again.as_it_is(), &mut as_is(&again));
        if fixture.ends_with("llama3") {
            // Its factors are those of no published model.
            let refused = written.unwrap_err().to_string();
            assert!(refused.contains("write a GGUF file instead"), "{refused}");
            continue;
        }
        written.unwrap();
        let back = Pretrained::open(&back).unwrap();
        assert_eq!(back.config.activation, one.activation);
        assert_eq!(back.config.biases, one.biases);
        assert_eq!(back.config.tied, one.tied);
        assert_eq!(windows(&model), windows(&back));
        assert_same(&model, &back, 1e-6);
    }
}

#[test]
fn what_readers_of_a_gguf_file_would_take_otherwise_is_refused_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = Path::new("../trainyard-models/tests/fixtures/hf");
    let (full, sliding) = ("full_attention", "sliding_attention");
    let windowed = json!({
        "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 1, "layer_types": null
    });
    let uncapped = json!({ "query_pre_attn_scalar": 10, "attn_logit_softcapping": null });
    let (_, mut listed) = unusual("gemma3_text").unwrap();
    listed["layer_types"] = json!([sliding, full, sliding]);
    for (fixture, changes, words) in [
        ("qwen2", windowed.clone(), "that sliding_window is 8 in block 1: its readers take none"),
        ("qwen3", windowed.clone(), "that sliding_window is 8 in block 1: its readers take none"),
        (
            "gemma2",
            json!({ "layer_types": [full, sliding] }),
            "layer_types is full_attention in block 0",
        ),
        ("gemma2", json!({ "query_pre_attn_scalar": 64 }), "query_pre_attn_scalar is 64"),
        ("gemma2", uncapped, "attn_logit_softcapping is none: its readers take 50"),
        ("gemma3", json!({ "query_pre_attn_scalar": 10 }), "rope_local_base_freq is 100"),
        ("gemma3", listed, "layer_types is full_attention in block 1"),
        ("gpt2", json!({ "activation_function": "gelu" }), "hidden_act is Gelu"),
        ("gpt_neox", json!({ "hidden_act": "gelu_new" }), "hidden_act is GeluTanh"),
    ] {
        let folder = dir.path().join(fixture);
        drop(without_tokenizer(&fixtures.join(fixture), &folder));
        let refused = refusal(&changed(&folder, &changes));
        assert!(refused.contains(words) && refused.contains("write a folder"), "{refused}");
    }
    // A window that no context reaches beyond is none.
    let folder = dir.path().join("wide");
    drop(without_tokenizer(&fixtures.join("qwen2"), &folder));
    let mut wide = windowed;
    wide["sliding_window"] = json!(96);
    let model = changed(&folder, &wide);
    let file = folder.join("model.gguf");
    model.write_gguf(&file, Element::F32, &model.as_it_is(), &mut as_is(&model)).unwrap();
    assert!(Pretrained::open(&file).unwrap().problems.is_empty());
}

/// `transformers` 5.24, run on files of such models: other logits, or an error.
#[test]
fn what_transformers_makes_of_a_gguf_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = Path::new("../trainyard-models/tests/fixtures/hf");
    let of = |fixture: &str, changes: Value| {
        let folder = dir.path().join(fixture);
        drop(without_tokenizer(&fixtures.join(fixture), &folder));
        changed(&folder, &changes).gguf_in_transformers()
    };
    let linear = json!({ "rope_type": "linear", "factor": 2.0, "rope_theta": 1e4 });
    let plain = json!({ "rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 1.0 });
    let mut half = json!({ "sliding_window": null, "rope_parameters": plain });
    half["rope_parameters"]["partial_rotary_factor"] = 0.5.into();
    let of_llama = json!({ "rope_parameters": linear, "attention_bias": true, "mlp_bias": true });
    let small = json!({ "head_dim": 12 });
    let usual = json!({
        "query_pre_attn_scalar": 256, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0
    });
    for (fixture, changes, words) in [
        ("llama3", json!({}), "leaves out of it: rope_scaling (rope_freqs.weight)"),
        ("llama", of_llama, "leaves out of it: rope_scaling, attention_bias, mlp_bias"),
        ("phi3", half, "partial_rotary_factor"),
        ("phi3", json!({ "sliding_window": 8 }), "sliding_window"),
        ("gemma3", json!({}), "query_pre_attn_scalar"),
        ("gpt_neox", json!({}), "cannot open it: it reads no GGUF files of GPT-NeoX"),
        ("bert", json!({}), "it reads no GGUF files of BERT"),
        ("qwen3", small, "cannot open it: head_dim is 12, and it takes 128"),
        ("gpt2", json!({}), "cannot open it: n_positions is 96, and it takes 1024"),
        ("gpt2", json!({ "n_positions": 1024 }), "n_inner is 30, and it takes 84"),
    ] {
        let told = of(fixture, changes).unwrap();
        assert!(told.contains(words), "{fixture}: {told}");
    }
    let unscaled = json!({ "rope_parameters": plain, "rope_scaling": null });
    let mut whole = unscaled.clone();
    whole["attention_bias"] = false.into();
    for (fixture, changes) in [
        ("llama", whole),
        ("qwen2", unscaled.clone()),
        ("phi3", json!({ "rope_parameters": plain, "sliding_window": null })),
        ("gemma2", usual),
        ("gpt2", json!({ "n_positions": 1024, "n_inner": null })),
    ] {
        assert_eq!(of(fixture, changes), None, "{fixture}");
    }
}

#[test]
fn a_gguf_file_in_blocks_is_close() {
    let dir = tempfile::tempdir().unwrap();
    let model = without_tokenizer(&fixtures()[0], &dir.path().join("model"));
    let file = dir.path().join("model.gguf");
    model.write_gguf(&file, Element::Q8_0, &model.as_it_is(), &mut as_is(&model)).unwrap();
    assert_same(&model, &Pretrained::open(&file).unwrap(), 8e-3);
}

#[test]
fn a_tokenizer_in_a_gguf_file_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for (name, kind) in
        [("bytes", "gpt2"), ("gpt2", "gpt2"), ("pieces", "llama"), ("words", "bert")]
    {
        let folder = dir.path().join(name);
        drop(without_tokenizer(&fixtures()[0], &folder));
        let from = Path::new("tests/tokenizers").join(name);
        for entry in std::fs::read_dir(&from).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap();
            if !["expected.json", "scores.json", "config.json"].contains(&file.to_str().unwrap()) {
                std::fs::copy(&path, folder.join(file)).unwrap();
            }
        }
        let tokenizer = Tokenizer::open(&folder).unwrap().unwrap();
        // A model with as many tokens; its weights are asked for by their shapes alone.
        let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
        let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
        config["vocab_size"] = (tokenizer.size() + 3).into();
        std::fs::remove_file(folder.join("model.safetensors")).unwrap();
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
        let model = Pretrained::open(&folder).unwrap();
        let file = folder.join("model.gguf");
        let layout = model.layout();
        let mut zeros = |name: &str| {
            let weight = layout.iter().find(|weight| weight.name == name).unwrap();
            Ok::<_, PretrainedError>(vec![0.0; weight.shape.iter().product::<u64>() as usize])
        };
        model.write_gguf(&file, Element::F32, &model.as_it_is(), &mut zeros).unwrap();
        assert_eq!(Pretrained::open(&file).unwrap().tokenizer.unwrap().kind, kind);
        let again = Tokenizer::open(&file).unwrap().unwrap();
        assert_eq!((again.bos(), again.eos()), (tokenizer.bos(), tokenizer.eos()), "{name}");
        let expected = std::fs::read_to_string(from.join("expected.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
        for text in expected["texts"].as_array().unwrap() {
            let text = text["text"].as_str().unwrap();
            assert_eq!(
                again.encode(text, false),
                tokenizer.encode(text, false),
                "{name}: {text:?}"
            );
            assert_eq!(again.encode(text, true), tokenizer.encode(text, true), "{name}: {text:?}");
        }
    }
}

#[test]
fn numbers_that_are_missing_end_the_writing() {
    let dir = tempfile::tempdir().unwrap();
    let model = without_tokenizer(&fixtures()[0], &dir.path().join("model"));
    let mut none = |name: &str| model.values(&format!("{name}.not"));
    let error =
        model.write_folder(dir.path(), Element::F32, &model.as_it_is(), &mut none).unwrap_err();
    assert!(error.to_string().contains(".not"), "{error}");
    let error = model
        .write_folder(dir.path(), Element::Q8_0, &model.as_it_is(), &mut as_is(&model))
        .unwrap_err();
    assert!(error.to_string().contains("safetensors do not store q8_0"), "{error}");
}
