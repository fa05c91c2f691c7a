//! The checkpoints of a run: which there are, which is the newest, and which may go.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use trainyard_engine::checkpoint;

use super::atomic::UNFINISHED;
use super::{LATEST, RunDir, entries, write_atomic};
use crate::error::RunError;
use crate::journal::read_what_is_sound;
use crate::validations::Validations;

const CHECKPOINTS: &str = "checkpoints";
pub(super) const STEP: &str = "step-";
impl RunDir {
    /// Where the checkpoint after a step belongs.
    #[must_use]
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.path().join(Self::checkpoint_name(step))
    }

    /// The same, relative to the run directory, as journals and `latest` name it.
    #[must_use]
    pub fn checkpoint_name(step: u64) -> String {
        format!("{CHECKPOINTS}/{STEP}{step:06}")
    }

    pub(super) fn checkpoints_dir(&self) -> PathBuf {
        self.path().join(CHECKPOINTS)
    }

    /// The checkpoints by step, oldest first.
    ///
    /// # Errors
    /// [`RunError::Io`] if the directory cannot be read.
    pub fn checkpoints(&self) -> Result<Vec<(u64, PathBuf)>, RunError> {
        let mut found = Vec::new();
        for path in entries(&self.checkpoints_dir())? {
            if let Some(step) = step_of(&path)
                && path.is_dir()
            {
                found.push((step, path));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Names the newest checkpoint, once it is whole.
    ///
    /// # Errors
    /// [`RunError::BadLatest`] if there is no such checkpoint, [`RunError::Io`].
    pub fn set_latest(&self, step: u64) -> Result<(), RunError> {
        let name = Self::checkpoint_name(step);
        self.check_latest(&name)?;
        write_atomic(&self.path().join(LATEST), format!("{name}\n").as_bytes())
    }

    /// The checkpoint that `latest` names and its step; `None` if there is no `latest`.
    ///
    /// # Errors
    /// [`RunError::BadLatest`] if `latest` leads nowhere, [`RunError::Io`].
    pub fn latest(&self) -> Result<Option<(u64, PathBuf)>, RunError> {
        let path = self.path().join(LATEST);
        match fs::read(&path) {
            Ok(bytes) => self.check_latest(String::from_utf8_lossy(&bytes).trim()).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RunError::io("read", path)(error)),
        }
    }

    /// The validations, as the journal has them.
    ///
    /// # Errors
    /// As [`read_what_is_sound`].
    pub fn validations(&self) -> Result<Validations, RunError> {
        let mut validations = Validations::default();
        read_what_is_sound(self.path(), |record| validations.push(&record))?;
        Ok(validations)
    }

    /// Removes the oldest checkpoints until `keep` are left. The one that `latest` names stays, and
    /// so do the newest, those that are to stay for another reason, and those that somebody reads.
    ///
    /// # Errors
    /// [`RunError::BadLatest`], before anything is removed; [`RunError::Io`].
    pub fn prune_checkpoints(&self, keep: usize, also: &BTreeSet<u64>) -> Result<(), RunError> {
        let latest = self.latest()?.map(|(step, _)| step);
        let mut all = self.checkpoints()?;
        // Later ones are of before the run went back: they are not of those that are kept, and stay.
        all.retain(|(step, _)| latest.is_none_or(|latest| *step <= latest));
        let excess = all.len().saturating_sub(keep.max(1));
        for (step, path) in all.iter().take(excess) {
            if Some(*step) == latest || also.contains(step) {
                continue;
            }
            // Closed at once: Windows renames no folder with an open file.
            if File::open(path.join(MANIFEST)).is_ok_and(|manifest| is_held(&manifest)) {
                continue;
            }
            // Renamed first: half a checkpoint must never look like a whole one.
            let mut unfinished = path.clone().into_os_string();
            unfinished.push(UNFINISHED);
            let remove =
                fs::rename(path, &unfinished).and_then(|()| fs::remove_dir_all(&unfinished));
            remove.map_err(RunError::io("remove the old checkpoint", path))?;
        }
        Ok(())
    }

    /// The step and path of a checkpoint named in `latest`.
    fn check_latest(&self, name: &str) -> Result<(u64, PathBuf), RunError> {
        let bad = |reason: &str| RunError::BadLatest {
            path: self.path().join(LATEST),
            found: name.to_owned(),
            reason: reason.to_owned(),
        };
        let path = self.path().join(name);
        // A name that says anything but a step is refused, so it cannot lead out of the directory.
        let step = step_of(&path).filter(|step| name == Self::checkpoint_name(*step));
        let step = step.ok_or_else(|| bad("is not the name of a checkpoint"))?;
        if path.is_dir() {
            return Ok((step, path));
        }
        // A crash came just when it was to be replaced.
        let older = checkpoint::older_ones(&self.checkpoints_dir()).unwrap_or_default();
        let older = older.into_iter().find(|older| older.with_extension("") == path);
        older.map(|older| (step, older)).ok_or_else(|| bad("does not exist"))
    }
}

pub(super) const MANIFEST: &str = "manifest.json";

/// Whether somebody holds a checkpoint.
fn is_held(manifest: &File) -> bool {
    matches!(manifest.try_lock(), Err(fs::TryLockError::WouldBlock))
}

/// The step a checkpoint's name says.
pub(super) fn step_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_prefix(STEP)?;
    let plain = digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}
