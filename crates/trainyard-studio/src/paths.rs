//! Paths as people read them, and where a person's own files are.

use std::path::{Component, Path, PathBuf};

/// The home folder.
pub(crate) fn home() -> PathBuf {
    std::env::home_dir().unwrap_or_else(|| PathBuf::from("."))
}

/// The end of a path that mostly tells it from others: `my-run/plan.json`.
pub(crate) fn short_name(path: &Path) -> String {
    end_of(path, 2)
}

/// Short names of several paths: those that would be alike have as much more as tells them apart.
pub(crate) fn short_names<'a>(paths: impl Iterator<Item = &'a Path>) -> Vec<(&'a Path, String)> {
    let paths: Vec<&Path> = paths.collect();
    let name = |path: &Path| {
        let is_alike = |parts| {
            let others = paths.iter().filter(|other| **other != path);
            others.into_iter().any(|other| end_of(other, parts) == end_of(path, parts))
        };
        let parts = (2..path.components().count()).find(|parts| !is_alike(*parts));
        end_of(path, parts.unwrap_or(usize::MAX))
    };
    paths.iter().map(|path| (*path, name(path))).collect()
}

/// The last `parts` parts of a path.
fn end_of(path: &Path, parts: usize) -> String {
    let all = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    let all: Vec<_> = all.collect();
    let end = all.get(all.len().saturating_sub(parts)..).unwrap_or_default();
    if end.is_empty() { path.display().to_string() } else { end.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_end_alike_are_told_apart() {
        let paths = ["/a/runs/run", "/b/runs/run", "/b/plan.json", "plan.json", "/"];
        let names = short_names(paths.iter().map(Path::new));
        let names: Vec<_> = names.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["a/runs/run", "b/runs/run", "b/plan.json", "plan.json", "/"]);
    }
}
