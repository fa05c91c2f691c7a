//! Name and licence of a model, where its files tell.

use std::path::Path;

/// More of a README is not looked at, bytes.
const LOOKED_AT: usize = 1 << 16;

/// The licence that the head of a folder's README.md names, or else that there is a file of it.
pub(crate) fn licence(folder: &Path) -> Option<String> {
    let readme = std::fs::read(folder.join("README.md")).unwrap_or_default();
    let readme = String::from_utf8_lossy(readme.get(..LOOKED_AT).unwrap_or(&readme)).into_owned();
    let named = of_head(&readme, "license_name").or_else(|| of_head(&readme, "license"));
    let is_file = |name: &&str| folder.join(name).is_file();
    let in_file = || ["LICENSE", "LICENSE.txt", "LICENSE.md"].into_iter().find(is_file);
    named.or_else(|| in_file().map(|file| format!("see {file}")))
}

/// A value of the lines between two `---` at the beginning of a text.
fn of_head(text: &str, key: &str) -> Option<String> {
    let (head, _) = text.trim_start_matches('\u{feff}').strip_prefix("---")?.split_once("\n---")?;
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name == key).then(|| value.trim().trim_matches(['"', '\'']))
    })?;
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_readme_names_the_licence() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(licence(folder.path()), None);
        std::fs::write(folder.path().join("LICENSE"), "…").unwrap();
        assert_eq!(licence(folder.path()).unwrap(), "see LICENSE");
        let readme = folder.path().join("README.md");
        std::fs::write(&readme, "---\ntags: a\nlicense: apache-2.0\n---\nlicense: no\n").unwrap();
        assert_eq!(licence(folder.path()).unwrap(), "apache-2.0");
        std::fs::write(&readme, "---\nlicense: other\nlicense_name: 'gemma'\n---\n").unwrap();
        assert_eq!(licence(folder.path()).unwrap(), "gemma");
        std::fs::write(&readme, "license: mit\n").unwrap();
        assert_eq!(licence(folder.path()).unwrap(), "see LICENSE");
    }
}
