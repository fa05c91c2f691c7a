//! A part of the batch, on the host.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::TensorData;
use trainyard_plan::Slice;

use crate::{EngineError, ForwardContext, HostTensors};

/// A part of the batch, on the host: some of its rows, or a slice of their context.
#[derive(Clone, Debug, Default)]
pub struct MicroBatch {
    /// Its tensors by name; the first dimension of each is rows.
    pub tensors: HostTensors,
    /// How many rows.
    pub rows: usize,
    /// The slice of the rows' context that it is; the first of one where they are whole.
    pub slice: Slice,
    /// Positions of the context before it; 0 where rows are whole.
    pub offset: usize,
}

impl MicroBatch {
    /// A micro-batch of `rows` rows without tensors.
    pub fn new(rows: usize) -> Self {
        Self { rows, ..Self::default() }
    }

    /// One tensor more.
    #[must_use]
    pub fn with(mut self, name: &str, data: TensorData) -> Self {
        self.tensors.push((name.into(), data));
        self
    }

    /// A tensor, if there is one of that name.
    pub fn tensor(&self, name: &str) -> Option<&TensorData> {
        self.tensors.iter().find(|(known, _)| &**known == name).map(|(_, data)| data)
    }

    /// Length of the context, the second dimension of its tensors.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] where there is none, or not the same one in all of them.
    pub fn context(&self) -> Result<usize, EngineError> {
        let context = |data: &TensorData| data.shape().as_slice().get(1).copied();
        let first = self.tensors.first().and_then(|(_, data)| context(data));
        match self.tensors.iter().find(|(_, data)| context(data) != first) {
            None if first.is_some() => Ok(first.unwrap_or(0)),
            other => Err(EngineError::WrongTensor {
                expected: "tensors [rows, context, …] with one context, to be cut along it"
                    .to_owned(),
                found: match other.or(self.tensors.first()) {
                    Some((name, data)) => format!("'{name}' {:?}", data.shape().as_slice()),
                    None => "none".to_owned(),
                },
            }),
        }
    }

    /// How much it counts beside others that are cut alike: its rows, where it is a slice times its positions.
    pub fn weight(&self) -> f64 {
        let positions = if self.slice.of > 1 { self.context().unwrap_or(1) } else { 1 };
        self.rows as f64 * positions as f64
    }

    /// Its rows cut along their context into slices, as equal as possible, the longer ones first.
    ///
    /// # Errors
    /// As [`Self::context`]; [`EngineError::WrongTensor`] for a context of fewer positions.
    pub fn cut(self, slices: usize) -> Result<Vec<Self>, EngineError> {
        if slices == 1 {
            return Ok(vec![self]);
        }
        let context = self.context()?;
        if slices == 0 || slices > context {
            return Err(EngineError::WrongTensor {
                expected: format!("a context that can be cut into {slices} slices"),
                found: format!("one of {context} positions"),
            });
        }
        let mut offset = 0;
        let slice = |index| {
            let length = context / slices + usize::from(index < context % slices);
            let positions = offset..offset + length;
            let tensors = self.tensors.iter();
            let tensors =
                tensors.map(|(name, data)| (Arc::clone(name), along_context(data, &positions)));
            let slice = Slice { index, of: slices };
            offset += length;
            Self { tensors: tensors.collect(), rows: self.rows, slice, offset: positions.start }
        };
        Ok((0..slices).map(slice).collect())
    }

    /// What a forward is told of it when the model is used.
    pub(crate) fn evaluation_context(&self) -> ForwardContext {
        ForwardContext { slice: self.slice, offset: self.offset, ..ForwardContext::default() }
    }

    /// Copies of some tensors.
    pub(crate) fn tensors_of(&self, names: &[Arc<str>]) -> Result<HostTensors, EngineError> {
        let find = |name: &Arc<str>| {
            let data = self.tensor(name).ok_or_else(|| self.missing(name))?;
            Ok((Arc::clone(name), data.clone()))
        };
        names.iter().map(find).collect()
    }

    fn missing(&self, name: &str) -> EngineError {
        let held: Vec<&str> = self.tensors.iter().map(|(name, _)| &**name).collect();
        EngineError::WrongTensor {
            expected: format!("a tensor '{name}' in the batch"),
            found: if held.is_empty() { "none".to_owned() } else { held.join(", ") },
        }
    }
}

/// Some positions of a tensor `[rows, context, …]`.
fn along_context(data: &TensorData, positions: &Range<usize>) -> TensorData {
    let mut shape = data.shape().as_slice().to_vec();
    let (rows, context) = (shape[0].max(1), shape[1].max(1));
    let bytes = data.as_bytes();
    let row = bytes.len() / rows;
    let of_row = positions.start * row / context..positions.end * row / context;
    let cut: Vec<u8> =
        bytes.chunks(row.max(1)).flat_map(|row| &row[of_row.clone()]).copied().collect();
    shape[1] = positions.len();
    TensorData::from_bytes_vec(cut, shape, data.dtype())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> MicroBatch {
        let tokens = TensorData::new((0..10).collect::<Vec<i32>>(), [2, 5]);
        let targets = TensorData::new((0..20).map(|n| n as f32).collect::<Vec<f32>>(), [2, 5, 2]);
        MicroBatch::new(2).with("tokens", tokens).with("targets", targets)
    }

    #[test]
    fn rows_are_cut_along_their_context() {
        let slices = batch().cut(2).unwrap();
        let places: Vec<_> = slices.iter().map(|cut| (cut.slice.index, cut.offset)).collect();
        assert_eq!(places, [(0, 0), (1, 3)]);
        let tokens = |at: usize| slices[at].tensor("tokens").unwrap();
        assert_eq!(tokens(0), &TensorData::new(vec![0_i32, 1, 2, 5, 6, 7], [2, 3]));
        assert_eq!(tokens(1), &TensorData::new(vec![3_i32, 4, 8, 9], [2, 2]));
        let targets = slices[1].tensor("targets").unwrap();
        let expected = vec![6.0_f32, 7.0, 8.0, 9.0, 16.0, 17.0, 18.0, 19.0];
        assert_eq!(targets, &TensorData::new(expected, [2, 2, 2]));
        assert!(slices.iter().all(|cut| cut.rows == 2 && cut.slice.of == 2));
        let weights: Vec<f64> = slices.iter().map(MicroBatch::weight).collect();
        assert_eq!((batch().weight(), weights), (2.0, vec![6.0, 4.0]));
    }

    #[test]
    fn what_has_no_context_is_refused() {
        let error = |batch: MicroBatch, slices| batch.cut(slices).unwrap_err().to_string();
        let flat = batch().with("labels", TensorData::new(vec![1_i32, 2], [2]));
        assert!(error(flat.clone(), 2).contains("'labels' [2]"), "{}", error(flat, 2));
        let other = batch().with("mask", TensorData::new(vec![1_i32; 8], [2, 4]));
        assert!(error(other.clone(), 2).contains("'mask' [2, 4]"), "{}", error(other, 2));
        assert!(error(batch(), 6).contains("one of 5 positions"), "{}", error(batch(), 6));
        assert!(error(MicroBatch::new(1), 2).contains("none"));
        assert_eq!(batch().cut(1).unwrap().len(), 1);
    }
}
