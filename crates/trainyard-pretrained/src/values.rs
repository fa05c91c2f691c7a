//! Values of weights, by the names of Hugging Face layout, whatever file they lie in.

use crate::blocks::{READABLE, decode};
use crate::error::PretrainedError;
use crate::gguf::{InGguf, in_gguf};
use crate::layout::bare;
use crate::mapping::MappedBytes;
use crate::open::{Format, Pretrained};
use crate::stored::Stored;
use crate::weight::{Element, Weight};

/// A weight as its file has it: mapped, not copied.
#[derive(Clone, Debug)]
pub struct RawWeight {
    /// How its numbers are stored.
    pub element: Element,
    /// Sizes of its dimensions in the file, the slowest first.
    pub shape: Vec<u64>,
    bytes: MappedBytes,
    stored: Stored,
}

impl RawWeight {
    /// All of it, in the file's order.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many rows it has: the product of all sizes but the last, which is a row's; of a vector, each number
    /// is a row.
    pub fn rows(&self) -> u64 {
        match self.shape.as_slice() {
            [numbers] => *numbers,
            [rows @ .., _] => rows.iter().fold(1, |all, size| all.saturating_mul(*size)),
            [] => 1,
        }
    }

    /// Stored bytes of a row by its place in Hugging Face's layout, in whose order a file need not have rows;
    /// None beyond the last, and where a row is no whole blocks. Of a weight that
    /// [is transposed](Self::is_transposed) it is a column there.
    pub fn row(&self, row: u64) -> Option<&[u8]> {
        let rows = self.rows();
        let bytes = usize::try_from(self.bytes.len() as u64 / rows.max(1)).ok()?;
        let is_whole = (bytes as u64).is_multiple_of(self.element.block_bytes());
        let start = usize::try_from(self.stored.row(row, rows)).ok()?.checked_mul(bytes)?;
        self.bytes.get(start..start.checked_add(bytes)?).filter(|_| row < rows && is_whole)
    }

    /// Whether its rows are columns in Hugging Face's layout, as GPT-2's products are in GGUF files.
    pub fn is_transposed(&self) -> bool {
        self.stored == Stored::Transposed
    }

    /// What has been added to every number: 1 for gains of Gemma in GGUF files, else 0.
    pub fn added(&self) -> f32 {
        if self.stored == Stored::PlusOne { 1.0 } else { 0.0 }
    }

    /// Its numbers in Hugging Face's layout; None where there is something wrong with its sizes.
    fn values(&self) -> Option<Vec<f32>> {
        let numbers =
            self.bytes.len() as u64 / self.element.block_bytes() * self.element.block_numbers();
        let numbers = usize::try_from(numbers).ok()?;
        let mut values = vec![0.0; numbers];
        let rows = self.rows();
        let width = numbers / usize::try_from(rows.max(1)).ok()?;
        match self.stored {
            Stored::AsIs | Stored::PlusOne => {
                decode(self.element, &self.bytes, &mut values);
                if self.stored == Stored::PlusOne {
                    for value in &mut values {
                        *value -= 1.0;
                    }
                }
            }
            Stored::Interleaved { .. } | Stored::ByKind { .. } => {
                for (row, values) in (0..rows).zip(values.chunks_exact_mut(width.max(1))) {
                    decode(self.element, self.row(row)?, values);
                }
            }
            Stored::Transposed => {
                let mut column = vec![0.0; width];
                for row in 0..rows {
                    decode(self.element, self.row(row)?, &mut column);
                    let places = values.iter_mut().skip(row as usize).step_by(rows as usize);
                    places.zip(&column).for_each(|(value, number)| *value = *number);
                }
            }
        }
        Some(values)
    }
}

impl Pretrained {
    /// Whether the files have a weight of a name in Hugging Face layout.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// A weight by its name in Hugging Face layout, as its file has it: blocks of quantised numbers can be
    /// used as they are. The class's prefix may be missing in the name, in the file, or in neither.
    ///
    /// # Errors
    /// [`PretrainedError::NoWeight`] for one that is missing; [`PretrainedError::BadWeight`] for one of
    /// another shape than the config says; [`PretrainedError::Io`] and [`PretrainedError::BadFile`] for a file
    /// that cannot be read, or has been cut.
    pub fn raw(&self, name: &str) -> Result<RawWeight, PretrainedError> {
        let (weight, stored) = self.find(name).ok_or_else(|| self.missing(name))?;
        if let Some(problem) = self.problems.iter().find(|problem| problem.name() == weight.name)
            && problem.is_of_shape()
        {
            return Err(self.bad(weight, problem.to_string()));
        }
        let bytes = self.files.bytes(weight)?;
        let (element, shape) = (weight.element, weight.shape.clone());
        let raw = RawWeight { element, shape, bytes, stored };
        if !stored.divides(raw.rows()) {
            let (name, rows) = (&weight.name, raw.rows());
            return Err(self.bad(weight, format!("{name} has {rows} rows, which no heads divide")));
        }
        Ok(raw)
    }

    /// Numbers of a weight by its name in Hugging Face layout, in the layout and order that it has there,
    /// whatever file it lies in: blocks are turned into numbers, llama.cpp's order of rows is undone.
    ///
    /// Nothing but these numbers takes memory beside the mapped file.
    ///
    /// # Errors
    /// As [`Self::raw`]; [`PretrainedError::BadWeight`] for numbers that are stored in a way that cannot be
    /// read.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, PretrainedError> {
        let raw = self.raw(name)?;
        let refused = |reason: String| match self.find(name) {
            Some((weight, _)) => self.bad(weight, format!("{} {reason}", weight.name)),
            None => self.missing(name),
        };
        if !decode(raw.element, &[], &mut []) {
            let element = raw.element.name();
            return Err(refused(format!("is stored as {element}; {READABLE} can be read")));
        }
        raw.values().ok_or_else(|| refused("has rows that are no whole blocks".to_owned()))
    }

    /// The weight of a name, and the order of its numbers in its file.
    fn find(&self, name: &str) -> Option<(&Weight, Stored)> {
        if !self.has_weights {
            return None;
        }
        if self.format == Format::Gguf {
            let InGguf { name, stored } = in_gguf(&self.config, name)?;
            return Some((self.weights.iter().find(|weight| weight.name == name)?, stored));
        }
        let bare_name = bare(self.config.architecture, name);
        let is_it = |weight: &&Weight| bare(self.config.architecture, &weight.name) == bare_name;
        Some((self.weights.iter().find(is_it)?, Stored::AsIs))
    }

    fn missing(&self, name: &str) -> PretrainedError {
        let of_gguf = || in_gguf(&self.config, name).map(|it| it.name).filter(|it| it != name);
        let there = if self.format == Format::Gguf { of_gguf() } else { None };
        PretrainedError::NoWeight {
            path: self.path.clone(),
            name: name.to_owned(),
            there,
            has_any: self.has_weights,
        }
    }

    fn bad(&self, weight: &Weight, reason: String) -> PretrainedError {
        PretrainedError::BadWeight { path: self.files.path(weight), reason }
    }
}
