//! The run file of a fine-tuning.

use std::fmt::Write as _;

use super::check::Wanted;
use super::form::{DataKind, Learned, Method};
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
    let data = quoted(&wanted.data.to_string_lossy());
    let _ = writeln!(text, "\n[data]\n{} = {data}", wanted.kind.text());
    if wanted.kind == DataKind::Chat && wanted.learned != Learned::Answers {
        let _ = writeln!(text, "train_on = {}", quoted(wanted.learned.text()));
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
    devices(&mut text, &wanted.devices);
    text
}

#[cfg(test)]
mod tests {
    use super::super::form::Form;
    use super::*;
    use crate::run_file::Entry;

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
