//! What memory and time of a fine-tuning follow from.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use trainyard_plan::Precision;

use super::form::Method;
use crate::run_file::{self, Entry, quoted};

/// The part of a form that the board follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The model.
    pub model: PathBuf,
    /// Which weights train.
    pub method: Method,
    /// Numbers between an adapter's two products.
    pub rank: u64,
    /// The numbers in which cards compute products.
    pub precision: Precision,
    /// Positions of a row; as the program has it where nothing is said.
    pub context: Option<u64>,
    /// Rows of a step.
    pub batch: u64,
    /// On which devices; what the program takes of the machine where there are none.
    pub devices: Vec<Entry>,
}

impl Sizes {
    /// The text of a run file that names the devices; none where the program takes what the machine has.
    #[must_use]
    pub fn run_file(&self) -> Option<String> {
        let model = quoted(&self.model.to_string_lossy());
        let mut text = format!("[model]\nkind = \"hf\"\npath = {model}\n");
        run_file::devices(&mut text, &self.devices);
        (!self.devices.is_empty()).then_some(text)
    }

    /// The arguments with which `trainyard` says what it needs, and writes its profile. `run_file` is where
    /// [`Self::run_file`] is.
    #[must_use]
    pub fn arguments(&self, run_file: &Path, profile: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["fit".into(), "--json".into()];
        arguments.extend(["--method".into(), self.method.text().into()]);
        arguments.extend(["--batch".into(), self.batch.to_string().into()]);
        if self.method != Method::Full {
            arguments.extend(["--rank".into(), self.rank.to_string().into()]);
        }
        if !self.precision.is_f32() {
            arguments.extend(["--precision".into(), self.precision.text().into()]);
        }
        if let Some(context) = self.context {
            arguments.extend(["--context".into(), context.to_string().into()]);
        }
        if !self.devices.is_empty() {
            arguments.extend(["--devices-of".into(), run_file.into()]);
        }
        arguments.extend([
            "--save-profile".into(),
            profile.into(),
            "--".into(),
            self.model.clone().into(),
        ]);
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_what_a_person_would_type() {
        let sizes = Sizes {
            model: "-a model".into(),
            method: Method::Lora,
            rank: 8,
            precision: Precision::F32,
            context: Some(64),
            batch: 4,
            devices: Vec::new(),
        };
        let words = |sizes: &Sizes| {
            let words = sizes.arguments(Path::new("run.toml"), Path::new("p.json")).into_iter();
            words.map(|it| it.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            words(&sizes),
            "fit --json --method lora --batch 4 --rank 8 --context 64 --save-profile p.json -- -a model"
        );
        let (method, precision) = (Method::Full, Precision::Bf16);
        assert_eq!(sizes.run_file(), None);
        let full = Sizes { method, precision, context: None, ..sizes };
        assert_eq!(
            words(&full),
            "fit --json --method full --batch 4 --precision bf16 --save-profile p.json -- -a model"
        );
        let adapter = "vulkan:X".to_owned();
        let device = Entry { id: "dgpu".into(), adapter, memory_bytes: Some(8 << 30) };
        let one = Sizes { devices: vec![device], ..full };
        assert!(words(&one).contains(" --devices-of run.toml --save-profile p.json "));
        let table: toml::Table = one.run_file().unwrap().parse().unwrap();
        assert_eq!(table["device"][0]["adapter"].as_str(), Some("vulkan:X"));
        assert_eq!(table["device"][0]["memory"].as_str(), Some("8192 MiB"));
    }
}
