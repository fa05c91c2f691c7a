//! Keys that stood in another section before: both places are read for a while.

/// Keys of `[optimizer]` that were keys of `[train]` before, and may still be: `train.beta1`.
pub(crate) const MOVED: [&str; 4] = ["weight_decay", "beta1", "beta2", "epsilon"];

/// The other place in which a key may stand: the old one for a new one, and the other way round.
pub(crate) fn alias_of(section: &str, key: &str) -> Option<[&'static str; 2]> {
    let moved = MOVED.into_iter().find(|moved| *moved == key)?;
    match section {
        "optimizer" => Some(["train", moved]),
        "train" => Some(["optimizer", moved]),
        _ => None,
    }
}

/// Whether a key of `[train]` is one of `[optimizer]` under its old name.
pub(crate) fn is_moved(section: &str, key: &str) -> bool {
    section == "train" && MOVED.contains(&key)
}
