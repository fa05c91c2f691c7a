//! Sections that depend on a `kind`: which one is meant, and what its options are.

use toml::{Table, Value};

use crate::document::Document;
use crate::error::ConfigError;
use crate::key::KeyGroup;
use crate::moved::MOVED;
use crate::names::{did_you_mean, list};
use crate::section::SectionReader;

/// A section whose keys depend on its kind.
pub(crate) struct KindOf {
    pub(crate) section: &'static str,
    /// What a kind is, in messages.
    noun: &'static str,
    /// The kind where the file names none.
    pub(crate) default: Option<&'static str>,
    /// Keys that the section has under every kind.
    pub(crate) common: &'static [&'static str],
}

/// All of them.
pub(crate) const KINDS: [KindOf; 3] = [
    KindOf { section: "model", noun: "model", default: None, common: &["kind"] },
    KindOf {
        section: "data",
        noun: "data source",
        default: None,
        common: &["kind", "validation_fraction"],
    },
    KindOf {
        section: "optimizer",
        noun: "optimizer",
        default: Some("adamw"),
        common: &["kind", "group"],
    },
];

/// The key that names what a program makes itself.
const BUILTIN: &str = "builtin";

/// The keys of a section that say its kind by themselves: only one of them can be meant.
pub(crate) fn naming_keys(section: &str, groups: &[KeyGroup]) -> Vec<&'static str> {
    let of_section = groups.iter().filter(|group| group.section == section);
    of_section.filter_map(|group| group.named_by).chain([BUILTIN]).collect()
}

/// Which kind a section is of: its name, and its keys where the caller knows such kinds.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    pub(crate) kind: Option<String>,
    pub(crate) group: Option<KeyGroup>,
}

/// Finds the kind of a section: as named, as a key of it says, or the default.
pub(crate) fn choose(
    of: &KindOf,
    section: &SectionReader<'_>,
    groups: &[KeyGroup],
) -> Result<Chosen, ConfigError> {
    let groups: Vec<&KeyGroup> = groups.iter().filter(|it| it.section == of.section).collect();
    let named = section.get::<String>("kind")?;
    if named.as_ref().is_some_and(String::is_empty) {
        return Err(section.refuse(crate::BadKey {
            key: "kind".to_owned(),
            value: "empty".to_owned(),
            must: format!("the name of {} {}{}", article(of.noun), of.noun, example(&groups)),
        }));
    }
    let by_key = given_names(section, &groups)?;
    let Some(kind) = named.or_else(|| by_key.or(of.default).map(str::to_owned)) else {
        return Ok(Chosen::default());
    };
    let group = groups.iter().find(|group| group.kind == kind).map(|group| **group);
    if group.is_none() && !groups.is_empty() {
        let known = || groups.iter().map(|group| group.kind);
        let (kinds, hint) = (list(known()), did_you_mean(&kind, known()));
        return Err(section.document().problem_at(
            &[of.section, "kind"],
            &format!("this {}", of.noun),
            |at| format!("{at}: there is no {} '{kind}'; there are: {kinds}{hint}", of.noun),
        ));
    }
    Ok(Chosen { kind: Some(kind), group })
}

/// The kind that a key says by itself; two such keys contradict each other.
fn given_names(
    section: &SectionReader<'_>,
    groups: &[&KeyGroup],
) -> Result<Option<&'static str>, ConfigError> {
    let named = groups.iter().filter_map(|group| Some((group.named_by?, group.kind)));
    let mut given: Vec<_> = named.filter(|(key, _)| section.has(key)).collect();
    if let Some(kind) = given_builtin(section, groups)? {
        given.push((BUILTIN, kind));
    }
    match given[..] {
        [] => Ok(None),
        [(_, kind)] => Ok(Some(kind)),
        [(first, _), (second, _), ..] => {
            let name = groups[0].section;
            Err(section.refuse(crate::BadKey {
                key: first.to_owned(),
                value: "given twice".to_owned(),
                must: format!("given either as {name}.{first} or as {name}.{second}, not both"),
            }))
        }
    }
}

/// The kind that makes what `builtin` names.
fn given_builtin(
    section: &SectionReader<'_>,
    groups: &[&KeyGroup],
) -> Result<Option<&'static str>, ConfigError> {
    let known = || groups.iter().flat_map(|group| group.builtins).copied();
    let Some(name) = section.get::<String>(BUILTIN)?.filter(|_| known().next().is_some()) else {
        return Ok(None);
    };
    match groups.iter().find(|group| group.builtins.contains(&name.as_str())) {
        Some(group) => Ok(Some(group.kind)),
        None => Err(section.refuse(crate::BadKey {
            key: BUILTIN.to_owned(),
            value: if name.is_empty() { "empty".to_owned() } else { format!("'{name}'") },
            must: format!("one of {}{}", list(known()), did_you_mean(&name, known())),
        })),
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn example(groups: &[&KeyGroup]) -> String {
    groups.first().map_or_else(String::new, |group| format!(", such as \"{}\"", group.kind))
}

/// The message about a file that names no model.
pub(crate) fn no_model(document: &Document, groups: &[KeyGroup]) -> ConfigError {
    let kinds: Vec<String> = groups
        .iter()
        .filter(|group| group.section == "model")
        .map(|group| format!("\"{}\"", group.kind))
        .collect();
    let kinds = match &kinds[..] {
        [] => "\"NAME\"".to_owned(),
        [only] => only.clone(),
        [first, others @ ..] => format!("{first} (or {})", others.join(", ")),
    };
    let name = document.name();
    ConfigError::unplaced(format!(
        "{name} does not say which model to train; write kind = {kinds} under [model]"
    ))
}

/// The options of a section: with all defaults where its keys are known, as they stand otherwise.
pub(crate) fn options(
    of: &KindOf,
    section: &SectionReader<'_>,
    group: Option<&KeyGroup>,
) -> Result<Table, ConfigError> {
    if let Some(group) = group {
        let entries = (group.resolve)(section)?.into_iter();
        let kept = entries.filter(|entry| entry.derived.is_none());
        return Ok(kept.map(|entry| (entry.name.to_owned(), entry.value)).collect());
    }
    let mut options = section.table().cloned().unwrap_or_default();
    options.retain(|key, _| !of.common.contains(&key));
    if of.section == "optimizer" {
        for key in MOVED {
            if let Some(value) = section.document().value(&["train", key]) {
                options.entry(key).or_insert_with(|| Value::clone(value));
            }
        }
    }
    Ok(options)
}

/// Refuses a key of the optimizer that stands in both of its places.
pub(crate) fn refuse_two_places(optimizer: &SectionReader<'_>) -> Result<(), ConfigError> {
    let document = optimizer.document();
    let twice = |key: &&str| {
        [["train", *key], ["optimizer", *key]].iter().all(|path| document.value(path).is_some())
    };
    match MOVED.into_iter().find(twice) {
        None => Ok(()),
        Some(key) => Err(document.locate(ConfigError::BadValue {
            key: format!("train.{key}"),
            value: "given twice".to_owned(),
            must: format!("left out: optimizer.{key} is the same"),
        })),
    }
}
