//! What a run file or a `--set` may not say, and the words it is refused with.

use super::*;

fn set_message(set: &str) -> String {
    let text = format!("{SMALL}[[device]]\nid = \"left\"\n[[device]]\nid = \"right\"\n");
    read_with(&text, &[set]).unwrap_err().to_string()
}

#[test]
fn typos_are_named_with_the_nearest_key() {
    assert_eq!(
        message("[train]\nstpes = 5"),
        "unknown key 'stpes' in [train] (/yard/run.toml:4:1); did you mean 'steps'?"
    );
    assert_eq!(
        message("[trian]\nsteps = 5"),
        "unknown section 'trian' (/yard/run.toml:3:2); did you mean [train]?"
    );
    assert_eq!(
        message("[[devices]]\nid = \"a\""),
        "unknown section 'devices' (/yard/run.toml:3:3); did you mean [[device]]?"
    );
    assert_eq!(
        message("[train]\nrecompute = \"none\""),
        "unknown key 'recompute' in [train] (/yard/run.toml:4:1); it belongs in [pipeline]"
    );
    assert!(message("[pipeline]\nzzzzzz = 1").ends_with(
        "there are: schedule, recompute, schedule_file, slices, lock, exclude, split, wire, wires, plan"
    ));
    assert!(
        message("[[device]]\nid=\"a\"\n[[device]]\nadaptor = \"cpu\"")
            .contains(":6:1); did you mean 'adapter'?")
    );
    let top = read("batch = 3\n[model]\nkind = \"mlp\"").unwrap_err().to_string();
    assert_eq!(top, "unknown key 'batch' (/yard/run.toml:1:1); it belongs in [train]");
}

#[test]
fn what_two_keys_would_say_is_refused() {
    let given = |text: &str| message(&format!("[pipeline]\n{text}"));
    let said = given("plan = \"p.json\"\nsplit = [6, 4]");
    assert!(said.contains(":5:9: pipeline.split is [6, 4], but must be left out"), "{said}");
    let said = given("plan = \"p.json\"\nschedule_file = \"s.csv\"");
    assert!(said.contains("pipeline.schedule_file is") && said.contains("the plan says it"));
    let said = given("schedule = \"1f1b\"\nschedule_file = \"s.csv\"");
    assert!(said.contains("left out where pipeline.schedule is given"), "{said}");
    let said = given("split = [6, -4]");
    assert!(said.contains("pipeline.split is a list, but must be a list of whole"), "{said}");
}

#[test]
fn wrong_types_are_named_with_their_place() {
    let cases = [
        (
            "[train]\nsteps = \"many\"",
            ":4:9: train.steps is the text \"many\", but must be a whole number, 0 or more",
        ),
        ("[train]\nsteps = -1", ":4:9: train.steps is -1, but must be a whole number"),
        ("[train]\nsteps = 2e3", "train.steps is the number 2000.0, but must be a whole"),
        ("[train]\nclip = true", "train.clip is true, but must be a number"),
        ("[train]\nvalidate_whole_at_end = 1", "is 1, but must be true or false"),
        (
            "[train]\nschedule = \"cosin\"",
            "\"cosine\" or \"constant\" or \"linear\" or \"wsd\"; did you mean \"cosine\"?",
        ),
        ("[train]\nseed = 1979-05-27", "train.seed is the date 1979-05-27"),
        ("[pipeline]\nrecompute = []", "is a list, but must be \"auto\" or \"none\" or \"full\""),
        ("[pipeline]\nschedule = \"gpip\"", "must be one of auto, gpipe, 1f1b"),
        ("[data]\ntext = 3", "data.text is 3, but must be a list of files or folders, in quotes"),
        ("[data]\nbuiltin = 3", "data.builtin is 3, but must be a text in quotes"),
        ("[device]\nid = \"a\"", ":3:1: a device is written [[device]], with double brackets"),
        (
            "[[device]]\nid = \"a\"\nmemory = \"lots\"",
            ":5:10: device.a.memory is the text \"lots\", but must be a size such as \"6 GiB\"",
        ),
        ("[[device]]\nid = \"a\"\nmemory = -4", "device.a.memory is -4, but must be a size"),
        ("[train]\nsteps = 99999999999999999999", "is not TOML"),
        ("[train\n", ":3:7 is not TOML"),
    ];
    for (text, expected) in cases {
        assert!(message(text).contains(expected), "{text:?} gave {:?}", message(text));
    }
    let section = read("train = 3\n[model]\nkind = \"mlp\"").unwrap_err().to_string();
    assert!(section.contains("'train' is 3, but must be a section, [train]"), "{section}");
    let device = read("device = [3]\n[model]\nkind = \"mlp\"").unwrap_err().to_string();
    assert!(device.contains("must be a section, [[device]]"), "{device}");
}

#[test]
fn absurd_numbers_are_refused() {
    let cases = [
        ("[train]\nsteps = 0", ":4:9: train.steps is 0, but must be from 1 to"),
        ("[train]\nbatch = 0", "train.batch is 0, but must be from 1 to 1000000"),
        ("[train]\nbatch = 1000001", "train.batch is 1000001"),
        ("[train]\nmicro_batches = 0", "train.micro_batches is 0"),
        (
            "[train]\nmicro_batches = 5",
            "batch = 12 cannot be cut into 5 equal micro-batches; 1, 2, 3, 4, 6, 12 can",
        ),
        (
            "[train]\nbatch = 13\nmicro_batches = 4",
            "13 cannot be cut into 4 equal micro-batches; 1, 13 can",
        ),
        ("[train]\nlearning_rate = 0", "train.learning_rate is 0"),
        ("[train]\nlearning_rate = nan", "train.learning_rate is NaN"),
        ("[train]\nlearning_rate = inf", "train.learning_rate is inf"),
        ("[train]\nmin_learning_rate = 1", "must be 0 to train.learning_rate, which is 0.001"),
        (
            "[train]\ndecay_steps = 50",
            "train.decay_steps is 50, but must be more than train.warmup, which is 100",
        ),
        ("[train]\nweight_decay = -0.1", "train.weight_decay is -0.1"),
        ("[train]\nbeta1 = 1", "train.beta1 is 1, but must be at least 0 and below 1"),
        ("[train]\nbeta2 = nan", "train.beta2 is NaN"),
        ("[train]\nepsilon = 1e-60", "train.epsilon is 0.000"),
        ("[train]\nclip = -1", "train.clip is -1"),
        (
            "[train]\nkeep_checkpoints = 0",
            "train.keep_checkpoints is 0, but must be a whole number of at least 1",
        ),
        ("[data]\nvalidation_fraction = -0.1", "data.validation_fraction is -0.1"),
        ("[data]\nvalidation_fraction = 0.95", "must be from 0 to 0.9"),
        ("[data]\nbuiltin = \"\"", "data.builtin is empty"),
        ("[[device]]\nadapter = \"cpu\"", "device.0.id is empty"),
        (
            "[[device]]\nid = \"../a\"",
            "device.0.id is \"../a\", but must be at most 64 letters, digits, '-' and '_'",
        ),
        (
            "[[device]]\nid = \"a\"\n[[device]]\nid = \"a\"",
            ":6:6: device.1.id is 'a', but must be a name of its own: device.0.id is the same",
        ),
        ("[[device]]\nid = \"a\"\nadapter = \" \"", "device.a.adapter is empty"),
        ("[[device]]\nid = \"a\"\nmemory = 0", "device.a.memory is 0"),
        ("[[device]]\nid = \"a\"\nthreads = 0", "device.a.threads is 0"),
        ("[[device]]\nid = \"a\"\nspeed = 0.0", "device.a.speed is 0"),
        ("[[device]]\nid = \"a\"\nthrottle = 0.5", "device.a.throttle is 0.5"),
        ("[[device]]\nid = \"a\"\nthrottle = nan", "device.a.throttle is NaN"),
    ];
    for (text, expected) in cases {
        assert!(message(text).contains(expected), "{text:?} gave {:?}", message(text));
    }
    let no_kind = read("[model]\nkind = \"\"").unwrap_err().to_string();
    assert!(no_kind.contains("model.kind is empty"), "{no_kind}");
}

#[test]
fn sizes_are_understood_or_refused_with_the_units() {
    let device = |memory: &str| format!("{SMALL}[[device]]\nid = \"left\"\nmemory = {memory}\n");
    for (memory, bytes) in [
        ("\"64M\"", 64 << 20),
        ("\"64 MB\"", 64_000_000),
        ("'64MiB '", 64 << 20),
        ("\"64 gb\"", 64_000_000_000),
        ("\"0.0625GiB\"", 64 << 20),
        ("\"512 B\"", 512),
        ("67108864", 64 << 20),
    ] {
        let config = read(&device(memory)).unwrap();
        assert_eq!(config.devices[0].memory, Some(ByteSize(bytes)), "{memory}");
    }
    let refused = |memory: &str| read(&device(memory)).unwrap_err().to_string();
    assert_eq!(
        refused("64"),
        "/yard/run.toml:5:10: device.left.memory is 64, but must be a size with its unit, such as \
         \"64 MiB\" or \"64 GiB\"; the units are B; KB, MB, GB, TB (1000 each); KiB, MiB, GiB, TiB, \
         or K, M, G, T (1024 each)"
    );
    for memory in ["\"64\"", "\"50 %\"", "1e8", "\"64,5 MiB\"", "\"64 megs\"", "true"] {
        let refused = refused(memory);
        assert!(refused.contains("KiB, MiB, GiB, TiB, or K, M, G, T"), "{refused}");
    }
    assert!(refused("\"50 %\"").contains("not a share"));
    // As it was written, not rounded.
    for memory in ["64 MB", "64 MiB", "6 GiB", "1500 MB"] {
        let written = read(&device(&format!("{memory:?}"))).unwrap().to_toml().unwrap();
        assert!(written.contains(&format!("memory = {memory:?}")), "{written}");
    }
}

#[test]
fn devices_are_named_as_they_are_in_the_file() {
    for (set, named) in [
        ("device.left.memory=64", "--set device.left.memory=64: device.left.memory is 64"),
        ("device.1.memory=64", "--set device.1.memory=64: device.right.memory is 64"),
        ("device.1.threads=0", "device.right.threads is 0"),
        ("device.1.id=left", "device.1.id is 'left'"),
    ] {
        assert!(set_message(set).contains(named), "{set:?} gave {:?}", set_message(set));
    }
    assert!(message("[[device]]\nid = \"a.b\"\nmemory = 64").contains("device.0.memory is 64"));
}

#[test]
fn what_is_not_toml_is_said_in_plain_words() {
    let cases = [
        (
            r#"[data]
text = "C:\Users\me\input.txt""#,
            ":4:13",
            "single quotes ('C:\\Users\\me\\input.txt') or with forward",
        ),
        (
            r#"[data]
text = "D:\data\input.txt""#,
            ":4:12",
            "a backslash begins an escape",
        ),
        (
            r#"[data]
text = "C:\texts\new.txt""#,
            ":4:8: data.text is",
            "a path without control characters: in double quotes",
        ),
        (
            r#"[data]
text = ["C:\texts\new.txt"]"#,
            ":4:8: data.text is",
            "each a path without control characters",
        ),
        ("[data]\ntext = input.txt", ":4:8", "a text stands in quotes: \"input.txt\""),
        ("[data]\ntext = C:\\x", ":4:8", "a text stands in quotes: 'C:\\x'"),
        ("[data]\ntext = “a”", ":4:8", "typographic quotes"),
        ("[data]\ntext = \"a", ":4:10", "quotes are not closed"),
        ("[train]\nsteps = 1\nsteps = 2", ":5:1", "there already"),
        ("[train\n", ":3:7", "ends in ']'"),
        ("[train]\nsteps : 3", ":4:7", "NAME = VALUE"),
        ("[train]\nsteps =", ":4:8", "a value is missing"),
        ("[train]\nvalidate_whole_at_end = True", ":4:25", "written true and false"),
        ("[train]\nclip = 1,5", ":4:9", "a decimal point as '.'"),
        ("[train]\nclip = .5", ":4:8", "no number and no date"),
        ("[train]\nsteps = None", ":4:9", "leave the line out"),
        ("[train]\nsteps = 3 // three", ":4:9", "a comment begins with '#'"),
        ("[train]\nsteps = 99999999999999999999", ":4:9", "too large"),
        ("[train]\nsteps = [1, 2", ":4:14", "close it with ']'"),
        ("[data]\ntext = 64 MiB", ":4:8", "a text stands in quotes: \"64 MiB\""),
    ];
    for (text, place, words) in cases {
        let message = message(text);
        assert!(message.contains(place) && message.contains(words), "{text:?} gave {message:?}");
        let parsers = ["expected", "unicode", "unclosed", "invalid", "literal"];
        assert!(!parsers.iter().any(|word| message.contains(word)), "{message}");
    }
    let set = set_message(r#"data.text="C:\Users\x""#);
    assert!(set.contains("the value is not TOML: in double quotes a backslash"), "{set}");
    let utf16: Vec<u8> = SMALL.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16 = read(std::str::from_utf8(&utf16).unwrap()).unwrap_err().to_string();
    assert!(utf16.contains("is not TOML: it has NUL characters"), "{utf16}");
}

#[test]
fn a_big_batch_lists_the_nearest_divisors() {
    let error = message("[train]\nbatch = 720720\nmicro_batches = 17");
    assert!(error.contains("; 10, 11, 12, 13, 14, 15, 16, 18, 20, 21, 22, 24 can"), "{error}");
}

#[test]
fn a_wrong_set_says_so() {
    let cases = [
        ("train.steps", "'--set train.steps' has no '='; write --set train.steps=VALUE"),
        ("=5", "'--set =5': '' is not a key"),
        ("train..steps=5", "'train..steps' is not a key; a key looks like train.steps"),
        (
            "train.stpes=5",
            "unknown key 'stpes' in [train] (--set train.stpes=5); did you mean 'steps'?",
        ),
        ("train={stpes=5}", "unknown key 'stpes' in [train]"),
        ("steps=5", "unknown key 'steps' (--set steps=5); it belongs in [train]"),
        ("train.steps=many", "--set train.steps=many: train.steps is the text \"many\""),
        ("train.steps=0", "--set train.steps=0: train.steps is 0, but must be from 1 to"),
        ("train.steps=[1", "the value is not TOML"),
        ("device.middle.memory=1", "there is no [[device]] 'middle'; there are: left, right"),
        ("device.2.memory=1", "there is no [[device]] '2'"),
        ("device.left.memroy=1", "unknown key 'memroy' in [[device]]"),
        ("model.kind.x=1", "'kind' is a value and has no 'x' in it"),
        ("train=5", "'train' is 5, but must be a section"),
    ];
    for (set, expected) in cases {
        assert!(set_message(set).contains(expected), "{set:?} gave {:?}", set_message(set));
    }
    let none = read_with(SMALL, &["device.0.memory=1"]).unwrap_err().to_string();
    assert!(none.contains("the run file has no [[device]]"), "{none}");
}
