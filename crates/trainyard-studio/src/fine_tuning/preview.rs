//! What the model would see of the data: `trainyard preview --json`.

use serde::Deserialize;

/// The first samples of a training.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Preview {
    /// The name of the data.
    pub source: String,
    /// Training samples of an epoch, where they have an end.
    #[serde(default)]
    pub training_samples: Option<u64>,
    /// Some of them.
    pub samples: Vec<Sample>,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Sample {
    /// Its tokens.
    pub tokens: Vec<i64>,
    /// The text of each; empty inside of a character that is spread over several.
    pub texts: Vec<String>,
    /// Whether each is to be learned.
    pub counts: Vec<bool>,
}

/// Neighbouring tokens of which all are to be learned, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Whether they are.
    pub counts: bool,
    /// Their text.
    pub text: String,
}

impl Preview {
    /// The answer of the program.
    ///
    /// # Errors
    /// In words, where it is no preview.
    pub fn of_json(answer: &[u8]) -> Result<Self, String> {
        let preview: Self = serde_json::from_slice(answer)
            .map_err(|error| format!("`trainyard preview` did not show samples: {error}"))?;
        let is_whole = |sample: &Sample| {
            let length = sample.tokens.len();
            sample.texts.len() == length && sample.counts.len() == length
        };
        if !preview.samples.iter().all(is_whole) {
            return Err("`trainyard preview` showed tokens without their text".to_owned());
        }
        Ok(preview)
    }
}

impl Sample {
    /// How many tokens are to be learned.
    #[must_use]
    pub fn learned(&self) -> usize {
        self.counts.iter().filter(|counts| **counts).count()
    }

    /// Its text, cut where what counts begins and ends.
    #[must_use]
    pub fn pieces(&self) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        for (text, counts) in self.texts.iter().zip(&self.counts) {
            match pieces.last_mut() {
                Some(last) if last.counts == *counts => last.text.push_str(text),
                _ => pieces.push(Piece { counts: *counts, text: text.clone() }),
            }
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_cut_where_what_counts_begins_and_ends() {
        let json = br#"{"source": "chats", "training_samples": 2, "samples": [{"tokens": [1, 2, 3, 4],
            "texts": ["<user>", "hi", "yes", ""], "counts": [false, false, true, true], "text": "x"}]}"#;
        let preview = Preview::of_json(json).unwrap();
        let sample = &preview.samples[0];
        let piece = |counts, text: &str| Piece { counts, text: text.to_owned() };
        assert_eq!(sample.pieces(), [piece(false, "<user>hi"), piece(true, "yes")]);
        assert_eq!(sample.learned(), 2);
        let short = br#"{"source": "s", "samples": [{"tokens": [1], "texts": [], "counts": []}]}"#;
        assert!(Preview::of_json(short).is_err());
        assert!(Preview::of_json(b"nothing").unwrap_err().contains("did not show samples"));
    }
}
