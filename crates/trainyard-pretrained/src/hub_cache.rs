//! Models that were downloaded by Hugging Face's tools, by their names.

use std::path::{Path, PathBuf};

use crate::error::PretrainedError;

/// The path itself where there is something, or the folder of a downloaded model of this name. Of a path
/// the last two parts are the name: one in a run file begins with the folder of that file.
///
/// # Errors
/// [`PretrainedError::NoModel`] where there is neither.
pub fn find(model: &Path) -> Result<PathBuf, PretrainedError> {
    if model.exists() {
        return Ok(model.to_owned());
    }
    let mut parts = model.iter().rev().filter_map(|part| part.to_str());
    let downloaded = match (parts.next(), parts.next()) {
        (Some(model), Some(owner)) => in_hub_cache(&format!("{owner}/{model}")),
        _ => None,
    };
    downloaded.ok_or_else(|| PretrainedError::NoModel {
        path: model.to_owned(),
        reason: "there is no such file or folder, and no downloaded model of this name".to_owned(),
    })
}

/// The folder of a model such as `HuggingFaceTB/SmolLM2-135M` in the cache that the environment names
/// (`HF_HUB_CACHE`, else `HF_HOME`, else `~/.cache/huggingface`); None where it was not downloaded.
pub fn in_hub_cache(name: &str) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = variable("HF_HUB_CACHE").map(PathBuf::from);
    let home = || variable("HF_HOME").map(PathBuf::from);
    let user = || Some(std::env::home_dir()?.join(".cache").join("huggingface"));
    let folder = folder.or_else(|| Some(home().or_else(user)?.join("hub")))?;
    snapshot(&folder, name)
}

/// The newest whole snapshot of a model, as `main` names it, or the only one there is.
fn snapshot(cache: &Path, name: &str) -> Option<PathBuf> {
    let (owner, model) = name.split_once('/')?;
    let is_word = |word: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !word.is_empty() && !word.starts_with('.') && word.chars().all(allowed)
    };
    if !(is_word(owner) && is_word(model)) {
        return None;
    }
    let folder = cache.join(format!("models--{owner}--{model}"));
    let snapshots = folder.join("snapshots");
    let main = std::fs::read_to_string(folder.join("refs").join("main")).ok();
    let named = main.map(|commit| snapshots.join(commit.trim()));
    let is_there = |path: &PathBuf| path.join("config.json").is_file();
    named.filter(is_there).or_else(|| {
        let all = std::fs::read_dir(&snapshots).ok()?;
        all.filter_map(|entry| Some(entry.ok()?.path())).find(is_there)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_downloaded_model_is_found_by_its_name() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("models--a--b-1.5");
        let (old, new) = (folder.join("snapshots/0123"), folder.join("snapshots/abcd"));
        for snapshot in [&old, &new] {
            fs::create_dir_all(snapshot).unwrap();
            fs::write(snapshot.join("config.json"), "{}").unwrap();
        }
        fs::create_dir_all(folder.join("refs")).unwrap();
        fs::write(folder.join("refs/main"), "abcd\n").unwrap();
        assert_eq!(snapshot(cache.path(), "a/b-1.5"), Some(new.clone()));
        fs::remove_file(new.join("config.json")).unwrap();
        assert_eq!(snapshot(cache.path(), "a/b-1.5"), Some(old));
        for name in ["a/c", "b-1.5", "../a", "a/../b", "a/b/c", ""] {
            assert_eq!(snapshot(cache.path(), name), None, "{name}");
        }
    }
}
