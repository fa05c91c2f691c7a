//! The names a run file may use, and the refusal of any other with a hint.

use crate::document::Document;
use crate::error::ConfigError;
use crate::key::KeyGroup;
use crate::kinds::{KINDS, choose};
use crate::moved::is_moved;
use crate::names::{heading, list, nearest};
use crate::sections;

/// The sections of a run file, and the keys of each.
pub(crate) struct Known {
    sections: Vec<KnownSection>,
}

struct KnownSection {
    name: &'static str,
    keys: Vec<&'static str>,
    /// The kind whose keys these are.
    kind: Option<&'static str>,
    /// Whether it takes any key, because nobody knows its kind here.
    open: bool,
}

impl Known {
    /// What a document may say, given the kinds it chose.
    pub(crate) fn of(document: &Document, groups: &[KeyGroup]) -> Self {
        let of_kinds = KINDS.iter().map(|of| {
            let section = document.section(of.section);
            let chosen = section.and_then(|section| choose(of, &section, groups));
            let group = chosen.as_ref().ok().and_then(|chosen| chosen.group);
            let mut keys = of.common.to_vec();
            keys.extend(group.iter().flat_map(KeyGroup::names));
            let known = groups.iter().filter(|group| group.section == of.section);
            // Without a kind any kind's key is right, and a wrong kind is met later.
            let open = chosen.is_err() || known.clone().next().is_none();
            if group.is_none() {
                keys.extend(known.flat_map(KeyGroup::names));
            }
            KnownSection { name: of.section, keys, kind: group.map(|group| group.kind), open }
        });
        let fixed = sections::groups().into_iter().map(|group| KnownSection {
            name: group.section,
            keys: group.names(),
            kind: None,
            open: false,
        });
        Self { sections: of_kinds.chain(fixed).collect() }
    }

    fn section(&self, name: &str) -> Option<&KnownSection> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Refuses the first name that no section knows.
    pub(crate) fn check(&self, document: &Document) -> Result<(), ConfigError> {
        let mut paths: Vec<_> = document.places.iter().collect();
        paths.sort_by_key(|(_, place)| (place.source, place.key.start));
        for (path, place) in paths {
            // A `--set` may name what lies in something that nobody has written down.
            let new = |length: &usize| {
                *length == path.len() || !document.places.contains_key(&path[..*length])
            };
            for length in (1..=path.len()).filter(new) {
                let Some(what) = self.unknown(document, &path[..length]) else { continue };
                return Err(document.problem(place.source, place.key.clone(), "unknown", |at| {
                    format!("{} ({at}); {}", what.0, what.1)
                }));
            }
        }
        Ok(())
    }

    /// What is unknown about a name, and a hint; nothing for a name that is known, or that lies in
    /// an unknown one.
    fn unknown(&self, document: &Document, path: &[String]) -> Option<(String, String)> {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        match names[..] {
            [section] if self.section(section).is_none() => {
                let value = document.value(&[section]);
                let is_section = value.is_some_and(|value| value.is_table() || value.is_array());
                let what = if is_section { "section" } else { "key" };
                Some((format!("unknown {what} '{section}'"), self.hint_for_section(section)))
            }
            // An entry of [[device]] itself has a number where others have a key.
            ["device", _] => None,
            ["device", _, key] => self.unknown_key("device", key),
            ["optimizer", "group", _, key] => self.unknown_key("optimizer.group", key),
            [section, key] => self.unknown_key(section, key),
            _ => None,
        }
    }

    /// The same for a key of a section; nothing where the section itself is unknown.
    fn unknown_key(&self, section: &str, key: &str) -> Option<(String, String)> {
        let section = self.section(section)?;
        if section.takes(key) || self.is_alias(section, key) {
            return None;
        }
        let what = format!("unknown key '{key}' in {}", heading(section.name));
        Some((what, self.hint_for_key(section, key)))
    }

    /// Whether a key may still stand where it was before it moved.
    fn is_alias(&self, section: &KnownSection, key: &str) -> bool {
        let optimizer = self.section("optimizer");
        is_moved(section.name, key) && optimizer.is_some_and(|optimizer| optimizer.takes(key))
    }

    /// The end of a message about an unknown section.
    fn hint_for_section(&self, name: &str) -> String {
        if let Some(home) = self.home_of(name) {
            return format!("it belongs in {}", heading(home));
        }
        let names = || self.sections.iter().map(|section| section.name);
        match nearest(name, names()) {
            Some(section) => format!("did you mean {}?", heading(section)),
            None => format!("there are: {}", list(names())),
        }
    }

    /// The end of a message about an unknown key in a known section.
    fn hint_for_key(&self, section: &KnownSection, name: &str) -> String {
        if let Some(key) = nearest(name, section.keys.iter().copied()) {
            return format!("did you mean '{key}'?");
        }
        if let Some(home) = self.home_of(name) {
            return format!("it belongs in {}", heading(home));
        }
        let common =
            KINDS.iter().find(|of| of.section == section.name).map_or(&[][..], |it| it.common);
        let keys = list(section.keys.iter().copied().filter(|key| !common.contains(key)));
        match section.kind {
            Some(kind) => format!("'{kind}' takes: {keys}"),
            None => format!("there are: {}", list(section.keys.iter().copied())),
        }
    }

    /// The section that has a key.
    fn home_of(&self, key: &str) -> Option<&'static str> {
        let has = |section: &&KnownSection| key != "kind" && section.keys.contains(&key);
        self.sections.iter().find(has).map(|section| section.name)
    }
}

impl KnownSection {
    fn takes(&self, key: &str) -> bool {
        self.open || self.keys.contains(&key)
    }
}
