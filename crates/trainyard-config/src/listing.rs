//! The keys of run files as a page for people and as JSON: what `trainyard keys` prints.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::error::ConfigError;
use crate::key::{Key, KeyGroup, Keys};
use crate::kinds::KINDS;
use crate::names::{did_you_mean, heading, list};
use crate::sections::{self, DataKeys};
use crate::value::Choice;

/// The groups of a listing: those of the kinds, then the sections without kinds; only those of one
/// section and what lies in it where that is asked for.
///
/// # Errors
/// [`ConfigError::BadValue`] for a section that does not exist.
pub fn groups(kinds: &[KeyGroup], section: Option<&str>) -> Result<Vec<KeyGroup>, ConfigError> {
    let common = KeyGroup { keys: validation_fraction, ..KeyGroup::of::<DataKeys>("") };
    let of_kinds = KINDS.iter().flat_map(|of| {
        let common = (of.section == common.section).then_some(common);
        common.into_iter().chain(kinds.iter().filter(|group| group.section == of.section).copied())
    });
    let all: Vec<KeyGroup> = of_kinds.chain(sections::groups()).collect();
    let Some(wanted) = section else { return Ok(all) };
    let name = wanted.trim_matches(['[', ']']);
    let is_wanted = |group: &&KeyGroup| {
        let rest = group.section.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let of_section: Vec<KeyGroup> = all.iter().filter(is_wanted).copied().collect();
    if of_section.is_empty() {
        let mut names: Vec<&str> = all.iter().map(|group| group.section).collect();
        names.dedup();
        let hint = did_you_mean(name, names.iter().copied());
        return Err(ConfigError::BadValue {
            key: "the section".to_owned(),
            value: format!("'{wanted}'"),
            must: format!("one of {}{hint}", list(names.into_iter())),
        });
    }
    Ok(of_section)
}

/// `kind` is listed by the kinds.
fn validation_fraction() -> Vec<Key> {
    DataKeys::keys().into_iter().filter(|key| key.name != "kind").collect()
}

/// The page, so many characters wide: every section and kind with its keys, and of each key its type,
/// default, range and meaning.
pub fn page(groups: &[KeyGroup], width: usize) -> String {
    let mut page = Page { text: String::new(), width };
    for group in groups {
        let separator = if page.text.is_empty() { "" } else { "\n" };
        let kind = match (group.kind, group.named_by) {
            ("", _) => String::new(),
            (kind, Some(key)) => format!(" kind = \"{kind}\", or {key} = …"),
            (kind, None) => format!(" kind = \"{kind}\""),
        };
        page.line(format_args!("{separator}{}{kind}", heading(group.section)));
        page.wrap(&(group.doc)(), "");
        for key in (group.keys)() {
            page.key(&key);
        }
    }
    page.text
}

struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn key(&mut self, key: &Key) {
        let default = match (&key.default, key.derived) {
            (Some(default), _) => format!(" = {default}"),
            (None, Some(from)) => format!(" follows from {from}"),
            (None, None) => String::new(),
        };
        self.line(format_args!("\n  {}{default}", key.name));
        self.wrap(&key.doc, "      ");
        let has_docs = key.choices.iter().any(|choice| !choice.doc.is_empty());
        let kind = match &key.choices[..] {
            [] => key.kind.clone(),
            choices => {
                format!("one of {}", list(choices.iter().map(|choice| choice.name.as_str())))
            }
        };
        // Where a range is said, the type's own is not.
        let has_range = key.must.iter().any(|must| must.starts_with("from "));
        let kind = if has_range { kind.trim_end_matches(", 0 or more") } else { &kind };
        let said = [kind].into_iter().chain(key.must.iter().map(String::as_str));
        self.wrap(&said.collect::<Vec<_>>().join("; "), "      ");
        for Choice { name, doc } in key.choices.iter().filter(|_| has_docs) {
            self.wrap(&format!("{name}: {doc}"), "        ");
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _written = writeln!(self.text, "{line}").is_ok();
    }

    /// A text in lines of at most the page's width.
    fn wrap(&mut self, text: &str, indent: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            let length = indent.len() + line.chars().count() + 1 + word.chars().count();
            if length > self.width && !line.is_empty() {
                self.line(format_args!("{indent}{line}"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            self.line(format_args!("{indent}{line}"));
        }
    }
}

/// The same for programs.
pub fn json(groups: &[KeyGroup]) -> Value {
    let groups: Vec<Value> = groups
        .iter()
        .map(|group| {
            let keys: Vec<Value> = (group.keys)().iter().map(key_json).collect();
            json!({
                "section": group.section,
                "kind": Some(group.kind).filter(|kind| !kind.is_empty()),
                "named_by": group.named_by,
                "doc": (group.doc)(),
                "keys": keys,
            })
        })
        .collect();
    json!({"format": "trainyard-keys", "version": 1, "sections": groups})
}

fn key_json(key: &Key) -> Value {
    let choices: Vec<Value> =
        key.choices.iter().map(|choice| json!({"name": choice.name, "doc": choice.doc})).collect();
    json!({
        "name": key.name,
        "doc": key.doc,
        "type": key.kind,
        "default": key.default,
        "derived_from": key.derived,
        "must": key.must,
        "choices": choices,
    })
}
