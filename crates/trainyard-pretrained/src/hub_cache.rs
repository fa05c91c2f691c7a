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
    let name = name_on_hub(model);
    let downloaded = name.as_deref().and_then(in_hub_cache);
    downloaded.ok_or_else(|| {
        let how = name.filter(|_| is_meant(model)).map(|name| {
            format!(" (`hf download {name}` gets one from Hugging Face's hub, and so does the cargo feature hub)")
        });
        let how = how.unwrap_or_default();
        PretrainedError::NoModel {
            path: model.to_owned(),
            reason: format!("there is no such file or folder, and no downloaded model of this name{how}"),
        }
    })
}

/// As [`find`]; with the cargo feature `hub` a model that is neither there nor downloaded is downloaded now, if
/// its name cannot be that of a file here.
///
/// # Errors
/// As [`find`]; [`PretrainedError::Download`].
pub fn find_or_download(model: &Path) -> Result<PathBuf, PretrainedError> {
    let found = find(model);
    #[cfg(feature = "hub")]
    if found.is_err()
        && is_meant(model)
        && let (Some(name), Some(cache)) = (name_on_hub(model), hub_cache())
    {
        return crate::hub::download(&name, &cache, None);
    }
    found
}

/// The name on the hub of a model that Hugging Face's tools have downloaded, by its folder in their cache; None for
/// another file or folder.
pub(crate) fn name_of_snapshot(model: &Path) -> Option<String> {
    // models--OWNER--NAME/snapshots/COMMIT
    let mut above = model.ancestors().skip(1);
    let is_snapshot = above.next()?.file_name()? == "snapshots";
    let folder = above.next()?.file_name()?.to_str()?.strip_prefix("models--")?;
    is_snapshot.then(|| folder.replacen("--", "/", 1))
}

/// The last two parts of a path.
fn name_on_hub(model: &Path) -> Option<String> {
    let mut parts = model.iter().rev().filter_map(|part| part.to_str());
    let (model, owner) = (parts.next()?, parts.next()?);
    Some(format!("{owner}/{model}"))
}

/// Whether they can be a name on the hub: what lies in a folder that is here is meant to be here.
fn is_meant(model: &Path) -> bool {
    let is_here = model.parent().is_some_and(Path::exists);
    !is_here && name_on_hub(model).is_some_and(|name| folder_name(&name).is_some())
}

/// The folder of a model such as `HuggingFaceTB/SmolLM2-135M` in the cache that the environment names
/// (`HF_HUB_CACHE`, else `HF_HOME`, else `~/.cache/huggingface`); None where it was not downloaded.
pub fn in_hub_cache(name: &str) -> Option<PathBuf> {
    snapshot(&hub_cache()?, name)
}

fn hub_cache() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = variable("HF_HUB_CACHE").map(PathBuf::from);
    let home = || variable("HF_HOME").map(PathBuf::from);
    let user = || Some(std::env::home_dir()?.join(".cache").join("huggingface"));
    folder.or_else(|| Some(home().or_else(user)?.join("hub")))
}

/// The newest whole snapshot of a model, as `main` names it, or the only one there is.
fn snapshot(cache: &Path, name: &str) -> Option<PathBuf> {
    let folder = cache.join(folder_name(name)?);
    let snapshots = folder.join("snapshots");
    let main = std::fs::read_to_string(folder.join("refs").join("main")).ok();
    let named = main.map(|commit| snapshots.join(commit.trim()));
    let is_there = |path: &PathBuf| path.join("config.json").is_file();
    named.filter(is_there).or_else(|| {
        let all = std::fs::read_dir(&snapshots).ok()?;
        all.filter_map(|entry| Some(entry.ok()?.path())).find(is_there)
    })
}

/// Where a cache has the snapshots of a model; None for what cannot be a name.
#[cfg(feature = "hub")]
pub(crate) fn snapshots(cache: &Path, name: &str) -> Option<PathBuf> {
    Some(cache.join(folder_name(name)?).join("snapshots"))
}

/// The folder of a model in a cache; None for what cannot be a name.
fn folder_name(name: &str) -> Option<String> {
    let (owner, model) = name.split_once('/')?;
    let is_word = |word: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !word.is_empty() && !word.starts_with('.') && word.chars().all(allowed)
    };
    (is_word(owner) && is_word(model)).then(|| format!("models--{owner}--{model}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_may_be_on_the_hub_is_said_to_be_there() {
        let here = tempfile::tempdir().unwrap();
        let said = |path: &Path| find(path).unwrap_err().to_string();
        let name = said(&here.path().join("owner/model-1.5"));
        assert!(name.contains("`hf download owner/model-1.5` gets one"), "{name}");
        // A folder that is not there, in one that is.
        let other = said(&here.path().join("model"));
        assert!(other.contains("no downloaded model of this name; name a folder"), "{other}");
    }

    #[test]
    fn a_downloaded_model_has_its_name_on_the_hub() {
        let cache = tempfile::tempdir().unwrap();
        let snapshot = cache.path().join("models--owner--model-1.5/snapshots/0123");
        fs::create_dir_all(&snapshot).unwrap();
        let of = |path: &Path| name_of_snapshot(path);
        assert_eq!(of(&snapshot).as_deref(), Some("owner/model-1.5"));
        assert_eq!(of(snapshot.parent().unwrap()), None);
        assert_eq!(of(cache.path()), None);
    }

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
