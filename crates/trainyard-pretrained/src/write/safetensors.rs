//! Writing weights in safetensors form, one after the other.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, View};

use super::NewWeight;
use crate::blocks::encode;
use crate::error::PretrainedError;
use crate::weight::Element;

/// Writes a file. `values` gives the numbers of each weight by its name; no more than one weight's are in
/// memory.
///
/// # Errors
/// [`PretrainedError::BadFile`] for what cannot be written; whatever `values` fails with.
pub(super) fn write<E: From<PretrainedError>>(
    path: &Path,
    weights: &[NewWeight],
    element: Element,
    values: &mut dyn FnMut(&str) -> Result<Vec<f32>, E>,
) -> Result<(), E> {
    let bad = |reason: String| PretrainedError::bad_file(path, reason);
    let dtype = match element {
        Element::F32 => Dtype::F32,
        Element::F16 => Dtype::F16,
        Element::BF16 => Dtype::BF16,
        other => return Err(bad(format!("safetensors do not store {}", other.name())).into()),
    };
    // The crate's writer asks for one weight after the other, and for nothing that can fail.
    let state = RefCell::new(State { values, failed: None });
    let view = |weight: &NewWeight| {
        let shape =
            weight.shape.iter().map(|size| usize::try_from(*size)).collect::<Result<_, _>>();
        let bytes = element.bytes_of(&weight.shape).and_then(|bytes| usize::try_from(bytes).ok());
        let view = shape.ok().zip(bytes).map(|(shape, bytes)| {
            let (name, state) = (weight.name.clone(), &state);
            (weight.name.clone(), Lazy { name, shape, bytes, dtype, element, state })
        });
        view.ok_or_else(|| bad(format!("{} is too large", weight.name)))
    };
    let views = weights.iter().map(view).collect::<Result<Vec<_>, _>>()?;
    // What `transformers` asks for before it reads a file.
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let written = safetensors::serialize_to_file(views, Some(format), path);
    if let Some(error) = state.into_inner().failed {
        return Err(error);
    }
    written.map_err(|error| bad(format!("it cannot be written: {error}")).into())
}

struct State<'a, E> {
    values: &'a mut dyn FnMut(&str) -> Result<Vec<f32>, E>,
    failed: Option<E>,
}

/// A weight whose numbers are asked for when they are written.
struct Lazy<'a, 'b, E> {
    name: String,
    shape: Vec<usize>,
    bytes: usize,
    dtype: Dtype,
    element: Element,
    state: &'a RefCell<State<'b, E>>,
}

impl<E: From<PretrainedError>> View for Lazy<'_, '_, E> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut state = self.state.borrow_mut();
        let numbers =
            if state.failed.is_none() { (state.values)(&self.name) } else { Ok(Vec::new()) };
        let bytes = numbers.map(|numbers| encode(self.element, &numbers).unwrap_or_default());
        let bytes = bytes.unwrap_or_else(|error| {
            state.failed = Some(error);
            Vec::new()
        });
        if bytes.len() != self.bytes && state.failed.is_none() {
            let reason =
                format!("{} has {} bytes instead of {}", self.name, bytes.len(), self.bytes);
            state.failed = Some(PretrainedError::bad_file(self.name.as_ref(), reason).into());
        }
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes
    }
}
