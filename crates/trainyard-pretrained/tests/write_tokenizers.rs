//! What is new of a model's chats, and what it has no vectors for, in the folders and GGUF files that are written of it.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use serde_json::{Value, json};
use trainyard_pretrained::{Element, NewModel, Pretrained, PretrainedError, Tokenizer};

/// A change of a tokenizer.json.
type Change<'a> = &'a dyn Fn(&mut Value);

/// A Llama with a tokenizer, and room for its tokens; without weights.
fn with_tokenizer(name: &str, to: &Path) -> (Pretrained, Tokenizer) {
    std::fs::create_dir_all(to).unwrap();
    let fixture = Path::new("../trainyard-models/tests/fixtures/hf/llama");
    std::fs::copy(fixture.join("config.json"), to.join("config.json")).unwrap();
    for entry in std::fs::read_dir(Path::new("tests/tokenizers").join(name)).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap();
        if !["expected.json", "scores.json", "config.json"].contains(&file.to_str().unwrap()) {
            std::fs::copy(&path, to.join(file)).unwrap();
        }
    }
    let tokenizer = Tokenizer::open(to).unwrap().unwrap();
    let text = std::fs::read_to_string(to.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["vocab_size"] = (tokenizer.size() + 3).into();
    std::fs::write(to.join("config.json"), config.to_string()).unwrap();
    (Pretrained::open(to).unwrap(), tokenizer)
}

/// Weights that are asked for by their shapes alone.
fn zeros(model: &Pretrained) -> impl FnMut(&str) -> Result<Vec<f32>, PretrainedError> + 'static {
    let layout = model.layout();
    move |name| {
        let weight = layout.iter().find(|weight| weight.name == name).unwrap();
        Ok(vec![0.0; weight.shape.iter().product::<u64>() as usize])
    }
}

#[test]
fn what_is_new_of_chats_is_written_with_the_tokenizer() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["bytes", "gpt2", "pieces"] {
        let folder = dir.path().join(name);
        let (model, before) = with_tokenizer(name, &folder);
        let template = "{% for message in messages %}{{ message['content'] }}!{% endfor %}";
        let (chat_template, ends) = (Some(template.to_owned()), vec![1, 3, 0]);
        assert!(before.eos() != ends && before.chat_template() != Some(template), "{name}");
        let new = NewModel { chat_template, ends: ends.clone(), ..model.as_it_is() };
        let check = |path: &Path| {
            let tokenizer = Tokenizer::open(path).unwrap().unwrap();
            assert_eq!(tokenizer.chat_template(), Some(template), "{}", path.display());
            // A GGUF file's reader also takes what ends a turn by its text.
            let (told, by_text) = tokenizer.eos().split_at(ends.len());
            assert_eq!(told, ends, "{}", path.display());
            let is_end = |end: &u32| {
                ["<|im_end|>", "<|endoftext|>", "</s>"]
                    .contains(&tokenizer.decode(&[*end], false).as_str())
            };
            assert!(by_text.iter().all(is_end), "{by_text:?} in {}", path.display());
            assert_eq!(tokenizer.encode("a train", true), before.encode("a train", true));
        };
        let file = folder.join("chats.gguf");
        model.write_gguf(&file, Element::F32, &new, &mut zeros(&model)).unwrap();
        check(&file);
        // From a folder, from a file that has others, and from one that has them.
        let plain = folder.join("plain.gguf");
        model.write_gguf(&plain, Element::F32, &model.as_it_is(), &mut zeros(&model)).unwrap();
        let [plain, file] = [plain, file].map(|path| Pretrained::open(&path).unwrap());
        let as_it_is = file.as_it_is();
        for (from, new) in [(&model, &new), (&plain, &new), (&file, &as_it_is)] {
            let to = tempfile::tempdir().unwrap();
            from.write_folder(to.path(), Element::F32, new, &mut zeros(from)).unwrap();
            check(to.path());
            let about = std::fs::read_to_string(to.path().join("tokenizer_config.json"));
            let is_in_file = to.path().join("chat_template.jinja").is_file();
            assert_eq!(about.unwrap_or_default().contains("chat_template"), !is_in_file, "{name}");
        }
        // And beside an adapter, but where nothing is new.
        for (new, is_new) in [(&new, true), (&model.as_it_is(), false)] {
            let to = tempfile::tempdir().unwrap();
            model.write_modules(to.path(), new, &mut zeros(&model)).unwrap();
            assert_eq!(std::fs::read_dir(to.path()).unwrap().next().is_some(), is_new);
            if is_new {
                check(to.path());
            }
        }
    }
}

#[test]
fn tokens_that_were_added_beyond_the_model_are_left_out_of_a_gguf_file() {
    let dir = tempfile::tempdir().unwrap();
    let (_, tokenizer) = with_tokenizer("bytes", dir.path());
    let change = |name: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let path = dir.path().join(name);
        let mut json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        change(&mut json);
        std::fs::write(path, json.to_string()).unwrap();
    };
    let size = tokenizer.size();
    change("config.json", &|config| config["vocab_size"] = size.into());
    change("tokenizer.json", &|json| {
        let mut image = json["added_tokens"][0].clone();
        (image["id"], image["content"]) = (size.into(), "<image>".into());
        json["added_tokens"].as_array_mut().unwrap().push(image);
    });
    assert_eq!(Tokenizer::open(dir.path()).unwrap().unwrap().size(), size + 1);
    let model = Pretrained::open(dir.path()).unwrap();
    let file = dir.path().join("model.gguf");
    model.write_gguf(&file, Element::F32, &model.as_it_is(), &mut zeros(&model)).unwrap();
    let written = Tokenizer::open(&file).unwrap().unwrap();
    assert_eq!((written.size(), written.token("<image>")), (size, None));
    assert_eq!(
        written.encode("a train<|im_end|>", true),
        tokenizer.encode("a train<|im_end|>", true)
    );
}

/// What is written of a tokenizer with other parts in its `tokenizer.json`: the file, or why there is none.
fn written(name: &str, change: &dyn Fn(&mut Value), more: &Value) -> Result<Written, String> {
    let dir = tempfile::tempdir().unwrap();
    drop(with_tokenizer(name, dir.path()));
    let edit = |file: &str, change: &dyn Fn(&mut Value)| {
        let path = dir.path().join(file);
        let mut json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        change(&mut json);
        std::fs::write(path, json.to_string()).unwrap();
    };
    if !dir.path().join("tokenizer.json").is_file() {
        let json = Tokenizer::open(dir.path()).unwrap().unwrap().to_json().unwrap();
        std::fs::write(dir.path().join("tokenizer.json"), json).unwrap();
    }
    edit("tokenizer.json", change);
    edit("config.json", &|config| {
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    });
    let tokenizer = Tokenizer::open(dir.path()).unwrap().unwrap();
    let model = Pretrained::open(dir.path()).unwrap();
    let file = dir.path().join("model.gguf");
    let written = model.write_gguf(&file, Element::F32, &model.as_it_is(), &mut zeros(&model));
    written.map_err(|error| error.to_string())?;
    let name = Pretrained::open(&file).unwrap().name;
    Ok(Written { tokenizer, of_file: Tokenizer::open(&file).unwrap().unwrap(), name })
}

struct Written {
    tokenizer: Tokenizer,
    of_file: Tokenizer,
    name: String,
}

impl Written {
    fn assert_same(&self) {
        let texts =
            ["a train", " a  train\n", "Cafe\u{301} <|im_end|> \n on</s>  a <s> b", "x<|im_end|>y"];
        for text in texts {
            let [one, other] = [&self.tokenizer, &self.of_file].map(|it| it.encode(text, true));
            assert_eq!(one, other, "{text:?}");
        }
    }
}

#[test]
fn what_readers_of_a_gguf_file_do_not_do_to_texts_is_refused_by_its_name() {
    let spaces = || json!({ "type": "Replace", "pattern": { "String": " " }, "content": "▁" });
    let space = |scheme: &str, split: bool| json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split });
    let cuts = json!({
        "type": "Split", "pattern": { "String": " " }, "behavior": "MergedWithPrevious", "invert": false
    });
    let normalizer = |it: Value| move |json: &mut Value| json["normalizer"] = it.clone();
    let of_bert = |key: &'static str, value: bool| {
        move |json: &mut Value| json["normalizer"][key] = value.into()
    };
    let pre = |normalizer: Value, pre: Value| {
        move |json: &mut Value| {
            (json["normalizer"], json["pre_tokenizer"]) = (normalizer.clone(), pre.clone());
        }
    };
    let flag =
        |flag: &'static str| move |json: &mut Value| json["added_tokens"][2][flag] = true.into();
    let lower = json!({ "type": "Lowercase" });
    let nfkc = json!({ "type": "Sequence", "normalizers": [{ "type": "NFKC" }, spaces()] });
    let strip = json!({ "type": "Strip", "strip_left": true, "strip_right": true });
    let turned = json!({ "type": "Sequence", "normalizers": [
        spaces(), { "type": "Prepend", "prepend": "▁" }
    ] });
    let refused: [(&str, Change<'_>, &str); 17] = [
        (
            "bytes",
            &normalizer(lower),
            "normalizer is Lowercase, which readers of GGUF files do not",
        ),
        ("bytes", &normalizer(json!({ "type": "NFKC" })), "normalizer is NFKC"),
        ("gpt2", &normalizer(strip), "normalizer is Strip"),
        ("pieces", &normalizer(nfkc), "normalizer is NFKC"),
        ("pieces", &normalizer(Value::Null), "normalizer is one without Replace"),
        ("pieces", &normalizer(turned), "normalizer has another order"),
        ("pieces", &pre(Value::Null, space("first", false)), "prepend_scheme = \"first\""),
        ("pieces", &pre(Value::Null, space("always", true)), "prepend_scheme = \"always\""),
        ("pieces", &pre(Value::Null, cuts.clone()), "pre-tokenizer is Split"),
        ("words", &of_bert("strip_accents", false), "BertNormalizer with strip_accents = false"),
        ("words", &of_bert("handle_chinese_chars", false), "handle_chinese_chars = false"),
        ("words", &of_bert("clean_text", false), "clean_text = false"),
        ("words", &of_bert("lowercase", false), "keeps capitals"),
        ("bytes", &flag("lstrip"), "token \"<|im_end|>\" has lstrip = true"),
        ("bytes", &flag("single_word"), "has single_word = true"),
        ("pieces", &flag("rstrip"), "token \"</s>\" has rstrip = true"),
        (
            "bytes",
            &|json| json["model"]["end_of_word_suffix"] = "</w>".into(),
            "model has end_of_word_suffix = \"</w>\"",
        ),
    ];
    for (name, change, words) in refused {
        let error = written(name, change, &json!({})).map(|_| words).unwrap_err();
        assert!(error.contains(words), "{name}: {error}");
        assert!(error.contains("write a folder instead"), "{error}");
    }
    // What does the same is written.
    let accepted: [(&str, Change<'_>); 6] = [
        ("pieces", &pre(spaces(), Value::Null)),
        ("pieces", &pre(spaces(), cuts)),
        ("pieces", &pre(Value::Null, space("never", false))),
        ("words", &of_bert("strip_accents", true)),
        ("bytes", &normalizer(json!({ "type": "Sequence", "normalizers": [] }))),
        // Its marks stand apart from spaces anyway.
        ("words", &|json| json["added_tokens"][0]["lstrip"] = true.into()),
    ];
    for (name, change) in accepted {
        written(name, change, &json!({})).unwrap().assert_same();
    }
}

/// Of the same words one name goes with letters that are composed first, and one without.
#[test]
fn words_have_the_name_that_goes_with_their_letters() {
    let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    let rest = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let pattern = format!(r"{contractions}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{rest}");
    let split = json!({
        "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false
    });
    let level = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false
    });
    let composed = json!({ "type": "NFC" });
    let of_neox = |json: &mut Value| json["normalizer"] = composed.clone();
    written("bytes", &of_neox, &json!({})).unwrap().assert_same();
    for normalizer in [Value::Null, composed.clone()] {
        let change = |json: &mut Value| {
            json["normalizer"] = normalizer.clone();
            json["pre_tokenizer"] = json!({ "type": "Sequence", "pretokenizers": [split, level] });
        };
        written("bytes", &change, &json!({})).unwrap().assert_same();
    }
}

/// No file says that they take the spaces behind them: readers know it of the model.
#[test]
fn phi_3s_tokens_take_the_spaces_behind_them() {
    let phi3 = json!({ "model_type": "phi3", "pad_token_id": null, "rope_scaling": null });
    let strips = |json: &mut Value| json["added_tokens"][2]["rstrip"] = true.into();
    let both = written("pieces", &strips, &phi3).unwrap();
    both.assert_same();
    let tokens = both.of_file.encode("a</s> \n b", false);
    assert_eq!(tokens, both.of_file.encode("a</s>b", false));
    // By its name for llama.cpp.
    assert!(both.name.to_lowercase().contains("phi-3"), "{}", both.name);
    let error = written("pieces", &|_| {}, &phi3).map(|_| "").unwrap_err();
    assert!(error.contains("token \"</s>\" has rstrip = false"), "{error}");
}
