//! Writing GGUF files, version 3 (llama.cpp's `docs/gguf.md`).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::blocks::encode;
use crate::error::PretrainedError;
use crate::gguf::{MAGIC, number_of};
use crate::weight::Element;

/// Tensors begin at multiples of this, bytes: the format's own default.
const ALIGNMENT: u64 = 32;

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Datum {
    U32(u32),
    F32(f32),
    Flag(bool),
    Text(String),
    Texts(Vec<String>),
    I32s(Vec<i32>),
    F32s(Vec<f32>),
}

/// A tensor as it is to be written.
#[derive(Clone, Debug)]
pub(super) struct NewTensor {
    pub(super) name: String,
    /// Sizes of its dimensions, the slowest first.
    pub(super) shape: Vec<u64>,
    pub(super) element: Element,
}

impl NewTensor {
    fn refused(&self) -> String {
        let Self { name, shape, element } = self;
        format!("{name} cannot be {shape:?} in {}", element.name())
    }
}

/// Writes a file. `values` gives the numbers of each tensor by its place in the list, one after the other.
///
/// # Errors
/// [`PretrainedError::Io`]; whatever `values` fails with; [`PretrainedError::BadFile`] for numbers that are not
/// as many as the shape says.
pub(super) fn write<E: From<PretrainedError>>(
    path: &Path,
    metadata: &[(String, Datum)],
    tensors: &[NewTensor],
    values: &mut dyn FnMut(usize) -> Result<Vec<f32>, E>,
) -> Result<(), E> {
    let io = || PretrainedError::written(path);
    let refused = |tensor: &NewTensor| PretrainedError::bad_file(path, tensor.refused());
    let head = head(metadata, tensors).map_err(|reason| PretrainedError::bad_file(path, reason))?;
    let mut out = BufWriter::new(File::create(path).map_err(io())?);
    out.write_all(&head).map_err(io())?;
    pad(&mut out, head.len() as u64).map_err(io())?;
    for (at, tensor) in tensors.iter().enumerate() {
        let bytes = encode(tensor.element, &values(at)?).ok_or_else(|| refused(tensor))?;
        if tensor.element.bytes_of(&tensor.shape) != Some(bytes.len() as u64) {
            return Err(refused(tensor).into());
        }
        out.write_all(&bytes).map_err(io())?;
        pad(&mut out, bytes.len() as u64).map_err(io())?;
    }
    out.flush().map_err(io())?;
    out.get_ref().sync_all().map_err(io())?;
    Ok(())
}

fn pad(out: &mut impl Write, written: u64) -> io::Result<()> {
    let missing = written.next_multiple_of(ALIGNMENT) - written;
    out.write_all(&[0; ALIGNMENT as usize][..missing as usize])
}

/// All before the numbers.
///
/// # Errors
/// In words, for a tensor that cannot be stored as asked.
pub(super) fn head(metadata: &[(String, Datum)], tensors: &[NewTensor]) -> Result<Vec<u8>, String> {
    let mut head = MAGIC.to_vec();
    head.extend(3_u32.to_le_bytes());
    head.extend((tensors.len() as u64).to_le_bytes());
    head.extend((metadata.len() as u64).to_le_bytes());
    for (key, datum) in metadata {
        text(&mut head, key);
        let (kind, list) = kind(datum);
        if list {
            head.extend(9_u32.to_le_bytes());
        }
        head.extend(kind.to_le_bytes());
        put(&mut head, datum);
    }
    let mut offset = 0_u64;
    for tensor in tensors {
        text(&mut head, &tensor.name);
        head.extend((tensor.shape.len() as u32).to_le_bytes());
        // The fastest first.
        tensor.shape.iter().rev().for_each(|size| head.extend(size.to_le_bytes()));
        head.extend(number_of(tensor.element).ok_or_else(|| tensor.refused())?.to_le_bytes());
        head.extend(offset.to_le_bytes());
        let bytes = tensor.element.bytes_of(&tensor.shape);
        let end = bytes.and_then(|bytes| offset.checked_add(bytes));
        let end = end.and_then(|end| end.checked_next_multiple_of(ALIGNMENT));
        offset = end.ok_or_else(|| tensor.refused())?;
    }
    Ok(head)
}

/// The format's number of a type, and whether it is a list of such.
fn kind(datum: &Datum) -> (u32, bool) {
    match datum {
        Datum::U32(_) => (4, false),
        Datum::I32s(_) => (5, true),
        Datum::F32(_) => (6, false),
        Datum::F32s(_) => (6, true),
        Datum::Flag(_) => (7, false),
        Datum::Text(_) => (8, false),
        Datum::Texts(_) => (8, true),
    }
}

fn put(head: &mut Vec<u8>, datum: &Datum) {
    let length = |head: &mut Vec<u8>, length: usize| head.extend((length as u64).to_le_bytes());
    match datum {
        Datum::U32(number) => head.extend(number.to_le_bytes()),
        Datum::F32(number) => head.extend(number.to_le_bytes()),
        Datum::Flag(flag) => head.push(u8::from(*flag)),
        Datum::Text(it) => text(head, it),
        Datum::Texts(all) => {
            length(head, all.len());
            for it in all {
                text(head, it);
            }
        }
        Datum::I32s(all) => {
            length(head, all.len());
            head.extend(all.iter().flat_map(|number| number.to_le_bytes()));
        }
        Datum::F32s(all) => {
            length(head, all.len());
            head.extend(all.iter().flat_map(|number| number.to_le_bytes()));
        }
    }
}

fn text(head: &mut Vec<u8>, text: &str) {
    head.extend((text.len() as u64).to_le_bytes());
    head.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::Gguf;

    #[test]
    fn a_written_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        let metadata = [
            ("general.architecture", Datum::Text("llama".to_owned())),
            ("llama.block_count", Datum::U32(2)),
            ("llama.rope.freq_base", Datum::F32(1e5)),
            ("tokenizer.ggml.add_bos_token", Datum::Flag(true)),
            ("tokenizer.ggml.tokens", Datum::Texts(vec!["a".to_owned(), "ß".to_owned()])),
            ("tokenizer.ggml.token_type", Datum::I32s(vec![1, 3])),
            ("tokenizer.ggml.scores", Datum::F32s(vec![0.0, -1.0])),
        ];
        let metadata = metadata.map(|(key, datum)| (key.to_owned(), datum));
        let tensor = |name: &str, shape: &[u64], element| NewTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            element,
        };
        let tensors = [
            tensor("blk.0.attn_norm.weight", &[3], Element::F32),
            tensor("blk.0.attn_q.weight", &[2, 32], Element::Q8_0),
            tensor("output.weight", &[2, 3], Element::F16),
        ];
        let values = |at: usize| vec![vec![1.0; 3], vec![0.5; 64], vec![2.0; 6]].swap_remove(at);
        let each = &mut |at| Ok::<_, PretrainedError>(values(at));
        write(&path, &metadata, &tensors, each).unwrap();
        let read = Gguf::open(&path).unwrap();
        assert_eq!(read.text("general.architecture"), Some("llama"));
        assert_eq!(read.number("llama.block_count"), Some(2));
        assert_eq!(read.float("llama.rope.freq_base"), Some(1e5));
        assert_eq!(read.tokens(), Some(2));
        let bytes = std::fs::read(&path).unwrap();
        for (at, (read, written)) in read.weights.iter().zip(&tensors).enumerate() {
            assert_eq!((&read.name, &read.shape), (&written.name, &written.shape));
            let range = read.offset as usize..(read.offset + read.bytes) as usize;
            let mut numbers = vec![0.0; read.numbers() as usize];
            assert!(crate::blocks::decode(read.element, &bytes[range], &mut numbers));
            for (number, expected) in numbers.iter().zip(values(at)) {
                assert!((number - expected).abs() < 1e-3);
            }
        }
        assert_eq!(read.weights.len(), 3);
        let three = &mut |_| Ok::<_, PretrainedError>(vec![0.0; 3]);
        let wrong = write(&path, &metadata, &tensors, three).unwrap_err();
        assert!(
            wrong.to_string().contains("blk.0.attn_q.weight cannot be [2, 32] in q8_0"),
            "{wrong}"
        );
    }
}
