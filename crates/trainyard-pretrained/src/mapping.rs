//! Files of weights in the address space: each is mapped when a weight of it is first asked for, and stays so.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::Mmap;

use crate::error::PretrainedError;
use crate::weight::Weight;

/// The files of a folder, as far as they are mapped.
#[derive(Debug)]
pub(crate) struct MappedFiles {
    folder: PathBuf,
    maps: Mutex<BTreeMap<PathBuf, Arc<Mapped>>>,
}

#[derive(Debug)]
struct Mapped {
    file: File,
    map: Mmap,
}

/// Bytes of a mapped file. The system reads them from the disk when they are looked at, and may forget them
/// again; a clone is the same bytes.
#[derive(Clone, Debug)]
pub(crate) struct MappedBytes {
    mapped: Arc<Mapped>,
    range: Range<usize>,
}

impl Deref for MappedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.mapped.map.get(self.range.clone()).unwrap_or_default()
    }
}

impl MappedFiles {
    /// Those of a folder; none is opened yet.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), maps: Mutex::default() }
    }

    /// The file of a weight; the folder where it lies in none.
    pub(crate) fn path(&self, weight: &Weight) -> PathBuf {
        weight.file.as_ref().map_or_else(|| self.folder.clone(), |file| self.folder.join(file))
    }

    /// The bytes of a weight.
    ///
    /// # Errors
    /// [`PretrainedError::Io`]; [`PretrainedError::BadFile`] for a file that no longer has them.
    pub(crate) fn bytes(&self, weight: &Weight) -> Result<MappedBytes, PretrainedError> {
        let path = self.path(weight);
        let mapped = self.mapped(&path)?;
        // A file may have been cut since it was opened, or since it was mapped.
        let now = mapped.file.metadata().map_err(PretrainedError::io(&path))?.len();
        let has = now.min(mapped.map.len() as u64);
        let end = weight.offset.saturating_add(weight.bytes);
        if end > has {
            let name = &weight.name;
            let reason =
                format!("it is cut off: {name} ends at byte {end}, and the file has {has}");
            return Err(PretrainedError::bad_file(&path, reason));
        }
        Ok(MappedBytes { mapped, range: weight.offset as usize..end as usize })
    }

    fn mapped(&self, path: &Path) -> Result<Arc<Mapped>, PretrainedError> {
        let mut maps = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mapped) = maps.get(path) {
            return Ok(mapped.clone());
        }
        let file = File::open(path).map_err(PretrainedError::io(path))?;
        #[allow(
            unsafe_code,
            reason = "a file is mapped so that weights need no memory of their own"
        )]
        // SAFETY: the mapping is only read, as bytes, of which any are sound. Who changes the file of a model
        // in use changes its weights; who cuts it ends the program by a signal, as with any mapped file.
        let map = unsafe { Mmap::map(&file) }.map_err(PretrainedError::io(path))?;
        let mapped = Arc::new(Mapped { file, map });
        maps.insert(path.to_owned(), mapped.clone());
        Ok(mapped)
    }
}
