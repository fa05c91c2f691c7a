//! The names a run file may use, and the nearest of them to a name it may not.

/// The sections and their keys. `[model]` takes any key: the model registry checks them.
pub(super) const SECTIONS: &[(&str, &[&str])] = &[
    ("model", &["kind"]),
    ("data", &["text", "builtin", "validation_fraction"]),
    (
        "train",
        &[
            "steps",
            "batch",
            "micro_batches",
            "learning_rate",
            "min_learning_rate",
            "warmup",
            "schedule",
            "decay_steps",
            "weight_decay",
            "beta1",
            "beta2",
            "epsilon",
            "clip",
            "seed",
            "validate_every",
            "validate_batches",
            "validate_whole_at_end",
            "sample_tokens",
            "checkpoint_every",
            "keep_checkpoints",
        ],
    ),
    ("pipeline", &["schedule", "recompute", "lock", "plan"]),
    ("run", &["dir"]),
    ("device", &["id", "adapter", "memory", "reserve", "threads", "speed", "throttle"]),
];

/// The keys of a section; `None` if there is no such section.
pub(super) fn keys_of(section: &str) -> Option<&'static [&'static str]> {
    SECTIONS.iter().find(|(name, _)| *name == section).map(|(_, keys)| *keys)
}

/// How a section is written.
pub(super) fn heading(section: &str) -> String {
    if section == "device" { "[[device]]".to_owned() } else { format!("[{section}]") }
}

/// The end of a message about an unknown section.
pub(super) fn hint_for_section(name: &str) -> String {
    if let Some((home, _)) = SECTIONS.iter().find(|(_, keys)| keys.contains(&name)) {
        return format!("it belongs in {}", heading(home));
    }
    match nearest(name, SECTIONS.iter().map(|(section, _)| *section)) {
        Some(section) => format!("did you mean {}?", heading(section)),
        None => format!("there are: {}", list(SECTIONS.iter().map(|(section, _)| *section))),
    }
}

/// The end of a message about an unknown key in a known section.
pub(super) fn hint_for_key(section: &str, name: &str) -> String {
    let keys = keys_of(section).unwrap_or_default();
    if let Some(key) = nearest(name, keys.iter().copied()) {
        return format!("did you mean '{key}'?");
    }
    match SECTIONS.iter().find(|(_, others)| others.contains(&name)) {
        Some((home, _)) => format!("it belongs in {}", heading(home)),
        None => format!("there are: {}", list(keys.iter().copied())),
    }
}

/// The candidate that is a slip of the fingers away, if one is.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.to_lowercase().replace('-', "_");
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Names with commas between.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
