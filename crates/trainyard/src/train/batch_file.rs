//! The batches of a training in a file, as they were trained on: for whoever wants to train on the same
//! with something else.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use trainyard_data::{Batch, HostTensor};

use crate::error::RunError;

/// A file with an object a step: `step`, and each tensor of its batch by its name, a list of numbers a row.
pub struct BatchFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl BatchFile {
    /// Refuses a place where something lies already, unless it is to be gone on with.
    ///
    /// # Errors
    /// [`RunError::BadValue`].
    pub(crate) fn check(path: &Path, goes_on: bool) -> Result<(), RunError> {
        if goes_on || !path.exists() {
            return Ok(());
        }
        Err(RunError::BadValue {
            key: "--dump-batches".to_owned(),
            value: path.display().to_string(),
            must: "a file that is not there yet".to_owned(),
        })
    }

    /// Begins a file, or goes on with one that is there.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub(crate) fn open(path: &Path) -> Result<Self, RunError> {
        let file = File::options().create(true).append(true).open(path);
        let file = BufWriter::new(file.map_err(RunError::io("write", path))?);
        Ok(Self { path: path.to_owned(), file })
    }

    /// Adds the batch of a step.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub(super) fn write(&mut self, step: u64, batch: &Batch) -> Result<(), RunError> {
        let tensors = batch.tensors.iter().map(|(name, tensor)| (name.clone(), rows(tensor)));
        let line: Map<String, Value> =
            [("step".to_owned(), step.into())].into_iter().chain(tensors).collect();
        let written = serde_json::to_writer(&mut self.file, &line).map_err(Into::into);
        let written = written.and_then(|()| self.file.write_all(b"\n"));
        written.and_then(|()| self.file.flush()).map_err(RunError::io("write", &self.path))
    }
}

/// A list of numbers a row.
fn rows(tensor: &HostTensor) -> Value {
    let width = tensor.elements().checked_div(tensor.rows()).unwrap_or(0).max(1);
    match tensor {
        HostTensor::F32 { values, .. } => values.chunks(width).map(Value::from).collect(),
        HostTensor::I32 { values, .. } => values.chunks(width).map(Value::from).collect(),
        HostTensor::Bool { values, .. } => values.chunks(width).map(Value::from).collect(),
    }
}
