//! Every model of the registry with every kind of data: they go together, or are refused in words.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

use std::fs;
use std::path::{Path, PathBuf};

use trainyard_config::{KeyGroup, RunConfig};
use trainyard_models::{Request, Tuning, recipes};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/hf");

/// Loads a run file that has these lines.
fn loaded(model: &str, data: &str) -> Result<(), String> {
    let recipes = recipes();
    let groups: Vec<KeyGroup> =
        recipes.iter().map(|it| it.group()).chain(trainyard_data::key_groups()).collect();
    let text = format!("[model]\n{model}\n[data]\nvalidation_fraction = 0.2\n{data}\n");
    let read = RunConfig::from_text(&text, Path::new("run.toml"), &[], &groups);
    let (config, _) = read.map_err(|error| error.to_string())?;
    let recipe = recipes.iter().find(|it| it.group().kind == config.model.kind).unwrap();
    let (model, data, tuning) = (&config.model, &config.data, Tuning::Full);
    let request = Request { model, data, vocabulary: None, tuning };
    recipe.load(&request).map(|_| ()).map_err(|error| error.to_string())
}

/// A folder with a file of each kind of data, and tokenizers.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
        let pieces = |letters: std::ops::RangeInclusive<char>| {
            let pieces = letters.flat_map(|it| [it.to_string(), format!("##{it}")]);
            special.iter().cloned().chain(pieces).collect::<Vec<_>>().join("\n")
        };
        // As many tokens as the encoder knows, and more.
        fs::create_dir(folder.path().join("known")).unwrap();
        fs::create_dir(folder.path().join("more")).unwrap();
        write("known/vocab.txt", pieces('a'..='p'));
        write("more/vocab.txt", pieces('a'..='z'));
        write("text.txt", "a bad cab had a deaf bead\n".repeat(40));
        let rows = |row: &dyn Fn(usize) -> String| (0..20).map(row).collect::<Vec<_>>().join("\n");
        let texts = rows(&|row| format!("a bad,a cab,{},{}", ["x", "y"][row % 2], row % 5));
        write("texts.csv", format!("text,other,kind,score\n{texts}\n"));
        write("chats.jsonl", rows(&|row| format!(r#"{{"prompt": "a{row}", "completion": "b"}}"#)));
        write("template.jinja", "{% for m in messages %}{{ m.content }} {% endfor %}".to_owned());
        let numbers = rows(&|row| format!("{row}.5,2.5,{}", ["x", "y"][row % 2]));
        write("numbers.csv", format!("a,b,kind\n{numbers}\n"));
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A key with a path.
    fn key(&self, key: &str, name: &str) -> String {
        format!("{key} = '{}'\n", self.path(name).display())
    }

    fn data(&self, kind: &str) -> String {
        let sentences = |more: &str| self.key("sentences", "texts.csv") + more;
        match kind {
            "text" => self.key("text", "text.txt"),
            "sentences" => sentences(""),
            "sentences with a label" => sentences("label = 'kind'"),
            "sentences with scores" => {
                sentences("second = 'other'\nscore = 'score'\nfull_score = 5")
            }
            "chat" => self.key("chat", "chats.jsonl") + &self.key("template", "template.jinja"),
            "table" => self.key("table", "numbers.csv") + "target = ['kind']",
            "rows" => "kind = 'rows'\ninputs = 2\noutputs = 2".to_owned(),
            other => unreachable!("{other}"),
        }
    }
}

const TEXTS: [&str; 5] =
    ["text", "sentences", "sentences with a label", "sentences with scores", "chat"];
const NUMBERS: [&str; 2] = ["table", "rows"];

#[test]
fn models_and_data_go_together_or_are_refused() {
    let files = Files::new();
    let tokenizer = files.key("tokenizer", "known");
    let hf = |name: &str| format!("kind = 'hf'\npath = '{FIXTURES}/{name}'\ncontext = 12");
    let gpt = "kind = 'gpt'\nlayers = 1\nheads = 1\nwidth = 8\ncontext = 12";
    let decoders = "teaches encoders (BERT, RoBERTa, DistilBERT)";
    let of_decoder = |data: &str| match data {
        "text" | "chat" => None,
        data if data.starts_with("sentences") => Some(decoders),
        _ => Some("learns from a text"),
    };
    for data in TEXTS.into_iter().chain(NUMBERS) {
        let of_encoder = match data {
            "chat" => Some("[data] chat teaches decoders"),
            data if NUMBERS.contains(&data) => Some("learns from a text"),
            _ => None,
        };
        let of_mlp = (!NUMBERS.contains(&data)).then_some("learns from rows of numbers");
        let own = if NUMBERS.contains(&data) { "" } else { tokenizer.as_str() };
        for (model, own, refusal) in [
            (gpt.to_owned(), own, of_decoder(data)),
            (hf("llama"), "", of_decoder(data)),
            (hf("bert"), own, of_encoder),
            ("kind = 'mlp'\ninputs = 2\noutputs = 2".to_owned(), own, of_mlp),
        ] {
            let found = loaded(&model, &(files.data(data) + "\n" + own));
            match (refusal, &found) {
                (None, Ok(())) => {}
                (Some(words), Err(error)) if error.contains(words) => {}
                _ => panic!("{model}\nwith {data}: {found:?}, expected {refusal:?}"),
            }
        }
    }
    let labelled = files.data("sentences with a label");
    let error = loaded(&hf("llama"), &labelled).unwrap_err();
    assert!(error.contains("llama is a decoder (Llama): write the texts as chats"), "{error}");
}

#[test]
fn a_tokenizer_of_the_data_is_used_where_the_model_has_none_and_else_refused() {
    let files = Files::new();
    let hf = |name: &str| format!("kind = 'hf'\npath = '{FIXTURES}/{name}'\ncontext = 12");
    let text = |tokenizer: &str| files.data("text") + tokenizer;
    let error = loaded(&hf("bert"), &text("")).unwrap_err();
    assert!(error.contains("no tokenizer; name with data.tokenizer a model's folder"), "{error}");
    let error = loaded(&hf("bert"), &text(&files.key("tokenizer", "more"))).unwrap_err();
    assert!(error.contains("one of at most 37 tokens, which"), "{error}");
    let own = format!("tokenizer = '{FIXTURES}/llama'\n");
    loaded(&hf("llama"), &text(&own)).unwrap();
    let error = loaded(&hf("llama"), &text(&files.key("tokenizer", "known"))).unwrap_err();
    assert!(error.contains("left out: ") && error.contains("a tokenizer of its own"), "{error}");
}
