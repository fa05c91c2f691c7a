//! Rows of an encoder for `trainyard preview`: what is to be learned stands in the tokens' places, or is one thing of the
//! whole row.

use trainyard_data::{Batch, DataSource, HostTensor, IGNORED, SEGMENTS};

use super::preview::{Sample, of_tokens, texts};

/// The rows of a batch; None where each token is to be learned from those before it.
pub(super) fn samples(source: &dyn DataSource, batch: &Batch) -> Option<Vec<Sample>> {
    let (tokens, width) = of_tokens(batch, "tokens")?;
    let targets = of_tokens(batch, "targets").map(|(targets, _)| targets);
    if targets.is_some() && !source.learns_in_place() {
        return None;
    }
    let segments = of_tokens(batch, SEGMENTS).map(|(segments, _)| segments);
    let row = |row: usize| {
        let of_row = |values: &[i32]| -> Vec<i32> {
            values.iter().skip(row * width).take(width).copied().collect()
        };
        let segments = segments.map_or_else(|| vec![1; width], of_row);
        let sample = sample(source, of_row(tokens), &segments, targets.map(of_row));
        Sample { target: target(source, batch, row), ..sample }
    };
    Some((0..batch.rows).map(row).collect())
}

/// A row without what it is filled up with.
fn sample(
    source: &dyn DataSource,
    mut tokens: Vec<i32>,
    segments: &[i32],
    targets: Option<Vec<i32>>,
) -> Sample {
    let length = segments.iter().take_while(|segment| **segment > 0).count();
    tokens.truncate(length);
    let targets = targets.unwrap_or_default();
    let wanted = |at: usize| targets.get(at).copied().filter(|target| *target != IGNORED);
    let answers: Vec<i32> = (0..length).filter_map(wanted).collect();
    let begins = |at: &usize| *at == 0 || segments.get(*at) != segments.get(at - 1);
    let starts: Vec<usize> = (0..length).filter(begins).collect();
    let texts_of = |tokens: &[i32]| -> Vec<String> {
        // Each by itself, where it does not matter what comes before.
        tokens.iter().map(|token| texts(source, &[*token]).concat()).collect()
    };
    let written = texts(source, &tokens);
    Sample {
        counts: (0..length).map(|at| wanted(at).is_some()).collect(),
        text: written.concat(),
        texts: written,
        tokens,
        answers: texts_of(&answers),
        starts: if starts.len() > 1 { starts } else { Vec::new() },
        target: None,
    }
}

/// What is to be learned of a whole row.
fn target(source: &dyn DataSource, batch: &Batch, row: usize) -> Option<String> {
    match batch.get("targets")? {
        HostTensor::I32 { values, shape } if shape.len() == 1 => {
            let class = usize::try_from(*values.get(row)?).ok()?;
            Some(source.info().classes.get(class).cloned().unwrap_or_else(|| class.to_string()))
        }
        HostTensor::F32 { values, shape } if shape.len() == 1 => Some(values.get(row)?.to_string()),
        _ => None,
    }
}
