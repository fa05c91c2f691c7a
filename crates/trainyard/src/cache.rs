//! What was measured once and need not be measured again.
//!
//! A file a thing, named by the hash of everything it depends on, in the user's cache directory
//! (`~/.cache/trainyard` on Linux) or where `TRAINYARD_CACHE` says. Nothing depends on it: what
//! cannot be read is measured anew, and what cannot be written is not kept.

use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use trainyard_data::cache_folder;

use crate::run_dir::write_atomic;

/// To be raised whenever what is measured comes to mean something else: what was kept before is then
/// measured anew.
const MEASURING: u32 = 2;

/// Where measurements are kept.
pub(crate) struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// The user's cache.
    pub(crate) fn open() -> Self {
        Self { folder: cache_folder() }
    }

    /// Its folder, in words.
    pub(crate) fn place(&self) -> String {
        let folder = self.folder.as_ref();
        folder.map_or_else(
            || "a cache, as there is no home".to_owned(),
            |it| it.display().to_string(),
        )
    }

    /// What was kept for a key.
    pub(crate) fn read<T: DeserializeOwned>(&self, kind: &str, key: &impl Serialize) -> Option<T> {
        let text = std::fs::read_to_string(self.path(kind, key)?).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Keeps a value for a key; whether it could. A cache that cannot be written only costs time later.
    pub(crate) fn write(&self, kind: &str, key: &impl Serialize, value: &impl Serialize) -> bool {
        let Some(path) = self.path(kind, key) else { return false };
        let Ok(text) = serde_json::to_string(value) else { return false };
        let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let kept = folder.is_ok() && write_atomic(&path, text.as_bytes()).is_ok();
        tracing::debug!(path = %path.display(), kept, "measurement");
        kept
    }

    /// The program's version and features and [`MEASURING`] are part of every key: another program may
    /// compute otherwise.
    fn path(&self, kind: &str, key: &impl Serialize) -> Option<PathBuf> {
        let features = (
            cfg!(feature = "autotune"),
            cfg!(feature = "fusion"),
            cfg!(feature = "native-shaders"),
        );
        let built = (env!("CARGO_PKG_VERSION"), features, MEASURING);
        let key = serde_json::to_string(&(built, key)).ok()?;
        let hash = blake3::hash(key.as_bytes()).to_hex();
        Some(self.folder.as_ref()?.join(format!("{kind}-{}.json", &hash[..24])))
    }
}
