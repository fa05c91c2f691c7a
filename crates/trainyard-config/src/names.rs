//! Names: how a section is written, the nearest of several to one that is wrong.

/// Whether a section may stand in a file several times, as a list.
pub(crate) fn is_list(section: &str) -> bool {
    ["device", "optimizer.group"].contains(&section)
}

/// How a section is written.
pub(crate) fn heading(section: &str) -> String {
    if is_list(section) { format!("[[{section}]]") } else { format!("[{section}]") }
}

/// The candidate that is a slip of the fingers away, if one is.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase().replace('-', "_");
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "x"?`, or nothing.
pub(crate) fn did_you_mean<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    nearest(name, candidates).map_or_else(String::new, |near| format!("; did you mean {near:?}?"))
}

/// Names with commas between.
pub fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
