//! What `keys!` and `choices!` make of a declaration.

use super::*;

choices! {
    /// A way to begin.
    enum Start {
        /// By chance.
        Normal = "normal",
        /// At nothing.
        Zero = "zero",
    }
}

keys! {
    /// Every type there is,
    /// on two lines.
    struct Every in "model" {
        /// One.
        byte: u8 = 7;
        /// Two.
        signed: i32 = -3;
        /// Three.
        size: ByteSize = ByteSize(3 << 20), in 1..;
        /// Four.
        start: Start = Start::Zero;
        /// Five.
        names: Vec<String> = vec!["a".into()], must("names without spaces", |name| !name.contains(' '));
        /// Six.
        files: Vec<PathBuf>;
        /// Seven.
        maybe: Option<String>, one_of(maybe);
        /// Eight.
        share: Option<f64>, in 0.0..=1.0;
    }
}

fn maybe() -> Vec<String> {
    ["yes", "no"].map(str::to_owned).to_vec()
}

fn every(text: &str) -> Result<Every, String> {
    let document = Document::parse(&format!("[model]\n{text}"), "run.toml".as_ref());
    let document = document.map_err(|error| error.to_string())?;
    let section = document.section("model").map_err(|error| error.to_string())?;
    Every::read(&section).map_err(|error| error.to_string())
}

#[test]
fn defaults_are_those_declared() {
    let default = every("").unwrap();
    assert_eq!(default, Every::default());
    assert_eq!((default.byte, default.signed, default.size), (7, -3, ByteSize(3 << 20)));
    assert_eq!((default.start, &default.names[..]), (Start::Zero, &["a".to_owned()][..]));
    assert!(default.files.is_empty() && default.maybe.is_none());
}

#[test]
fn values_are_read_in_every_form() {
    let all = "byte = 255\nsigned = 5\nsize = \"2 GiB\"\nstart = \"normal\"\nnames = \"b\"\n\
               files = [\"x\", \"/y\"]\nmaybe = \"no\"\nshare = 1";
    let read = every(all).unwrap();
    assert_eq!((read.byte, read.signed, read.size), (255, 5, ByteSize(2 << 30)));
    assert_eq!((read.start, read.names), (Start::Normal, vec!["b".to_owned()]));
    assert_eq!(read.files, [std::path::absolute("x").unwrap(), PathBuf::from("/y")]);
    assert_eq!((read.maybe.as_deref(), read.share), (Some("no"), Some(1.0)));
    assert_eq!(every("size = 64000000").unwrap().size, ByteSize(64_000_000));
}

#[test]
fn values_are_refused_in_words() {
    let cases = [
        ("byte = 256", "run.toml:2:8: model.byte is 256, but must be at most 255"),
        ("byte = -1", "model.byte is -1, but must be a whole number, 0 or more"),
        ("signed = 9999999999", "model.signed is 9999999999, but must be at most 2147483647"),
        ("signed = -9999999999", "model.signed is -9999999999, but must be at least -2147483648"),
        ("size = 0", "model.size is 0, but must be a whole number of at least 1"),
        ("size = \"much\"", "model.size is the text \"much\", but must be a size such as"),
        ("start = \"zeros\"", "must be \"normal\" or \"zero\"; did you mean \"zero\"?"),
        ("names = [\"a\", \"b c\"]", "model.names is \"b c\", but must be names without spaces"),
        ("names = [1]", "model.names is a list, but must be a list of texts in quotes"),
        ("files = [\"\"]", "model.files is a list, but must be a list of files or folders"),
        ("maybe = \"yess\"", "but must be one of yes, no; did you mean \"yes\"?"),
        ("share = 1.5", "model.share is 1.5, but must be from 0 to 1"),
    ];
    for (text, expected) in cases {
        let error = every(text).unwrap_err();
        assert!(error.contains(expected), "{text:?} gave {error:?}");
    }
}

#[test]
fn keys_say_all_that_was_declared() {
    assert_eq!(Every::doc(), "Every type there is, on two lines.");
    let keys = Every::keys();
    let key = |name: &str| keys.iter().find(|key| key.name == name).unwrap();
    assert_eq!(keys.len(), 8);
    assert_eq!((key("byte").doc.as_str(), key("byte").default.as_deref()), ("One.", Some("7")));
    assert_eq!(key("size").default.as_deref(), Some("\"3 MiB\""));
    assert_eq!(key("size").must, ["a whole number of at least 1"]);
    assert_eq!(key("size").bounds.at_least, Some(1.0));
    assert_eq!(key("start").choices[1].doc, "At nothing.");
    assert_eq!(key("maybe").choices[0].name, "yes");
    assert_eq!(key("share").bounds.at_most, Some(1.0));
    assert_eq!(key("names").must, ["names without spaces"]);
    assert_eq!(key("files").default, None);
}

#[test]
fn a_struct_is_written_in_order_and_reads_back() {
    let every = Every { maybe: Some("yes".into()), ..Every::default() };
    let entries = every.entries().unwrap();
    let names: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["byte", "signed", "size", "start", "names", "maybe"]);
    let table = entries.into_iter().map(|entry| (entry.name.to_owned(), entry.value)).collect();
    assert_eq!(Every::from_table(&table).unwrap(), every);
    let json = serde_json::to_value(&every).unwrap();
    assert_eq!((&json["size"], &json["start"]), (&"3 MiB".into(), &"zero".into()));
}

#[test]
fn what_toml_cannot_hold_is_not_written() {
    let train = TrainSection { seed: u64::MAX, ..TrainSection::default() };
    let error = train.entries().unwrap_err().to_string();
    assert!(error.contains("train.seed") && error.contains("above 9223372036854775807"), "{error}");
}
