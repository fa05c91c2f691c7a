//! What can be wrong with the files of a pretrained model.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A model that cannot be read, or that is not one of those that are known.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PretrainedError {
    /// A file or folder that cannot be read.
    #[error("{path} cannot be read: {error}", path = .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file that cannot be written.
    #[error("{path} cannot be written: {error}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A path that leads to no model.
    #[error(
        "{path} is no model: {reason}; name a folder with a config.json, as Hugging Face has them, or a \
         .gguf file",
        path = .path.display()
    )]
    NoModel {
        /// The path.
        path: PathBuf,
        /// What is there.
        reason: String,
    },
    /// A model that Hugging Face's hub does not give.
    #[error(
        "{name} cannot be downloaded: {reason}; check its name and the connection, and log in by `hf auth login` where \
         a model asks for that"
    )]
    Download {
        /// Its name on the hub.
        name: String,
        /// What went wrong.
        reason: String,
    },
    /// A file that is damaged, or is not what its name says.
    #[error("{path}: {reason}", path = .path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A weight that no file has.
    #[error(
        "{path} has no weight {name}{there}{why}",
        path = .path.display(),
        there = .there.as_ref().map(|there| format!(" (there {there})")).unwrap_or_default(),
        why = if *.has_any { "; `trainyard inspect` says what is missing or has another name" } else {
            ", but the config of a model alone; put its weights beside it"
        }
    )]
    NoWeight {
        /// The model.
        path: PathBuf,
        /// Its name in Hugging Face layout.
        name: String,
        /// Its name in such files, where that is another.
        there: Option<String>,
        /// Whether there are weights at all.
        has_any: bool,
    },
    /// A weight that is not as the config says, or stored in a way that cannot be read.
    #[error("{path}: {reason}", path = .path.display())]
    BadWeight {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it, with its name.
        reason: String,
    },
    /// A chat for a model that has no template for it.
    #[error(
        "{path} has no chat template; name a file with one by data.template, or take a model that was trained for chats",
        path = .path.display()
    )]
    NoChatTemplate {
        /// The folder or file of the tokenizer.
        path: PathBuf,
    },
    /// A model of a kind that is not known.
    #[error("{path} is a '{name}' model, which is not known; known are {known}", path = .path.display())]
    UnknownArchitecture {
        /// The file that says so.
        path: PathBuf,
        /// How it calls the architecture.
        name: String,
        /// Those that are known.
        known: String,
    },
    /// An option of a config that would change what the model computes.
    #[error("{path} has {key} = {value}, which is not supported; {remedy}", path = .path.display())]
    Unsupported {
        /// The file that says so.
        path: PathBuf,
        /// The option.
        key: String,
        /// Its value, as text.
        value: String,
        /// The way out.
        remedy: String,
    },
}

impl PretrainedError {
    /// A failed operation on a file or folder.
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |error| Self::Io { path: path.to_owned(), error }
    }

    pub(crate) fn written(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |error| Self::Write { path: path.to_owned(), error }
    }

    pub(crate) fn bad_file(path: &Path, reason: impl Into<String>) -> Self {
        Self::BadFile { path: path.to_owned(), reason: reason.into() }
    }
}
