//! Models that are written and opened again are the same, in folders and in GGUF files.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};

use trainyard_pretrained::{Element, NewModel, Pretrained, PretrainedError, Tokenizer};

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
        let model = without_tokenizer(&fixture, &folder);
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
        assert_same(&model, &back, 1e-6);
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

/// A copy of a fixture with another tokenizer, and room for as many tokens; without weights.
fn with_tokenizer(model: &Path, name: &str, to: &Path) -> (Pretrained, Tokenizer) {
    drop(without_tokenizer(model, to));
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
    std::fs::remove_file(to.join("model.safetensors")).unwrap();
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
    let fixture = fixtures().into_iter().find(|it| it.ends_with("llama")).unwrap();
    for name in ["bytes", "gpt2", "pieces"] {
        let folder = dir.path().join(name);
        let (model, before) = with_tokenizer(&fixture, name, &folder);
        let template = "{% for message in messages %}{{ message['content'] }}!{% endfor %}";
        let (chat_template, ends) = (Some(template.to_owned()), vec![1, 3, 0]);
        assert!(before.eos() != ends && before.chat_template() != Some(template), "{name}");
        let new = NewModel { chat_template, ends: ends.clone(), ..model.as_it_is() };
        let check = |path: &Path| {
            let tokenizer = Tokenizer::open(path).unwrap().unwrap();
            assert_eq!(tokenizer.chat_template(), Some(template), "{}", path.display());
            assert_eq!(tokenizer.eos(), ends, "{}", path.display());
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
    let fixture = fixtures().into_iter().find(|it| it.ends_with("llama")).unwrap();
    let (_, tokenizer) = with_tokenizer(&fixture, "bytes", dir.path());
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

#[test]
fn a_tokenizer_in_a_gguf_file_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for (name, kind) in
        [("bytes", "gpt2"), ("gpt2", "gpt2"), ("pieces", "llama"), ("words", "bert")]
    {
        let folder = dir.path().join(name);
        let (model, tokenizer) = with_tokenizer(&fixtures()[0], name, &folder);
        let file = folder.join("model.gguf");
        model.write_gguf(&file, Element::F32, &model.as_it_is(), &mut zeros(&model)).unwrap();
        assert_eq!(Pretrained::open(&file).unwrap().tokenizer.unwrap().kind, kind);
        let again = Tokenizer::open(&file).unwrap().unwrap();
        assert_eq!((again.bos(), again.eos()), (tokenizer.bos(), tokenizer.eos()), "{name}");
        assert_eq!(again.chat_template(), tokenizer.chat_template(), "{name}");
        let from = Path::new("tests/tokenizers").join(name);
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
