//! Tests of tables.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::DataSource;
use crate::kind::section;

/// A CSV file and a JSON-lines file with the same columns.
pub(crate) fn sample(folder: &Path) -> Value {
    let row = |number: u32| {
        format!("{number},{},{}\n", number * number, ["red", "blue"][number as usize % 2])
    };
    let separated: String =
        std::iter::once("a,b,color\n".to_owned()).chain((0..20).map(row)).collect();
    fs::write(folder.join("a.csv"), separated).unwrap();
    let row = |a: u32| format!("{}\n", json!({ "b": a * a, "color": "red", "a": a }));
    fs::write(folder.join("b.jsonl"), (20..30).map(row).collect::<String>()).unwrap();
    json!({ "table": folder, "target": "color", "validation_fraction": 0.2 })
}

/// Opens a table of one file, in the order of its rows.
fn open(name: &str, text: impl AsRef<[u8]>, options: Value) -> Result<Read, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    read(&[path], options)
}

fn read(paths: &[PathBuf], mut options: Value) -> Result<Read, DataError> {
    options["table"] = json!(paths);
    let options: TableOptions = kind::options(&section("table", &options))?;
    let source = TableSource::open(&options, 0.0)?;
    let rows = source.table.rows;
    let batch = source.gather(0..rows as u64)?;
    let (features, targets) = match &batch.tensors[..] {
        [(_, HostTensor::F32 { values, .. }), (_, targets)] => (values.clone(), targets.clone()),
        other => panic!("{other:?}"),
    };
    let (names, classes) = (source.feature_names().to_vec(), source.info.classes.clone());
    Ok(Read { names, classes, features, targets, source })
}

struct Read {
    names: Vec<String>,
    classes: Vec<String>,
    features: Vec<f32>,
    targets: HostTensor,
    source: TableSource,
}

fn classes(values: &[i32]) -> HostTensor {
    HostTensor::I32 { shape: vec![values.len()], values: values.to_vec() }
}

fn numbers(columns: usize, values: &[f32]) -> HostTensor {
    HostTensor::F32 { shape: vec![values.len() / columns, columns], values: values.to_vec() }
}

fn error(name: &str, text: impl AsRef<[u8]>, options: Value) -> String {
    let error = open(name, text, options).err().expect("it is refused").to_string();
    // Without the folder, which has another name each time.
    error.split_once(name).map_or(error.clone(), |(_, rest)| format!("{name}{rest}"))
}

const FLOWERS: &str = "width, kind ,height,note\n1.5,rose,2,a\n-2,iris,0.5,b\n3e1,rose,true,c\n";

#[test]
fn words_are_classes_in_sorted_order() {
    let read = open("t.csv", FLOWERS, json!({ "target": "kind" })).unwrap();
    assert_eq!(read.names, ["width", "height"]);
    assert_eq!(read.features, [1.5, 2.0, -2.0, 0.5, 30.0, 1.0]);
    assert_eq!(read.classes, ["iris", "rose"]);
    assert_eq!(read.targets, classes(&[1, 0, 1]));
    let info = read.source.info();
    assert_eq!((info.samples, info.validation_samples), (Some(3), Some(0)));
    let given = json!({ "target": "kind", "classes": ["rose", "tulip", "iris"] });
    let read = open("t.csv", FLOWERS, given).unwrap();
    assert_eq!((read.classes.len(), read.targets), (3, classes(&[0, 2, 0])));
}

#[test]
fn whole_numbers_are_classes_by_size() {
    let table = "x,y\n0.5,10\n1,9\n2,10\n3,-1\n";
    let read = open("t.csv", table, json!({ "target": "y" })).unwrap();
    assert_eq!(read.classes, ["-1", "9", "10"]);
    assert_eq!(read.targets, classes(&[2, 1, 2, 0]));
    let read = open("t.csv", table, json!({ "target": "y", "task": "numbers" })).unwrap();
    assert_eq!(read.targets, numbers(1, &[10.0, 9.0, 10.0, -1.0]));
    assert!(read.classes.is_empty());
    let flags = open("t.csv", "x,y\n1,true\n2,false\n", json!({ "target": "y" })).unwrap();
    assert_eq!((flags.classes.join(" ").as_str(), flags.targets), ("false true", classes(&[1, 0])));
}

#[test]
fn decimals_and_several_targets_are_numbers() {
    let read = open("t.csv", "x,y\n1,4\n1,4\n2,5.5\n3,4\n", json!({ "target": "y" })).unwrap();
    assert_eq!(read.targets, numbers(1, &[4.0, 4.0, 5.5, 4.0]));
    let two = json!({ "target": ["y", "z"] });
    let read = open("t.csv", "x,y,z\n1,4,0\n2,5,1\n", two).unwrap();
    assert_eq!((read.names.len(), read.targets), (1, numbers(2, &[4.0, 0.0, 5.0, 1.0])));
    let words = json!({ "target": "y", "task": "classes" });
    let read = open("t.csv", "x,y\n1,4.5\n2,a\n", words).unwrap();
    assert_eq!(read.classes, ["4.5", "a"]);
}

#[test]
fn a_header_is_seen_or_said() {
    let numbers = "1,2\n3,4\n";
    let read = open("t.csv", numbers, json!({ "target": "2" })).unwrap();
    assert_eq!((read.names.join(" ").as_str(), read.features), ("1", vec![1.0, 3.0]));
    let read = open("t.csv", numbers, json!({ "target": "2", "header": true })).unwrap();
    assert_eq!((read.names.join(" ").as_str(), read.features), ("1", vec![3.0]));
    let read =
        open("t.csv", "a,b\nc,d\n", json!({ "target": "1", "header": false })).err().unwrap();
    assert!(read.to_string().contains("no column beside the target has numbers"), "{read}");
}

#[test]
fn separators_quotes_and_compression() {
    let target = json!({ "target": "y" });
    let plain = open("t.csv", "x,y\n1,a\n2,b\n", target.clone()).unwrap();
    let same = |name: &str, bytes: &[u8], options: Value| {
        let read = open(name, bytes, options).unwrap();
        assert_eq!((&read.features, &read.targets), (&plain.features, &plain.targets), "{name}");
        assert_eq!(read.source.info().fingerprint, plain.source.info().fingerprint);
    };
    same("t.tsv", b"x\ty\n1\ta\n2\tb\n", target.clone());
    same("t.txt", b"x;y\r\n1;a\r\n\r\n2;b", json!({ "target": "y", "delimiter": ";" }));
    same("t.csv", b"\xef\xbb\xbfx,\"y\"\n1,\"a\"\n2,b\n", target.clone());
    let utf16 = "\u{feff}x,y\r\n1,a\r\n2,b\r\n".encode_utf16().flat_map(u16::to_le_bytes);
    same("t.csv", &utf16.collect::<Vec<u8>>(), target.clone());
    same("t.jsonl", b"{\"y\": \"a\", \"x\": 1}\n\n{\"x\": 2.0, \"y\": \"b\"}", target.clone());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"x\ty\n1\ta\n2\tb\n").unwrap();
    same("t.tsv.gz", &packed.finish().unwrap(), target.clone());
    let quotes = json!({ "target": "y", "quotes": false });
    let read = open("t.tsv", "x\ty\n1\t\"a\n2\tb\"\n", quotes).unwrap();
    assert_eq!(read.classes, ["\"a", "b\""]);
}

#[test]
fn tables_in_other_encodings_are_read_when_told_and_remarked_on() {
    let bytes = b"x,y\n1,\xe9t\xe9\n2,hiver\n";
    let message = error("t.csv", bytes, json!({ "target": "y" }));
    assert!(message.contains("it reads as windows-1252: set encoding"), "{message}");
    let read = open("t.csv", bytes, json!({ "target": "y", "encoding": "latin1" })).unwrap();
    assert_eq!(read.classes, ["hiver", "été"]);
    let read = open("t.csv", b"\xef\xbb\xbfx,y\n1,a\n2,b\n", json!({ "target": "y" })).unwrap();
    assert!(
        read.source.info().remarks[0].ends_with("the byte order mark at the beginning is left out")
    );
    // How lines end says nothing about cells.
    let read = open("t.csv", b"x,y\r\n1,a\r\n2,b\r\n", json!({ "target": "y" })).unwrap();
    assert!(read.source.info().remarks.is_empty());
    let wrong = json!({ "target": "y", "encoding": "klingon" });
    assert!(error("t.csv", bytes, wrong).contains("the name of an encoding, such as \"utf-16le\""));
}

#[test]
fn files_may_have_their_columns_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["1.csv", "2.csv", "3.jsonl", "4.csv"].map(|name| folder.path().join(name));
    fs::write(&paths[0], "x,y\n1,a\n").unwrap();
    fs::write(&paths[1], "y,extra,x\nb,0,2\n").unwrap();
    fs::write(&paths[2], "{\"x\": 3, \"y\": \"a\"}\n").unwrap();
    fs::write(&paths[3], "").unwrap();
    let read = read(&paths, json!({ "target": "y" })).unwrap();
    assert_eq!((read.features, read.targets), (vec![1.0, 2.0, 3.0], classes(&[0, 1, 0])));
}

#[test]
fn cells_that_cannot_be_used_are_named() {
    let target = || json!({ "target": "y" });
    assert_eq!(
        error("t.csv", "x,y\n1,a\n\n,b\n", target()),
        "t.csv, line 4, column 'x': the cell is empty; fill it, or choose other columns with \
         data.features"
    );
    for (text, line) in
        [("x,y\r\n1,a\r\n\r\n,b\r\n", 4), ("x,y\r\n1,a\r\n,b", 3), ("x,y\n\"\",a", 2)]
    {
        assert!(error("t.csv", text, target()).contains(&format!("line {line}, column 'x'")));
    }
    let word = error("t.csv", "x,y\n1,a\n1.5.2,b\n", target());
    assert!(
        word.starts_with("t.csv, line 3, column 'x': \"1.5.2\" is no number; mend it"),
        "{word}"
    );
    for bad in ["nan", "inf", "1e39"] {
        let text = format!("x,y\n1,a\n{bad},b\n");
        assert!(error("t.csv", text, target()).contains("is not a finite number that 32 bits"));
    }
    let missing = error("t.csv", "x,y\n1,a\n2,\n", target());
    assert!(missing.contains("line 3, column 'y': the cell is empty"), "{missing}");
    let mixed = error("t.csv", "x,y\n1,a\n2,2.5\n", target());
    assert!(mixed.contains("\"2.5\" is a number with decimals, but other values are words"));
    let word = error("t.csv", "x,y\n1,2.5\n2,a\n", target());
    assert!(word.contains("line 3, column 'y': \"a\" is no number"), "{word}");
    let given = json!({ "target": "y", "classes": ["a"] });
    assert!(error("t.csv", "x,y\n1,b\n", given).contains("\"b\" is none of data.classes"));
    let null = error("t.jsonl", "{\"x\":1,\"y\":\"a\"}\n{\"x\":null,\"y\":\"a\"}\n", target());
    assert!(null.contains("t.jsonl, line 2, column 'x': the cell is empty"), "{null}");
    let key = error("t.jsonl", "{\"x\":1,\"y\":\"a\"}\n{\"x\":1,\"y\":\"a\",\"z\":1}\n", target());
    assert!(key.contains("line 2, column 'z': the first object does not have this key"), "{key}");
    let list = error("t.jsonl", "{\"x\":1,\"y\":\"a\"}\n{\"x\":[1],\"y\":\"a\"}\n", target());
    assert!(list.contains("\"[1]\" is no number"), "{list}");
}

#[test]
fn tables_that_are_none_are_refused() {
    let target = || json!({ "target": "y" });
    let short = error("t.csv", "x,y\n1,a\n2\n", target());
    assert!(
        short.contains("t.csv: line 3 has 1 cells, but the first row has 2; mend it"),
        "{short}"
    );
    assert!(error("t.csv", "x,z\n1,a\n", target()).contains("has no column 'y'; it has: x, z"));
    let features = json!({ "target": "y", "features": "w" });
    assert!(error("t.csv", "x,y\n1,a\n", features).contains("has no column 'w'"));
    assert!(error("t.csv", "x,x\n1,a\n", target()).contains("two columns have the name 'x'"));
    assert!(error("t.csv", "", target()).contains("the table has no rows"));
    assert!(error("t.csv", "x,y\n", target()).contains("the table has no rows"));
    let bytes = error("t.csv", b"x,y\n1,a\n2,\xff\n", target());
    assert!(bytes.contains("is not UTF-8 text") && bytes.contains("line 3"), "{bytes}");
    assert!(error("t.csv", b"\x89PNG\0", target()).contains("it is a PNG picture, no text"));
    assert!(error("t.jsonl", "[1]\n", target()).contains("line 1 is no JSON object"));
    let json = error("t.jsonl", "{\"x\":1,\"y\":\"a\"}\n{\"x\":\n", target());
    assert!(json.contains("t.jsonl: line 2, character") && json.contains("is not JSON"), "{json}");
    assert!(error("t.csv.gz", "x,y\n1,a\n", target()).contains("not a whole gzip file"));
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let check = |options: Value| {
        let read = kind::options::<TableOptions>(&section("table", &options));
        read.unwrap_err().to_string()
    };
    assert!(check(json!({ "target": "y" })).contains("data.table is missing"));
    assert!(check(json!({ "table": "t" })).contains("data.target is missing"));
    let with = |key: &str, value: Value| {
        let mut options = json!({ "table": "t", "target": ["y", "z"] });
        options[key] = value;
        check(options)
    };
    assert!(with("task", json!("classes")).contains("a single column"));
    assert!(with("classes", json!(["a"])).contains("a single column"));
    assert!(with("features", json!(["z"])).contains("another column than the target"));
    assert!(with("features", json!(["x", "x"])).contains("must be named once"));
    assert!(with("delimiter", json!("é")).contains("data.delimiter is \"é\""));
    assert!(with("delimiter", json!("\"")).contains("no quote and no line end"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cells_come_back(
        rows in prop::collection::vec((-1e6_f32..1e6, -9..9_i64, "[a-z \",\n;é]{0,6}x"), 1..40)
    ) {
        // Of one class alone there is nothing to learn.
        prop_assume!(rows.len() == 1 || rows.iter().any(|row| row.2.trim() != rows[0].2.trim()));
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["f", "i", "w"]).unwrap();
        let mut lines = String::new();
        for (float, whole, word) in &rows {
            writer.write_record([&float.to_string(), &whole.to_string(), word]).unwrap();
            lines += &json!({ "f": float, "i": whole, "w": word }).to_string();
            lines.push('\n');
        }
        let options = json!({ "target": "w" });
        let read = open("t.csv", writer.into_inner().unwrap(), options.clone()).unwrap();
        let expected: Vec<f32> = rows.iter().flat_map(|row| [row.0, row.1 as f32]).collect();
        prop_assert_eq!(&read.features, &expected);
        let HostTensor::I32 { values, .. } = &read.targets else { panic!() };
        for (class, (_, _, word)) in values.iter().zip(&rows) {
            prop_assert_eq!(&read.classes[*class as usize], word.trim());
        }
        prop_assert!(read.classes.is_sorted());
        let same = open("t.jsonl", lines, options).unwrap();
        prop_assert_eq!(same.targets, read.targets);
        prop_assert_eq!(same.features, expected);
    }

    #[test]
    fn no_table_panics(bytes in prop::collection::vec(any::<u8>(), 0..120), text in "[a,y\n\"1.{}:\\[\\]]{0,60}") {
        for name in ["t.csv", "t.tsv", "t.jsonl", "t.csv.gz"] {
            for bytes in [&bytes[..], text.as_bytes()] {
                let _either = open(name, bytes, json!({ "target": ["y"] }));
                let _either = open(name, bytes, json!({ "target": ["1"], "header": false }));
            }
        }
    }
}
