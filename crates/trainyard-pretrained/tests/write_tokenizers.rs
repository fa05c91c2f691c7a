//! What is new of a model's chats, and what it has no vectors for, in the folders and GGUF files that are written of it.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use trainyard_pretrained::{Element, NewModel, Pretrained, PretrainedError, Tokenizer};

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
