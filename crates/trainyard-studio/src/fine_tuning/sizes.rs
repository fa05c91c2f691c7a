//! What memory and time of a fine-tuning follow from.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use trainyard_plan::Precision;

use super::form::Method;

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
}

impl Sizes {
    /// The arguments with which `trainyard` says what it needs, and writes its profile.
    #[must_use]
    pub fn arguments(&self, profile: &Path) -> Vec<OsString> {
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
        };
        let words = |sizes: &Sizes| {
            let words = sizes.arguments(Path::new("p.json")).into_iter();
            words.map(|it| it.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            words(&sizes),
            "fit --json --method lora --batch 4 --rank 8 --context 64 --save-profile p.json -- -a model"
        );
        let (method, precision) = (Method::Full, Precision::Bf16);
        let full = Sizes { method, precision, context: None, ..sizes };
        assert_eq!(
            words(&full),
            "fit --json --method full --batch 4 --precision bf16 --save-profile p.json -- -a model"
        );
    }
}
