//! The model that a run began with, as other programs open it.

use std::path::Path;

use trainyard_pretrained::Pretrained;

/// Where `transformers` finds a model.
pub(crate) enum Base {
    /// A name on Hugging Face's hub, or a folder of this machine.
    Named(String),
    /// A GGUF file: its folder and its name there.
    File(String, String),
}

impl Base {
    /// That of a model: its name where it was downloaded from the hub, else where it lies on this machine.
    pub(crate) fn of(model: &Pretrained) -> Self {
        let path = std::path::absolute(&model.path).unwrap_or_else(|_| model.path.clone());
        let text = |path: &Path| path.display().to_string();
        if model.path.is_dir() {
            return Self::Named(model.name_on_hub().unwrap_or_else(|| text(&path)));
        }
        let name = path.file_name().map(|name| text(name.as_ref()));
        Self::File(path.parent().map(text).unwrap_or_default(), name.unwrap_or_default())
    }

    /// The one text that PEFT keeps of it. (It opens no GGUF file by itself.)
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Named(name) => name.clone(),
            Self::File(folder, name) => Path::new(folder).join(name).display().to_string(),
        }
    }

    /// The arguments of `from_pretrained`, as Python has them.
    pub(super) fn arguments(&self) -> String {
        match self {
            Self::Named(name) => format!("{name:?}"),
            Self::File(folder, name) => format!("{folder:?}, gguf_file={name:?}"),
        }
    }
}
