//! Small models of the registry and their data, for every test.
#![allow(dead_code, reason = "every test binary uses its own part")]

#[path = "../../../trainyard-engine/tests/adapter/mod.rs"]
pub(crate) mod adapter;
#[path = "../../../trainyard-engine/tests/partitions/mod.rs"]
pub(crate) mod partitions;

use burn::tensor::TensorData;
use trainyard_engine::{MeanSquaredError, MicroBatch, mix};
use trainyard_models::{Gpt, GptOptions, Mlp, MlpOptions, gpt};

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
    let model = Gpt::new(options, Some(VOCABULARY)).unwrap();
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
