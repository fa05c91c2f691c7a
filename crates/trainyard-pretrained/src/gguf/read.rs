//! The values of a GGUF file, one after the other. Numbers are little-endian.

use std::io::{ErrorKind, Read};

use super::Value;
use super::element::element;
use crate::place::place;
use crate::weight::Weight;

/// No name, key or text of a metadata value is longer, bytes: the longest are templates of chats.
const LONGEST_TEXT: u64 = 16 << 20;
/// The type of a list.
pub(super) const LIST: u32 = 9;
/// A list in a list in a list … ends here.
const DEEPEST_LIST: u32 = 4;
/// ggml knows four dimensions.
const MOST_DIMENSIONS: u32 = 8;

/// Reads a file from its beginning, and knows where it is.
pub(super) struct Reader<R> {
    from: R,
    position: u64,
    size: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(from: R, size: u64) -> Self {
        Self { from, position: 0, size }
    }

    /// Bytes that were read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes of the whole file.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        let at = self.position;
        self.from.read_exact(bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => {
                format!("the file is cut off at byte {}; download it again", self.size)
            }
            _ => format!("byte {at} cannot be read: {error}"),
        })?;
        self.position = at.saturating_add(bytes.len() as u64);
        Ok(())
    }

    pub(super) fn u32(&mut self) -> Result<u32, String> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, String> {
        self.bytes().map(u64::from_le_bytes)
    }

    /// A length in bytes, then so many of UTF-8.
    pub(super) fn text(&mut self) -> Result<String, String> {
        let length = self.text_length()?;
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        // Tokens may be parts of characters; keys are not.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn text_length(&mut self) -> Result<usize, String> {
        let at = self.position;
        let length = self.u64()?;
        if length > LONGEST_TEXT.min(self.size.saturating_sub(self.position)) {
            return Err(format!(
                "at byte {at} a text of {length} bytes begins, more than there can be"
            ));
        }
        Ok(length as usize)
    }

    /// A value of a type, inside of so many lists.
    pub(super) fn value_of(&mut self, kind: u32, depth: u32) -> Result<Value, String> {
        Ok(match kind {
            0 => Value::Number(self.bytes().map(u8::from_le_bytes)?.into()),
            1 => Value::Number(self.bytes().map(i8::from_le_bytes)?.into()),
            2 => Value::Number(self.bytes().map(u16::from_le_bytes)?.into()),
            3 => Value::Number(self.bytes().map(i16::from_le_bytes)?.into()),
            4 => Value::Number(self.u32()?.into()),
            5 => Value::Number(self.bytes().map(i32::from_le_bytes)?.into()),
            6 => Value::Float(self.bytes().map(f32::from_le_bytes)?.into()),
            7 => Value::Flag(self.bytes::<1>()? != [0]),
            8 => Value::Text(self.text()?),
            LIST if depth < DEEPEST_LIST => {
                let (kind, length) = (self.u32()?, self.u64()?);
                for _ in 0..length {
                    self.skip(kind, depth + 1)?;
                }
                Value::List(length)
            }
            10 => Value::Number(self.u64()?.into()),
            11 => Value::Number(self.bytes().map(i64::from_le_bytes)?.into()),
            12 => Value::Float(self.bytes().map(f64::from_le_bytes)?),
            other => return Err(format!("a value of type {other} is not known")),
        })
    }

    /// A value that nobody asks for.
    fn skip(&mut self, kind: u32, depth: u32) -> Result<(), String> {
        self.value_of(kind, depth).map(drop)
    }

    /// A tensor's name, shape, type and place; the place counts from where all tensors begin.
    pub(super) fn tensor(&mut self) -> Result<Weight, String> {
        let name = self.text()?;
        let dimensions = self.u32()?;
        if dimensions > MOST_DIMENSIONS {
            return Err(format!("{name} has {dimensions} dimensions, more than there can be"));
        }
        let sizes: Result<Vec<u64>, String> = (0..dimensions).map(|_| self.u64()).collect();
        let mut shape = sizes?;
        // The file has the fastest first.
        shape.reverse();
        let number = self.u32()?;
        let element = element(number)
            .ok_or_else(|| format!("{name} is stored as type {number}, which is not known"))?;
        let bytes = element.bytes_of(&shape).ok_or_else(|| {
            format!(
                "{name} cannot be {shape:?} in {}: its rows are no whole blocks",
                element.name()
            )
        })?;
        let offset = self.u64()?;
        let (part, role) = place(&name);
        Ok(Weight { name, shape, element, bytes, file: None, offset, part, role })
    }
}
