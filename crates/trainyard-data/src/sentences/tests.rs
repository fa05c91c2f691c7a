//! Texts of tables as rows of tokens.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::kind::section;
use crate::{Cursor, DataSource};

/// BERT's tokens by their numbers: special ones, letters that begin a word, and letters inside of one.
fn word_tokenizer(folder: &Path) -> PathBuf {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
    let letters = ('a'..='z').chain('0'..='9');
    let pieces = letters.flat_map(|letter| [letter.to_string(), format!("##{letter}")]);
    let all: Vec<String> = special.into_iter().chain(pieces).collect();
    let path = folder.join("vocab.txt");
    fs::write(&path, all.join("\n")).unwrap();
    path
}

/// Texts that are all different, of three classes.
pub(crate) fn sample(folder: &Path) -> Value {
    let rows: Vec<String> =
        (0..40).map(|row| format!("text {row},{}", ["b", "a", "c"][row % 3])).collect();
    let path = folder.join("texts.csv");
    fs::write(&path, format!("text,kind\n{}\n", rows.join("\n"))).unwrap();
    json!({
        "sentences": path, "label": "kind", "tokenizer": word_tokenizer(folder), "context": 12,
        "validation_fraction": 0.2,
    })
}

fn open(table: &str, more: &Value) -> Result<Box<dyn DataSource>, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("texts.csv");
    fs::write(&path, table).unwrap();
    let tokenizer = word_tokenizer(folder.path());
    let mut options = json!({ "sentences": path, "tokenizer": tokenizer, "context": 9, "validation_fraction": 0.0 });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    crate::open(&section("sentences", &options))
}

/// The rows of a source, sorted by their texts: text, segments, types and target of each.
fn rows(source: &dyn DataSource) -> Vec<[String; 4]> {
    let samples = source.info().samples.unwrap() as usize;
    let batch = source.batch(Cursor::new(1), samples).unwrap();
    let tokenizer = source.tokenizer().unwrap();
    let row = |row: Batch| {
        let ints = |name: &str| match row.get(name) {
            Some(HostTensor::I32 { values, .. }) => values.clone(),
            _ => Vec::new(),
        };
        let (tokens, segments) = (ints("tokens"), ints(SEGMENTS));
        assert!(tokens.iter().zip(&segments).all(|(token, of)| *of > 0 || *token == 0));
        let known = tokens.iter().zip(&segments).filter(|(_, of)| **of > 0);
        let known: Vec<u32> = known.map(|(token, _)| token.cast_unsigned()).collect();
        let digits = |values: Vec<i32>| values.iter().map(i32::to_string).collect::<String>();
        let target = match row.get("targets") {
            Some(HostTensor::F32 { values, .. }) => format!("{}", values[0]),
            _ => digits(ints("targets")),
        };
        let text = tokenizer.decode(&known, false);
        [text, digits(segments), digits(ints("token_types")), target]
    };
    let mut all: Vec<_> = batch.split(1).into_iter().map(row).collect();
    all.sort();
    all
}

fn texts<const N: usize>(rows: [[&str; 4]; N]) -> Vec<[String; 4]> {
    rows.map(|row| row.map(str::to_owned)).to_vec()
}

#[test]
fn texts_have_what_the_tokenizer_puts_around_them_and_classes_are_sorted() {
    let source =
        open("text,kind\nabc,late\n\"a, b\",early\n", &json!({ "label": "kind" })).unwrap();
    let expected = texts([
        ["[CLS] a [UNK] b [SEP]", "111110000", "", "0"],
        ["[CLS] abc [SEP]", "111110000", "", "1"],
    ]);
    assert_eq!(rows(&*source), expected);
    assert_eq!(source.info().classes, ["early", "late"]);
    // The numbers that a model knows, whatever the data have.
    let classes = json!({ "label": "kind", "classes": ["late", "never", "early"] });
    let source = open("text,kind\na,late\n\"b\",early\n", &classes).unwrap();
    let targets: Vec<String> = rows(&*source).into_iter().map(|[.., target]| target).collect();
    assert_eq!(targets, ["0", "2"]);
    let error = open("text,kind\na,soon\n", &classes).err().unwrap().to_string();
    assert!(error.contains("line 2, column 'kind': \"soon\" is none of data.classes"), "{error}");
}

#[test]
fn two_texts_are_read_as_one_or_each_by_itself() {
    let table = "score,text,other\n2.5,ab,c\n";
    let joined = open(table, &json!({ "second": "other" })).unwrap();
    let expected = texts([["[CLS] ab [SEP] c [SEP]", "111111000", "000011000", ""]]);
    assert_eq!(rows(&*joined), expected);
    let apart = json!({ "second": "other", "score": "score", "full_score": 5.0, "context": 10 });
    let apart = open(table, &apart).unwrap();
    let expected = texts([["[CLS] ab [SEP] [CLS] c [SEP]", "1111222000", "", "0.5"]]);
    assert_eq!(rows(&*apart), expected);
}

#[test]
fn long_texts_are_cut_or_refused_and_that_is_said() {
    let table = "text,other\nabcdefghij,xy\nab,c\n";
    let source = open(table, &json!({ "second": "other" })).unwrap();
    let expected = texts([
        ["[CLS] ab [SEP] c [SEP]", "111111000", "000011000", ""],
        ["[CLS] abcd [SEP] xy [SEP]", "111111111", "000000111", ""],
    ]);
    assert_eq!(rows(&*source), expected);
    let said = "1 of 2 rows is longer than a context of 9 tokens and was cut";
    assert_eq!(source.info().remarks, [said]);
    let refuse = json!({ "second": "other", "too_long": "refuse" });
    let error = open(table, &refuse).err().unwrap().to_string();
    assert!(error.contains("line 2, column 'text': it has more tokens"), "{error}");
    let error = open(table, &json!({ "second": "other", "context": 2 })).err().unwrap().to_string();
    assert!(error.contains("3 tokens around a text"), "{error}");
}

#[test]
fn what_cannot_be_used_is_named() {
    let refused = |table: &str, more: Value| open(table, &more).err().unwrap().to_string();
    let error = refused("text,kind\n ,a\n", json!({ "label": "kind" }));
    assert!(error.contains("line 2, column 'text': there is no text"), "{error}");
    let error = refused("a,b\nx,y\n", json!({}));
    assert!(error.contains("no column 'text'; it has: a, b"), "{error}");
    let error = refused("text,b,s\nx,y,much\n", json!({ "second": "b", "score": "s" }));
    assert!(error.contains("column 's': \"much\" is no number"), "{error}");
    let table = "text,b,s\nx,y,5\nx,y,7\n";
    let error = refused(table, json!({ "second": "b", "score": "s", "full_score": 5.0 }));
    assert!(
        error.contains("texts.csv, line 3, column 's': 7 is more than data.full_score = 5"),
        "{error}"
    );
    let error = refused("text,kind\nx,a\ny,a\n", json!({ "label": "kind" }));
    assert!(
        error.contains("all rows have the class 'a': there is nothing to tell apart"),
        "{error}"
    );
    let error = refused("text,s\nx,1\n", json!({ "score": "s" }));
    assert!(error.contains("data.score") && error.contains("data.second"), "{error}");
    let error = refused("text,s\nx,1\n", json!({ "score": "s", "label": "s", "second": "s" }));
    assert!(error.contains("data.score"), "{error}");
}

/// Rows without targets, for masking.
pub(crate) fn bare(rows: usize) -> Box<dyn DataSource> {
    let rows: Vec<String> = (0..rows).map(|row| format!("word{row:03}")).collect();
    let table = format!("text\n{}\n", rows.join("\n"));
    let more = json!({ "context": 12, "header": true, "validation_fraction": 0.25 });
    open(&table, &more).unwrap()
}
