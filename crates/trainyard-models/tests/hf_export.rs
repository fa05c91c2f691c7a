//! Encoders that are written are files as `transformers` writes them: the same names, shapes and numbers, and the same
//! class.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use trainyard_models::hf::{EncoderHead, EncoderTask, HfModel, MergedWeights};
use trainyard_pretrained::{DENSE, Element, Pooling, Pretrained, PretrainedError};

use common::expected::folder;

const CLASSES: usize = 5;

/// A checkpoint that `transformers` has written, as a model for a task.
fn model(name: &str, head: EncoderHead) -> HfModel {
    let pretrained = Arc::new(Pretrained::open(&folder(name)).unwrap());
    let task = EncoderTask { head, dropout: 0.0, segments: true, types: false };
    HfModel::encoder(pretrained, 12, task).unwrap()
}

/// Writes it as if nothing had been trained, but for its last layer where that has a place of its own.
fn write(model: &HfModel, to: &Path, head: &BTreeMap<&str, Vec<f32>>) -> Pretrained {
    let labels: Vec<String> = (0..CLASSES).map(|class| format!("class {class}")).collect();
    let weights = MergedWeights::new(model, &labels);
    let last = model.pretrained().config.blocks as usize + 1;
    let mut values = |name: &str| {
        let trained = &mut |layer: usize, path: &str| {
            let own = head.get(path).filter(|_| layer == last);
            Ok::<_, PretrainedError>(own.cloned())
        };
        weights.values(name, trained)
    };
    model.pretrained().write_folder(to, Element::F32, weights.written(), &mut values).unwrap();
    Pretrained::open(to).unwrap()
}

fn class(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["architectures"][0].as_str().unwrap().to_owned()
}

/// Names, shapes and numbers of all weights, in the order of their names.
fn weights(model: &Pretrained) -> BTreeMap<String, (Vec<u64>, Vec<f32>)> {
    let all = model.weights.iter();
    all.map(|it| (it.name.clone(), (it.shape.clone(), model.values(&it.name).unwrap()))).collect()
}

#[test]
fn encoders_with_heads_are_written_as_transformers_writes_them() {
    let dir = tempfile::tempdir().unwrap();
    let classes = EncoderHead::Classes { classes: CLASSES, pooling: Pooling::First };
    for (name, head) in [
        ("bert", EncoderHead::Masked),
        ("roberta", EncoderHead::Masked),
        ("distilbert", EncoderHead::Masked),
        ("bert_classes", classes),
        ("roberta_classes", classes),
        ("distilbert_classes", classes),
    ] {
        let to = dir.path().join(name);
        std::fs::create_dir(&to).unwrap();
        let model = model(name, head);
        let written = write(&model, &to, &BTreeMap::new());
        assert_eq!(weights(&written), weights(model.pretrained()), "{name}");
        assert_eq!(class(&to), class(&folder(name)));
        assert!(written.problems.is_empty());
        let labels = if head == classes { CLASSES } else { 0 };
        assert_eq!(written.config.labels.len(), labels, "{name}");
    }
}

#[test]
fn an_encoder_without_a_head_of_its_own_is_the_bare_model_and_what_follows() {
    let dir = tempfile::tempdir().unwrap();
    let classes = EncoderHead::Classes { classes: CLASSES, pooling: Pooling::Mean };
    for (name, of) in [
        ("bert_classes", "BertModel"),
        ("roberta_classes", "RobertaModel"),
        ("distilbert_classes", "DistilBertModel"),
    ] {
        let to = dir.path().join(name);
        std::fs::create_dir(&to).unwrap();
        let model = model(name, classes);
        let width = model.pretrained().config.width as usize;
        let own =
            [("classes.weight", vec![0.5; CLASSES * width]), ("classes.bias", vec![2.0; CLASSES])];
        let written = write(&model, &to, &own.iter().cloned().collect());
        assert_eq!(class(&to), of);
        assert_eq!(written.pooling().unwrap(), Some(Pooling::Mean));
        assert_eq!(written.values(&format!("{DENSE}linear.bias")).unwrap(), own[1].1);
        let all = weights(&written);
        let before = weights(model.pretrained());
        for (name, weight) in &all {
            if !name.starts_with(DENSE) {
                let is_it = |(of, _): &(&String, _)| of.split_once('.').unwrap().1 == name;
                assert_eq!(Some(weight), before.iter().find(is_it).map(|it| it.1), "{name}");
            }
        }
        // As the files stand the head is the one that was written.
        let again = self::model_of(written, classes);
        let names = again.names(again.pretrained().config.blocks as usize + 1);
        let names: Vec<&str> = names.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["2_Dense.linear.weight", "2_Dense.linear.bias"]);
    }
}

fn model_of(pretrained: Pretrained, head: EncoderHead) -> HfModel {
    let task = EncoderTask { head, dropout: 0.0, segments: true, types: false };
    HfModel::encoder(Arc::new(pretrained), 12, task).unwrap()
}

#[test]
fn modules_that_change_a_vector_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path();
    let head = EncoderHead::Classes { classes: CLASSES, pooling: Pooling::Mean };
    let model = model("bert_classes", head);
    let width = model.pretrained().config.width as usize;
    let own =
        [("classes.weight", vec![0.5; CLASSES * width]), ("classes.bias", vec![2.0; CLASSES])];
    let written = write(&model, to, &own.into_iter().collect());
    assert_eq!(written.pooling().unwrap(), Some(Pooling::Mean));
    let changed = |file: &str, from: &str, into: &str| {
        let path = to.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replace(from, into)).unwrap();
        let again = Pretrained::open(to).unwrap();
        let has_dense = again.has(&format!("{DENSE}linear.weight"));
        let pooling = again.pooling().map_err(|error| error.to_string());
        std::fs::write(&path, text).unwrap();
        (pooling, has_dense)
    };
    let (bent, has_dense) = changed("2_Dense/config.json", "linear.Identity", "activation.Tanh");
    let said = bent.unwrap_err();
    assert!(said.contains("a module = Dense, which is not supported"), "{said}");
    assert!(!has_dense);
    let (other, _) = changed("modules.json", "models.Pooling", "models.LSTM");
    assert!(other.unwrap_err().contains("a module = LSTM"));
    let mode = "\"pooling_mode\": \"cls\", \"word_embedding";
    let (newer, has_dense) = changed("1_Pooling/config.json", "\"word_embedding", mode);
    assert_eq!((newer.unwrap(), has_dense), (Some(Pooling::First), true));
}
