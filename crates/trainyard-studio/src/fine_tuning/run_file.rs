//! The run file of a fine-tuning.

use std::fmt::Write as _;

use super::check::Wanted;
use super::form::{DataKind, Learned, Method};
use super::texts::Texts;
use crate::run_file::{HEAD, devices, quoted};

/// Its text. `micro_batches` is into how many the batch is cut, where that is known.
#[must_use]
pub fn run_file(wanted: &Wanted, micro_batches: Option<usize>) -> String {
    let Wanted { sizes, .. } = wanted;
    let mut text = String::from(HEAD);
    // Writing to a String cannot fail.
    let _ =
        writeln!(text, "[model]\nkind = \"hf\"\npath = {}", quoted(&sizes.model.to_string_lossy()));
    if let Some(context) = sizes.context {
        let _ = writeln!(text, "context = {context}");
    }
    let is_table = wanted.kind == DataKind::Sentences;
    if is_table {
        let task = wanted.texts.task;
        let _ = writeln!(text, "task = {}", quoted(task.text()));
        if let Some(pooling) = wanted.texts.pooling.text().filter(|_| task.pools()) {
            let _ = writeln!(text, "pooling = {}", quoted(pooling));
        }
    }
    let data = quoted(&wanted.data.to_string_lossy());
    let _ = writeln!(text, "\n[data]\n{} = {data}", wanted.kind.text());
    if wanted.kind == DataKind::Chat && wanted.learned != Learned::Answers {
        let _ = writeln!(text, "train_on = {}", quoted(wanted.learned.text()));
    }
    if is_table {
        columns(&mut text, &wanted.texts);
    }
    let (method, steps, batch) = (quoted(sizes.method.text()), wanted.steps, sizes.batch);
    let _ = writeln!(text, "\n[train]\nmethod = {method}\nsteps = {steps}\nbatch = {batch}");
    if !sizes.precision.is_f32() {
        let _ = writeln!(text, "precision = {}", quoted(sizes.precision.text()));
    }
    if let Some(count) = micro_batches.filter(|count| batch.is_multiple_of((*count).max(1) as u64))
    {
        let _ = writeln!(text, "micro_batches = {count}");
    }
    let _ = writeln!(text, "learning_rate = {:?}\nwarmup = {}", wanted.learning_rate, steps / 10);
    if sizes.method != Method::Full {
        let targets: Vec<String> = wanted.targets.iter().map(|target| quoted(target)).collect();
        let _ = writeln!(
            text,
            "\n[lora]\nrank = {}\nalpha = {:?}\ntargets = [{}]",
            sizes.rank,
            wanted.alpha,
            targets.join(", ")
        );
    }
    devices(&mut text, &sizes.devices);
    text
}

/// The columns of a table.
fn columns(text: &mut String, texts: &Texts) {
    let Texts { column, second, label, score, full_score, .. } = texts;
    let named = [("column", column), ("second", second), ("label", label), ("score", score)];
    for (key, name) in named.into_iter().filter(|(_, name)| !name.is_empty()) {
        let _ = writeln!(text, "{key} = {}", quoted(name));
    }
    if !full_score.is_empty() {
        let _ = writeln!(text, "full_score = {full_score}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::form::Form;
    use super::super::texts::{Pooling, Task};
    use super::*;
    use crate::run_file::Entry;

    #[test]
    fn a_table_is_named_with_its_columns() {
        let texts = Texts {
            task: Task::Embed,
            pooling: Pooling::Mean,
            column: "one".into(),
            second: "\"other\"".into(),
            score: "how".into(),
            full_score: "5".into(),
            ..Texts::default()
        };
        let (model, data, kind) = ("/m".into(), "/d.csv".into(), DataKind::Sentences);
        let form = Form { model, kind, data, texts, ..Form::default() };
        let made: toml::Table = run_file(&form.wanted().unwrap(), None).parse().unwrap();
        let at = |section: &str, key: &str| made[section].get(key).map(ToString::to_string);
        for (section, key, value) in [
            ("model", "task", "\"embed\""),
            ("model", "pooling", "\"mean\""),
            ("data", "sentences", "\"/d.csv\""),
            ("data", "column", "\"one\""),
            ("data", "score", "\"how\""),
            ("data", "full_score", "5.0"),
        ] {
            assert_eq!(at(section, key).as_deref(), Some(value), "{section}.{key}");
        }
        assert_eq!(made["data"]["second"].as_str(), Some("\"other\""));
        assert_eq!(at("data", "label"), None);
        let texts = Texts { task: Task::Masked, ..form.texts };
        let form = Form { texts, ..form };
        let made: toml::Table = run_file(&form.wanted().unwrap(), None).parse().unwrap();
        assert!(made["model"].get("pooling").is_none() && made["data"].get("second").is_none());
    }

    #[test]
    fn it_says_what_the_form_says() {
        let form = Form {
            model: "/m/\"a\"".into(),
            data: "/d.jsonl".into(),
            targets: "q, v".into(),
            learned: Learned::All,
            context: "256".into(),
            ..Form::default()
        };
        let table = |form: &Form, micro_batches| -> toml::Table {
            run_file(&form.wanted().unwrap(), micro_batches).parse().unwrap()
        };
        let made = table(&form, Some(4));
        let at = |section: &str, key: &str| made[section].get(key).map(ToString::to_string);
        for (section, key, value) in [
            ("model", "kind", "\"hf\""),
            ("model", "context", "256"),
            ("data", "chat", "\"/d.jsonl\""),
            ("data", "train_on", "\"all\""),
            ("train", "method", "\"lora\""),
            ("train", "micro_batches", "4"),
            ("train", "learning_rate", "0.0002"),
            ("train", "warmup", "10"),
            ("lora", "alpha", "32.0"),
            ("lora", "targets", "[\"q\", \"v\"]"),
        ] {
            assert_eq!(at(section, key).as_deref(), Some(value), "{section}.{key}");
        }
        assert_eq!(made["model"]["path"].as_str(), Some("/m/\"a\""));
        assert!(made.get("device").is_none());
        let device = Entry { id: "a".into(), adapter: "cpu".into(), memory_bytes: None };
        assert!(made["train"].get("precision").is_none());
        let form =
            Form { method: Method::Full, devices: vec![device], context: String::new(), ..form };
        let made = table(&form, Some(3));
        assert!(made.get("lora").is_none() && made["model"].get("context").is_none());
        // Three do not divide the batch.
        assert!(made["train"].get("micro_batches").is_none());
        assert_eq!(made["device"].as_array().unwrap().len(), 1);
    }
}
