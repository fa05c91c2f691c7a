//! How a file has a weight otherwise than Hugging Face's layout.

/// The order of a weight's numbers in a file, beside that of Hugging Face's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The same.
    AsIs,
    /// Rows of a head alternate between its first and its second half: llama.cpp turns pairs of neighbours
    /// by their position, where `transformers` turns a row with one half a head further.
    Interleaved {
        /// How many heads the rows are of.
        heads: u64,
    },
    /// Rows of queries of all heads, then of keys, then of values, where Hugging Face has the three of a
    /// head together.
    ByKind {
        /// How many heads there are of each.
        heads: u64,
    },
    /// Rows are columns.
    Transposed,
    /// Every number is larger by 1: gains of Gemma, which multiply by 1 + what Hugging Face has.
    PlusOne,
}

impl Stored {
    /// The shape in the file of what has a shape in Hugging Face's layout.
    pub(crate) fn shape(self, shape: &[u64]) -> Vec<u64> {
        let turned = self == Self::Transposed && shape.len() == 2;
        if turned { shape.iter().rev().copied().collect() } else { shape.to_vec() }
    }

    /// Where in the file a row of Hugging Face's layout lies, of `rows`.
    pub(crate) fn row(self, row: u64, rows: u64) -> u64 {
        match self {
            Self::Interleaved { heads } => {
                let height = (rows / heads.max(1)).max(2);
                let (head, within) = (row / height, row % height);
                let half = height / 2;
                head * height + 2 * (within % half) + within / half
            }
            Self::ByKind { heads } => {
                let height = (rows / heads.max(1) / 3).max(1);
                let (head, within) = (row / (3 * height), row % (3 * height));
                (within / height * heads + head) * height + within % height
            }
            Self::AsIs | Self::Transposed | Self::PlusOne => row,
        }
    }

    /// Whether the heads divide the rows as they must.
    pub(crate) fn divides(self, rows: u64) -> bool {
        match self {
            Self::Interleaved { heads } => heads > 0 && rows.is_multiple_of(2 * heads),
            Self::ByKind { heads } => heads > 0 && rows.is_multiple_of(3 * heads),
            Self::AsIs | Self::Transposed | Self::PlusOne => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stored;

    /// The rows of a weight as llama.cpp's converter writes them, by their place in Hugging Face's layout.
    fn written(stored: Stored, rows: u64) -> Vec<u64> {
        let mut written = vec![u64::MAX; rows as usize];
        (0..rows).for_each(|row| written[stored.row(row, rows) as usize] = row);
        written
    }

    #[test]
    fn rows_are_found_where_the_converter_puts_them() {
        // `weights.reshape(2, 2, 3).swapaxes(1, 2)` of twelve rows.
        let expected = [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11];
        assert_eq!(written(Stored::Interleaved { heads: 2 }, 12), expected);
        // `weights.reshape(2, 3, 2)`, then its three columns one after the other.
        let expected = [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11];
        assert_eq!(written(Stored::ByKind { heads: 2 }, 12), expected);
        assert_eq!(written(Stored::PlusOne, 3), [0, 1, 2]);
        assert!(!Stored::Interleaved { heads: 4 }.divides(12));
        assert!(!Stored::ByKind { heads: 0 }.divides(12));
    }
}
