//! Keys with a value that makes no sense: the value that the message gives is taken.

use trainyard_tests::{Place, assert_says, read, run_ok, write};

use crate::{between, mended, plan, refused};

/// A setting that is refused, and what else the value that is allowed needs.
type Case<'a> = (&'a str, &'a [&'a str]);

/// The settings are refused with a range, and its end that is named is accepted.
const RANGES: &[Case<'_>] = &[
    ("train.steps=0", &[]),
    ("train.batch=0", &["train.micro_batches=1"]),
    ("train.micro_batches=0", &[]),
    ("train.keep_checkpoints=0", &[]),
    ("train.learning_rate=-1", &[]),
    ("train.min_learning_rate=1", &[]),
    ("train.clip=-1", &[]),
    ("train.decay_share=0", &[]),
    ("data.validation_fraction=1", &[]),
    ("model.layers=0", &["pipeline.lock=[]"]),
    ("model.heads=0", &[]),
    ("model.width=0", &["model.heads=1"]),
    ("model.context=0", &[]),
    ("model.dropout=1", &[]),
    ("model.vocabulary=3", &[]),
    ("device.left.threads=0", &[]),
    ("device.left.throttle=0", &[]),
    ("optimizer.weight_decay=-1", &[]),
    ("optimizer.beta1=1", &[]),
    ("optimizer.beta2=-1", &[]),
    ("optimizer.epsilon=0", &[]),
    ("optimizer.momentum=1", &["optimizer.kind=sgd"]),
    ("optimizer.beta1=1", &["optimizer.kind=lion"]),
    ("optimizer.beta2=1", &["optimizer.kind=lion"]),
    ("optimizer.momentum=1", &["optimizer.kind=muon"]),
    ("optimizer.iterations=0", &["optimizer.kind=muon"]),
    ("optimizer.decay=0", &["optimizer.kind=adafactor"]),
    ("optimizer.clip_threshold=0", &["optimizer.kind=adafactor"]),
    ("optimizer.least_scale=0", &["optimizer.kind=adafactor"]),
    ("train.warmup=-1", &[]),
    ("train.early_stop=2", &["train.validate_every=0"]),
    ("data.context=9", &[]),
];

/// The number that a message allows: the first, or where it is to be above one, the most.
fn allowed(message: &str) -> &str {
    let must = between(message, "must be ", "\n");
    let from = if must.starts_with("above") { between(must, "at most ", " ") } else { must };
    let is_number = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    let words = from.split([' ', ',', ';']).map(|word| word.trim_matches(['(', ')']));
    let mut numbers = words.filter(|word| word.starts_with(is_number));
    numbers.next().unwrap_or_else(|| panic!("no number in {must}"))
}

#[test]
fn a_number_that_is_allowed_is_taken() {
    let place = Place::new();
    for (wrong, more) in RANGES {
        let stderr = refused(&place.file, &[more, &[*wrong][..]].concat());
        let (key, _) = wrong.split_once('=').unwrap_or_default();
        let right = format!("{key}={}", allowed(&stderr));
        run_ok(&mut plan(&place.file, &[&[right.as_str()], *more].concat()));
    }
}

#[test]
fn what_a_key_must_be_is_taken() {
    let place = Place::new();
    let cases: &[(&str, &str, &str)] = &[
        ("model.width=33", "a multiple of heads = 2", "model.width=34"),
        ("model.bias=1", "true or false", "model.bias=true"),
        ("train.steps=-3", "a whole number, 0 or more", "train.steps=3"),
        ("train.steps=many", "a whole number", "train.steps=5"),
        ("train.learning_rate=high", "a number", "train.learning_rate=0.1"),
        ("train.decay_steps=1", "more than train.warmup, which is 1", "train.decay_steps=2"),
        ("pipeline.split=\"x\"", "a list of whole numbers", "pipeline.split=[2,2]"),
        ("pipeline.split=[1,2]", "add up to 4, the layers", "pipeline.split=[1,3]"),
        ("pipeline=3", "must be a section, [pipeline]", "pipeline={schedule = \"gpipe\"}"),
        ("device=3", "[[device]], with double brackets", "device=[{id=\"left\"},{id=\"right\"}]"),
        ("data.text=", "the name of a file", "data.builtin=yard"),
        (
            "data.encoding=klingon",
            "such as \"utf-16le\" or \"windows-1252\"",
            "data.encoding=utf-8",
        ),
        ("device.left.id=", "a name, such as \"dgpu\"", "pipeline.lock=[]"),
        ("device.left.adapter=", "or \"cpu\"", "device.left.adapter=cpu"),
        ("device.left.speed=0", "a number above 0", "device.left.speed=0.5"),
        ("device.left.memory=0", "a size above 0, such as \"6 GiB\"", "device.left.memory=6 GiB"),
        ("device.left.memory=50%", "\"512 MB\", not a share", "device.left.memory=512 MB"),
        ("device.left.memory=lots", "KiB, MiB, GiB, TiB, or K, M", "device.left.memory=64 M"),
        (
            "optimizer.group=[{pattern=\"\"}]",
            "or \"embed/*\"",
            "optimizer.group=[{pattern=\"embed/*\"}]",
        ),
        ("model.kind=", "a model, such as \"gpt\"", "model.kind=gpt"),
        ("data.kind=", "a data source, such as \"text\"", "data.kind=text"),
        ("optimizer.kind=", "an optimizer, such as \"adamw\"", "optimizer.kind=adamw"),
        ("data.builtin=", "one of yard", "data.builtin=yard"),
    ];
    for (wrong, words, right) in cases {
        mended(&place.file, &[wrong], words, &[right]);
    }
    mended(
        &place.file,
        &["device.left.id=a b", "pipeline.lock=[]"],
        "letters, digits, '-' and '_'",
        &["device.left.id=a-b_1", "pipeline.lock=[]"],
    );
    // A device that has another's name gets one of its own.
    mended(
        &place.file,
        &["device.right.id=left"],
        "a name of its own",
        &["device.right.id=third", "pipeline.lock=[]"],
    );
}

#[test]
fn a_name_that_was_meant_is_taken() {
    let place = Place::new();
    for (wrong, value, more) in [
        ("train.stpes", "3", &[][..]),
        ("trian.steps", "3", &[]),
        ("model.widht", "16", &[]),
        ("device.left.memroy", "64 MiB", &[]),
        ("optimizer.beta3", "0.5", &[]),
    ] {
        let stderr = refused(&place.file, &[&format!("{wrong}={value}")]);
        let meant = between(&stderr, "did you mean ", "?").trim_matches(['\'', '[', ']']);
        let wrong_part = between(&stderr, "unknown ", "(").split('\'').nth(1).unwrap_or_default();
        let right = format!("{}={value}", wrong.replace(wrong_part, meant));
        run_ok(&mut plan(&place.file, &[more, &[right.as_str()]].concat()));
    }
    for wrong in [
        "train.schedule=cosin",
        "model.kind=gtp",
        "data.builtin=yrad",
        "data.kind=texts",
        "optimizer.kind=adam",
        "pipeline.schedule=1f1x",
        "pipeline.recompute=ful",
    ] {
        let stderr = refused(&place.file, &[wrong]);
        let meant = between(&stderr, "did you mean \"", "\"");
        let (key, _) = wrong.split_once('=').unwrap_or_default();
        run_ok(&mut plan(&place.file, &[&format!("{key}={meant}")]));
    }
    // A key that is another section's.
    let stderr = refused(&place.file, &["model.steps=3"]);
    let section = between(&stderr, "it belongs in [", "]");
    run_ok(&mut plan(&place.file, &[&format!("{section}.steps=3")]));
    // One that is like no other.
    let stderr = refused(&place.file, &["model.zzz=3"]);
    let key = between(&stderr, "'gpt' takes: ", ",");
    run_ok(&mut plan(&place.file, &[&format!("model.{key}=3")]));
}

#[test]
fn a_setting_is_written_as_told() {
    let place = Place::new();
    let stderr = refused(&place.file, &["train.steps"]);
    let line = between(&stderr, "write --set ", "\n");
    run_ok(&mut plan(&place.file, &[&line.replace("VALUE", "5")]));
    mended(&place.file, &["steps..x=3"], "a key looks like train.steps", &["train.steps=3"]);
    mended(
        &place.file,
        &["data.text=['a"],
        "close",
        &["data.text=['input.txt']", "data.builtin=yard"],
    );
    let stderr = refused(&place.file, &["device.middle.memory=64 MiB"]);
    let known = between(&stderr, "there are: ", ",");
    run_ok(&mut plan(&place.file, &[&format!("device.{known}.memory=64 MiB")]));
    mended(&place.file, &["device.left.memory.x=3"], "is a value", &["device.left.memory=3 MiB"]);
    // A group of the optimizer, where there is none and where there is one.
    let stderr = refused(&place.file, &["optimizer.group.0.learning_rate_factor=2"]);
    let whole = between(&stderr, "such as --set '", "'");
    run_ok(&mut plan(&place.file, &[whole, "optimizer.group.0.learning_rate_factor=2"]));
    let stderr = refused(&place.file, &[whole, "optimizer.group.3.learning_rate_factor=2"]);
    let number = between(&stderr, "the only one is ", "\n");
    let right = format!("optimizer.group.{number}.learning_rate_factor=2");
    run_ok(&mut plan(&place.file, &[whole, &right]));
    // Patterns without weights, and in an order that leaves one without.
    let stderr = refused(&place.file, &["optimizer.group=[{pattern=\"a*\"}]"]);
    let name = between(&stderr, "such as ", ",");
    run_ok(&mut plan(&place.file, &[&format!("optimizer.group=[{{pattern=\"{name}\"}}]")]));
    let group = |one: &str, two: &str| {
        format!("optimizer.group=[{{pattern=\"{one}\"}},{{pattern=\"{two}\"}}]")
    };
    let words = "put this one before it";
    mended(&place.file, &[&group("*", "embed/*")], words, &[&group("embed/*", "*")]);
}

#[test]
fn what_is_there_twice_is_there_once() {
    let place = Place::new();
    let good = read(&place.file);
    let file = place.path("odd.toml");
    let cases = [
        ("[data]\nbuiltin = \"yard\"\n", "data.text or as data.builtin, not both", "[data]\n"),
        ("[optimizer]\nbeta1 = 0.8\n[data]\n", "left out: optimizer.beta1 is the same", "[data]\n"),
    ];
    for (wrong, words, right) in cases {
        let good = good.replacen("[train]", "[train]\nbeta1 = 0.8", 1);
        write(&file, good.replacen("[data]\n", wrong, 1));
        assert_says(&refused(&file, &[]), &[words]);
        write(&file, good.replacen("[data]\n", right, 1));
        run_ok(&mut plan(&file, &[]));
    }
    // The other of the two may go as well.
    let both = good.replacen("[data]\n", "[data]\nbuiltin = \"yard\"\n", 1);
    write(&file, both.replacen("text = \"input.txt\"\n", "", 1));
    run_ok(&mut plan(&file, &[]));
}
