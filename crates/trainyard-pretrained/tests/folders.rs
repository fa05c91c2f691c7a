//! Folders in Hugging Face layout: whole, in several files, damaged, and too large to be read.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails at once and says why")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize_to_file};
use serde_json::{Value, json};
use trainyard_pretrained::{Part, Pretrained, PretrainedError, Problem, Role, Weight};

/// A Llama of two blocks, with sizes that are no powers of two.
fn config() -> Value {
    json!({
        "model_type": "llama", "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3,
        "num_key_value_heads": 1, "intermediate_size": 20, "vocab_size": 17, "hidden_act": "silu",
        "max_position_embeddings": 32, "tie_word_embeddings": true, "torch_dtype": "float16"
    })
}

/// A folder with the config alone.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config().to_string()).unwrap();
    folder
}

/// The weights that the config tells of, by name and shape.
fn expected(folder: &Path) -> Vec<(String, Vec<usize>)> {
    let model = Pretrained::open(&folder.join("config.json")).unwrap();
    assert!(!model.has_weights);
    let shape = |shape: &[u64]| shape.iter().map(|size| *size as usize).collect();
    model.weights.iter().map(|weight| (weight.name.clone(), shape(&weight.shape))).collect()
}

fn write(path: &Path, weights: &[(String, Vec<usize>)]) {
    let zeros = vec![0; 1 << 16];
    let views = weights.iter().map(|(name, shape)| {
        let bytes = 2 * shape.iter().product::<usize>();
        (name, TensorView::new(Dtype::F16, shape.clone(), &zeros[..bytes]).unwrap())
    });
    serialize_to_file(views, None, path).unwrap();
}

#[test]
fn a_whole_folder_has_no_problems() {
    let folder = folder();
    let weights = expected(folder.path());
    write(&folder.path().join("model.safetensors"), &weights);
    fs::write(folder.path().join("vocab.txt"), "a\nb\nc\n").unwrap();
    let model = Pretrained::open(folder.path()).unwrap();
    assert!(model.has_weights && model.problems.is_empty(), "{:?}", model.problems);
    // Embedding 17·12; a block 2·12·12 + 2·12·4 + 3·12·20 + 2·12; a norm.
    assert_eq!(model.parameters(), 17 * 12 + 2 * (2 * 144 + 96 + 720 + 24) + 12);
    assert_eq!(model.bytes(), 2 * model.parameters());
    assert_eq!(model.tokenizer.as_ref().unwrap().tokens, Some(3));
    assert_eq!(model.name, folder.path().file_name().unwrap().to_str().unwrap());
    let attention = model.weights.iter().filter(|weight| weight.part == Part::Block(1));
    let attention = attention.filter(|weight| weight.role == Role::Attention);
    assert_eq!(attention.map(Weight::numbers).sum::<u64>(), 2 * 144 + 96);
}

#[test]
fn weights_may_lie_in_several_files_and_each_is_where_it_is_said_to_be() {
    let folder = folder();
    let weights = expected(folder.path());
    let (first, second) = weights.split_at(7);
    let files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    write(&folder.path().join(files[0]), first);
    write(&folder.path().join(files[1]), second);
    let of = |weights: &[(String, Vec<usize>)], file: &str| {
        weights.iter().map(|(name, _)| (name.clone(), json!(file))).collect::<Vec<_>>()
    };
    let map: serde_json::Map<_, _> =
        of(first, files[0]).into_iter().chain(of(second, files[1])).collect();
    let index = folder.path().join("model.safetensors.index.json");
    fs::write(&index, json!({ "weight_map": map }).to_string()).unwrap();
    let model = Pretrained::open(folder.path()).unwrap();
    assert!(model.problems.is_empty(), "{:?}", model.problems);
    for weight in &model.weights {
        let file = folder.path().join(weight.file.as_ref().unwrap());
        assert!(weight.offset + weight.bytes <= fs::metadata(file).unwrap().len());
    }

    let outside = json!({ "weight_map": { "x": "../other.safetensors" } });
    fs::write(&index, outside.to_string()).unwrap();
    let error = Pretrained::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("'../other.safetensors', which is not a file beside it"), "{error}");
}

#[test]
fn what_is_missing_misshapen_or_unknown_is_named() {
    let folder = folder();
    let mut weights = expected(folder.path());
    let (missing, _) = weights.remove(3);
    let shape = weights[4].1.clone();
    weights[4].1[0] += 1;
    weights.push(("model.layers.2.mlp.up_proj.weight".to_owned(), vec![20, 12]));
    // A table that follows from the config is nothing to speak of.
    weights.push(("model.layers.0.self_attn.rotary_emb.inv_freq".to_owned(), vec![2]));
    write(&folder.path().join("model.safetensors"), &weights);
    let model = Pretrained::open(folder.path()).unwrap();
    let told: Vec<String> = model.problems.iter().map(Problem::to_string).collect();
    assert_eq!(
        told,
        [
            format!("{missing} is missing"),
            format!("{} is {:?}, but must be {shape:?} by the config", weights[4].0, weights[4].1),
            "model.layers.2.mlp.up_proj.weight is no weight of this model".to_owned(),
        ]
    );
}

/// A copy of the embedding for the head that shares it, as some programs write it, is no weight more; another one is
/// said to be none, and neither is a table that follows from the config.
#[test]
fn a_tied_head_is_the_embedding_or_is_named() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    let mut weights = expected(folder.path());
    let alone: u64 = weights.iter().map(|(_, shape)| shape.iter().product::<usize>() as u64).sum();
    weights.push(("lm_head.weight".to_owned(), vec![17, 12]));
    weights.push(("model.layers.0.self_attn.rotary_emb.inv_freq".to_owned(), vec![2]));
    write(&path, &weights);
    let model = Pretrained::open(folder.path()).unwrap();
    assert!(model.problems.is_empty(), "{:?}", model.problems);
    assert_eq!(model.parameters(), alone);
    drop(model);
    let bytes = fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let said: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let begins = said["lm_head.weight"]["data_offsets"][0].as_u64().unwrap() as usize;
    let mut other = bytes;
    other[8 + header + begins] = 1;
    fs::write(&path, other).unwrap();
    let told = Pretrained::open(folder.path()).unwrap().problems;
    let told: Vec<String> = told.iter().map(Problem::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("lm_head.weight has other numbers than model.embed_tokens.weight"));
    assert!(told[0].contains("tie_word_embeddings"), "{told:?}");
}

#[test]
fn a_file_cut_anywhere_is_refused_and_never_read_as_something_else() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    write(&path, &expected(folder.path()));
    let whole = fs::read(&path).unwrap();
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize + 8;
    for length in (0..header + 40).chain([whole.len() - 1]) {
        fs::write(&path, &whole[..length]).unwrap();
        let error = Pretrained::open(folder.path()).unwrap_err();
        assert!(matches!(error, PretrainedError::BadFile { .. }), "{length}: {error}");
    }
    let error = Pretrained::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("it is cut off: model."), "{error}");
}

#[test]
fn a_large_model_is_known_without_being_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
        "num_attention_heads": 32, "intermediate_size": 11008, "vocab_size": 32000,
        "max_position_embeddings": 4096, "torch_dtype": "float16"
    });
    let config_path = folder.path().join("config.json");
    fs::write(&config_path, config.to_string()).unwrap();
    let weights = Pretrained::open(&config_path).unwrap().weights;
    let mut at = 0;
    let header: serde_json::Map<String, Value> = weights
        .iter()
        .map(|weight| {
            let from = at;
            at += weight.bytes;
            let about = json!({
                "dtype": "F16", "shape": weight.shape, "data_offsets": [from, at]
            });
            (weight.name.clone(), about)
        })
        .collect();
    let header = Value::Object(header).to_string();
    let mut file = File::create(folder.path().join("model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    // 13 GB that no disk has: the file is all hole.
    file.set_len(8 + header.len() as u64 + at).unwrap();
    let model = Pretrained::open(folder.path()).unwrap();
    assert_eq!((model.parameters(), model.problems.len()), (6_738_415_616, 0));
    assert_eq!(model.bytes(), 2 * 6_738_415_616);
}

#[test]
fn what_is_no_model_is_named_for_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let told = |path: &Path| Pretrained::open(path).unwrap_err().to_string();
    assert!(told(folder.path()).contains("the folder has no config.json"));
    assert!(told(&folder.path().join("none")).contains("cannot be read"));
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    assert!(told(&file("a.safetensors", b"")).contains("weights alone do not say"));
    assert!(told(&file("a.png", b"")).contains("a file of another kind"));
    assert!(told(&file("a.gguf", b"GGML")).contains("it does not begin with GGUF"));
    assert!(told(&file("config.json", b"[1]")).contains("no object of JSON"));
    assert!(told(&file("config.json", b"{}")).contains("names no model_type"));
    assert!(told(&file("config.json", b"{")).contains("no JSON"));
}

#[test]
fn a_model_has_its_own_name_and_not_that_of_its_parent() {
    let folder = folder();
    let snapshot = folder.path().join("models--owner--small-1.5/snapshots/0123");
    fs::create_dir_all(&snapshot).unwrap();
    let path = folder.path().join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["_name_or_path"] = "owner/parent".into();
    for folder in [folder.path(), &snapshot] {
        fs::write(folder.join("config.json"), config.to_string()).unwrap();
    }
    let own = folder.path().file_name().unwrap().to_str().unwrap();
    let model = Pretrained::open(folder.path()).unwrap();
    assert_eq!((model.name.as_str(), model.name_on_hub()), (own, None));
    let model = Pretrained::open(&snapshot).unwrap();
    let on_hub = "owner/small-1.5";
    assert_eq!((model.name.as_str(), model.name_on_hub().as_deref()), (on_hub, Some(on_hub)));
}
