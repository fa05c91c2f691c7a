//! A BERT with weights by chance, whose heads fit kernels of ours and whose rows are whole blocks.

use std::sync::Arc;

use burn::tensor::TensorData;
use trainyard_engine::{CrossEntropy, MicroBatch};
use trainyard_models::cross_entropy;
use trainyard_models::hf::{EncoderHead, EncoderTask, HfModel};
use trainyard_pretrained::{Pooling, Pretrained};

use super::partitions::{ROWS, Subject, random_ints};
use super::random_files;

pub(crate) const CONTEXT: usize = 12;
pub(crate) const VOCABULARY: usize = 37;
const CLASSES: usize = 5;

/// It tells classes of rows that are filled up; `change` says what is otherwise.
pub(crate) fn encoder(change: impl FnOnce(HfModel) -> HfModel) -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let sizes = (32, 2, VOCABULARY as u64, CONTEXT as u64);
    let pretrained = random_files::bert(folder.path(), sizes);
    // The file stays in the address space when it is gone.
    assert!(!pretrained.fingerprint().is_empty());
    subject(change(of_classes(pretrained, 0.1)))
}

/// A model that tells classes, with a dropout.
pub(crate) fn of_classes(pretrained: Pretrained, dropout: f64) -> HfModel {
    let head = EncoderHead::Classes { classes: CLASSES, pooling: Pooling::Mean };
    let task = EncoderTask { head, dropout, segments: true, types: false };
    HfModel::encoder(Arc::new(pretrained), CONTEXT, task).unwrap()
}

/// On rows of texts of unlike lengths.
pub(crate) fn subject(model: HfModel) -> Subject {
    let objective = CrossEntropy { kernel: cross_entropy, ..CrossEntropy::default() };
    Subject::new(model, objective, |step| {
        let is_text = |at: usize| i32::from(at % CONTEXT < CONTEXT - at / CONTEXT);
        let segments: Vec<i32> = (0..ROWS * CONTEXT).map(is_text).collect();
        MicroBatch::new(ROWS)
            .with("tokens", random_ints([ROWS, CONTEXT], VOCABULARY, &[step, 0]))
            .with("segments", TensorData::new(segments, [ROWS, CONTEXT]))
            .with("targets", random_ints([ROWS], CLASSES, &[step, 1]))
    })
}
