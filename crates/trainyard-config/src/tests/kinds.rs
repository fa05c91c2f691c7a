//! Sections that depend on a kind: `[model]`, `[data]`, `[optimizer]`.

use super::*;

const GPT: &str = "[model]\nkind = \"gpt\"\n";

fn gpt_message(text: &str) -> String {
    read(&format!("{GPT}{text}")).unwrap_err().to_string()
}

#[test]
fn the_options_of_a_kind_are_read_with_places() {
    let config = read(&format!("{GPT}width = 64\nheads = 8")).unwrap();
    let gpt = GptKeys::from_table(&config.model.options).unwrap();
    assert_eq!((gpt.width, gpt.heads, gpt.layers, gpt.inner), (64, 8, 4, 256));
    // All defaults are there, but what follows from others is left to follow.
    assert_eq!(
        config.model.options.keys().collect::<Vec<_>>(),
        ["bias", "dropout", "heads", "layers", "width"]
    );
    let cases = [
        ("widht = 3", "unknown key 'widht' in [model] (/yard/run.toml:3:1); did you mean 'width'?"),
        (
            "zzz = 3",
            "unknown key 'zzz' in [model] (/yard/run.toml:3:1); 'gpt' takes: layers, heads",
        ),
        ("steps = 3", "unknown key 'steps' in [model] (/yard/run.toml:3:1); it belongs in [train]"),
        ("width = \"wide\"", ":3:9: model.width is the text \"wide\", but must be a whole number"),
        ("width = 0", ":3:9: model.width is 0, but must be from 1 to 1000000"),
        ("width = -4", "model.width is -4, but must be a whole number, 0 or more"),
        ("width = 33", ":3:9: model.width is 33, but must be a multiple of heads = 4"),
        ("dropout = 1", "model.dropout is 1, but must be at least 0 and below 1"),
        ("bias = 1", "model.bias is 1, but must be true or false"),
        ("vocabulary = 0", "model.vocabulary is 0, but must be from 1 to 10000000"),
    ];
    for (text, expected) in cases {
        assert!(gpt_message(text).contains(expected), "{text:?} gave {:?}", gpt_message(text));
    }

    // Where the key is not given itself, its section is the place.
    let heads = gpt_message("heads = 3");
    assert!(
        heads.starts_with("/yard/run.toml:1:") && heads.contains("model.width is 128"),
        "{heads}"
    );
}

#[test]
fn a_kind_that_does_not_exist_is_refused() {
    let wrong = |text: &str| read(text).unwrap_err().to_string();
    assert_eq!(
        wrong("[model]\nkind = \"gtp\""),
        "/yard/run.toml:2:8: there is no model 'gtp'; there are: gpt, mlp; did you mean \"gpt\"?"
    );
    assert!(message("[optimizer]\nkind = \"adam\"").contains("there is no optimizer 'adam'"));
    assert!(message("[data]\nkind = \"texts\"").contains("there is no data source 'texts'"));
    let typed = read_with(GPT, &["model.kind=3"]).unwrap_err().to_string();
    assert!(typed.contains("there is no model '3'"), "{typed}");
    let empty = wrong("[model]\nkind = \"\"");
    assert!(
        empty.contains("model.kind is empty, but must be the name of a model, such as \"gpt\"")
    );
}

#[test]
fn a_key_can_say_the_kind_of_data() {
    let both = message("[data]\ntext = \"a\"\nbuiltin = \"yard\"");
    assert_eq!(
        both,
        "/yard/run.toml:4:8: data.text is given twice, but must be given either as data.text or as \
         data.builtin, not both"
    );
    let rows = read(&format!("{SMALL}[data]\nbuiltin = \"spiral\"\ninputs = 3")).unwrap();
    assert_eq!(rows.data.kind.as_deref(), Some("rows"));
    assert_eq!(RowsKeys::from_table(&rows.data.options).unwrap().inputs, 3);
    let wrong = message("[data]\nbuiltin = \"yrad\"");
    assert!(
        wrong.ends_with(
            ":4:11: data.builtin is 'yrad', but must be one of yard, spiral, waves; did you mean \
             \"yard\"?"
        ),
        "{wrong}"
    );
}

#[test]
fn data_named_on_the_command_line_win_over_those_of_the_file() {
    let text = format!("{SMALL}[data]\nkind = \"text\"\ntext = \"a\"");
    let config = read_with(&text, &["data.builtin=spiral"]).unwrap();
    assert_eq!(config.data.kind.as_deref(), Some("rows"));
    let resolved = config.to_toml().unwrap();
    let expected = "[data]\nkind = \"rows\"\nbuiltin = \"spiral\"\ninputs = 2\n";
    assert!(resolved.contains(expected), "{resolved}");
    let config = read_with(&text, &["data.builtin=yard"]).unwrap();
    let text = TextKeys::from_table(&config.data.options).unwrap();
    assert_eq!((text.builtin.as_deref(), text.text.len()), (Some("yard"), 0));
    let again = read_with(&config.to_toml().unwrap(), &["data.text=/b"]).unwrap();
    assert_eq!(again.data.kind.as_deref(), Some("text"));
}

#[test]
fn the_optimizers_keys_may_stand_where_they_were() {
    let of = |text: &str, sets: &[&str]| {
        let config = read_with(&format!("{SMALL}{text}"), sets).unwrap();
        (AdamwKeys::from_table(&config.optimizer.options).unwrap(), config.to_toml().unwrap())
    };
    let (old, resolved) = of("[train]\nbeta1 = 0.5\nepsilon = 1e-6\n", &[]);
    let (new, _) = of("[optimizer]\nkind = \"adamw\"\nbeta1 = 0.5\nepsilon = 1e-6\n", &[]);
    assert_eq!(old, new);
    assert_eq!((old.beta1, old.epsilon, old.beta2), (0.5, 1e-6, 0.99));
    // A resolved file says it in one way, over which both ways of a `--set` go.
    assert!(resolved.contains("[optimizer]\nkind = \"adamw\"\nbeta1 = 0.5\n"), "{resolved}");
    assert!(!resolved.split("[train]").nth(1).unwrap_or_default().contains("beta1"), "{resolved}");
    for set in ["train.beta1=0.25", "optimizer.beta1=0.25"] {
        for text in [&resolved, "[model]\nkind = \"mlp\"\n[train]\nbeta1 = 0.5\n"] {
            let config = read_with(text, &[set]).unwrap();
            let adamw = AdamwKeys::from_table(&config.optimizer.options).unwrap();
            assert!((adamw.beta1 - 0.25).abs() < 1e-12, "{set}: {}", adamw.beta1);
        }
    }
    let twice = message("[train]\nbeta1 = 0.5\n[optimizer]\nbeta1 = 0.5");
    assert_eq!(
        twice,
        "/yard/run.toml:4:9: train.beta1 is given twice, but must be left out: optimizer.beta1 is \
         the same"
    );
}

#[test]
fn another_optimizer_takes_its_own_keys() {
    let sgd = "[optimizer]\nkind = \"sgd\"\nmomentum = 0.5\n[train]\nweight_decay = 0.25\n";
    let config = read(&format!("{SMALL}{sgd}")).unwrap();
    let keys = SgdKeys::from_table(&config.optimizer.options).unwrap();
    assert_eq!((keys.momentum, keys.weight_decay), (0.5, 0.25));
    let error = message("[optimizer]\nkind = \"sgd\"\n[train]\nbeta1 = 0.5\n");
    assert!(error.starts_with("unknown key 'beta1' in [train] (/yard/run.toml:6:1); "), "{error}");
    let error = message("[optimizer]\nkind = \"sgd\"\nbeta1 = 0.5\n");
    assert!(error.ends_with("'sgd' takes: momentum, weight_decay"), "{error}");
}

#[test]
fn without_known_kinds_a_section_may_hold_anything() {
    let text = "[model]\nkind = \"own\"\nx.y = [1, 2]\n[optimizer]\nkind = \"mine\"\n[train]\nbeta1 = 0.5\n";
    let (config, _) = RunConfig::from_text(text, Path::new("/run.toml"), &[], &[]).unwrap();
    assert_eq!(config.model.options["x"]["y"][1].as_integer(), Some(2));
    assert_eq!(config.optimizer.options["beta1"].as_float(), Some(0.5));
}
