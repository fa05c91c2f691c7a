//! Small models of the registry and their data, for every test.
#![allow(dead_code, reason = "every test binary uses its own part")]

pub(crate) mod adapted;
#[path = "../../../trainyard-engine/tests/adapter/mod.rs"]
pub(crate) mod adapter;
mod decoder;
pub(crate) mod encoder;
pub(crate) mod expected;
#[path = "../../../trainyard-engine/tests/partitions/mod.rs"]
pub(crate) mod partitions;
pub(crate) mod random_files;

use std::path::Path;
use std::sync::Arc;

use burn::tensor::TensorData;
use trainyard_config::{DataSection, KindSection};
use trainyard_data::{Cursor, DataSource};
use trainyard_engine::{MeanSquaredError, MicroBatch, Model, Objective, mix};
use trainyard_models::{
    Gpt, GptOptions, Mlp, MlpOptions, Recipe, Request, Tuning, gpt, micro_batch, recipes,
};

use partitions::{ROWS, Subject, random};

pub(crate) const CONTEXT: usize = 8;
pub(crate) const VOCABULARY: usize = 11;
pub(crate) const WIDTH: usize = 16;
pub(crate) const HEADS: usize = 2;
/// Layers of either model: embedding, two blocks and head; or four linear ones.
pub(crate) const LAYERS: usize = 4;

pub(crate) fn gpt(tied: bool, bias: bool, dropout: f64) -> Subject {
    let options = GptOptions {
        layers: LAYERS - 2,
        heads: HEADS,
        width: WIDTH,
        context: CONTEXT,
        vocabulary: Some(VOCABULARY),
        dropout,
        bias,
        tied,
    };
    of_tokens(Gpt::new(options, Some(VOCABULARY)).unwrap())
}

/// Norms by the root mean square, gated linear units and dropout, put together of layers of `nn`.
pub(crate) fn decoder() -> Subject {
    of_tokens(decoder::decoder())
}

/// A model of tokens on rows of them.
pub(crate) fn of_tokens(model: impl Model + 'static) -> Subject {
    // Something to learn: every token is followed by the same other token.
    Subject::new(model, gpt::objective(), |step| {
        let start = |row: usize| mix(&[step, row as u64]) as usize;
        let token =
            |row: usize, i: usize| i32::try_from((start(row) + 3 * i) % VOCABULARY).unwrap();
        let [tokens, targets] = [0, 1].map(|shift| {
            let row = |row: usize| (0..CONTEXT).map(move |i| token(row, i + shift));
            TensorData::new((0..ROWS).flat_map(row).collect::<Vec<i32>>(), [ROWS, CONTEXT])
        });
        MicroBatch::new(ROWS).with("tokens", tokens).with("targets", targets)
    })
}

pub(crate) fn mlp() -> Subject {
    let options = MlpOptions { inputs: 10, hidden: 12, outputs: 6, layers: LAYERS };
    Subject::new(Mlp::new(options), MeanSquaredError, |step| {
        let [features, targets] =
            [(0, 10), (1, 6)].map(|(kind, width)| random([ROWS, width], &[step, kind]));
        MicroBatch::new(ROWS).with("features", features).with("targets", targets)
    })
}

/// A recipe of the registry with its default options, or with small files, on data that the program makes
/// itself.
pub(crate) struct Registered {
    pub(crate) name: String,
    pub(crate) model: Arc<dyn Model>,
    pub(crate) objective: Arc<dyn Objective>,
    data: Arc<dyn DataSource>,
}

impl Registered {
    fn of(recipe: &dyn Recipe) -> Self {
        let name = recipe.group().kind.to_owned();
        let mut options = toml::Table::new();
        if name == "hf" {
            let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hf/llama");
            options.insert("path".to_owned(), files.to_str().unwrap().into());
            options.insert("context".to_owned(), 8.into());
        }
        let model = KindSection { kind: name.clone(), options };
        let text = [("builtin".to_owned(), "yard".into())].into_iter().collect();
        let sources = [(None, toml::Table::new()), (Some("text".to_owned()), text)];
        let load = |(kind, options): (Option<String>, toml::Table)| {
            let data = DataSection { kind, validation_fraction: 0.1, options };
            let tuning = Tuning::Full;
            recipe.load(&Request { model: &model, data: &data, vocabulary: None, tuning }).ok()
        };
        let job = sources.into_iter().find_map(load).unwrap();
        Self { name, model: job.model, objective: job.objective, data: job.data.unwrap() }
    }

    /// Rows of a step.
    pub(crate) fn batch(&self, step: u64, rows: usize) -> MicroBatch {
        let cursor = Cursor { seed: 1, position: step * rows as u64 };
        micro_batch(self.data.batch(cursor, rows).unwrap())
    }

    pub(crate) fn subject(self) -> Subject {
        let (model, objective) = (Arc::clone(&self.model), Arc::clone(&self.objective));
        Subject::of(model, objective, move |step| self.batch(step, ROWS))
    }
}

/// Every recipe of the registry.
pub(crate) fn registered() -> Vec<Registered> {
    recipes().into_iter().map(|recipe| Registered::of(&*recipe)).collect()
}
