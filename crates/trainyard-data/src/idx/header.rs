//! The header of an IDX file, checked against the size of the file.

use crate::error::DataError;
use crate::files::Stored;

/// Element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl Element {
    fn of_code(code: u8) -> Option<Self> {
        Some(match code {
            0x08 => Self::U8,
            0x09 => Self::I8,
            0x0b => Self::I16,
            0x0c => Self::I32,
            0x0d => Self::F32,
            0x0e => Self::F64,
            _ => return None,
        })
    }

    /// Bytes of an element.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Words for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::U8 => "unsigned bytes",
            Self::I8 => "signed bytes",
            Self::I16 => "16-bit integers",
            Self::I32 => "32-bit integers",
            Self::F32 => "32-bit floats",
            Self::F64 => "64-bit floats",
        }
    }
}

/// Element type and sizes, samples first; there is at least one dimension.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) element: Element,
    pub(super) sizes: Vec<usize>,
}

impl Header {
    /// Reads the header of a file whose size is what the header says.
    pub(super) fn read(stored: &Stored) -> Result<Self, DataError> {
        let bad = |what: String| {
            let reason = format!("{what}; name a whole IDX file, such as MNIST's");
            DataError::bad_file(stored.path(), reason)
        };
        let mut start = [0; 4];
        if stored.bytes() < start.len() as u64 {
            return Err(bad(format!("it has {} bytes, too few for an IDX file", stored.bytes())));
        }
        stored.read_at(0, &mut start)?;
        let (Some(element), [0, 0, _, 1..=u8::MAX]) = (Element::of_code(start[2]), start) else {
            return Err(bad(format!("it begins with the bytes {start:02x?}, as no IDX file does")));
        };
        let dimensions = usize::from(start[3]);
        let mut sizes = vec![0; 4 * dimensions];
        let offset = 4 + sizes.len() as u64;
        if stored.bytes() < offset {
            return Err(bad(format!("it ends within its header of {offset} bytes")));
        }
        stored.read_at(4, &mut sizes)?;
        let sizes: Vec<usize> = sizes
            .chunks_exact(4)
            .map(|size| size.iter().fold(0, |all, &byte| all << 8 | usize::from(byte)))
            .collect();
        let bytes = sizes
            .iter()
            .try_fold(element.bytes() as u64, |all, &size| all.checked_mul(size as u64))
            .and_then(|bytes| bytes.checked_add(offset));
        if bytes != Some(stored.bytes()) {
            let claimed =
                bytes.map_or_else(|| "more than 2⁶⁴".to_owned(), |bytes| bytes.to_string());
            let found = stored.bytes();
            return Err(bad(format!(
                "its header says {sizes:?}, which takes {claimed} bytes, but it has {found}"
            )));
        }
        Ok(Self { element, sizes })
    }

    /// Offset of the first element.
    pub(super) fn data_offset(&self) -> u64 {
        4 + 4 * self.sizes.len() as u64
    }

    /// Elements of a sample.
    pub(super) fn row_elements(&self) -> usize {
        self.sizes[1..].iter().product()
    }
}
