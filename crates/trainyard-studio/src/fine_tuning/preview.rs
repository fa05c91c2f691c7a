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
    /// What is worth knowing of them, in words.
    #[serde(default)]
    pub remarks: Vec<String>,
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
    /// Where several share a row, the tokens with which each begins.
    #[serde(default)]
    pub starts: Vec<usize>,
    /// What an encoder is asked for in the place of each token that is to be learned.
    #[serde(default)]
    pub answers: Vec<String>,
    /// What is to be learned of the whole: a class, or a score.
    #[serde(default)]
    pub target: Option<String>,
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

    /// Each token's text, whether it is to be learned, and what it should be where another stands in its place.
    pub fn shown(&self) -> impl Iterator<Item = (&str, bool, Option<&str>)> {
        let mut answers = self.answers.iter();
        self.texts.iter().zip(&self.counts).map(move |(text, counts)| {
            let answer = if *counts { answers.next() } else { None };
            (text.as_str(), *counts, answer.map(String::as_str))
        })
    }

    /// Its text, cut where what counts begins and ends. Each of several that share a row has a line of its own.
    #[must_use]
    pub fn pieces(&self) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        for (at, (text, counts, answer)) in self.shown().enumerate() {
            if at > 0 && self.starts.contains(&at) {
                pieces.push(Piece { counts: false, text: "\n".to_owned() });
            }
            let text = match answer {
                Some(answer) => format!("{text} = {answer}"),
                None => text.to_owned(),
            };
            match pieces.last_mut() {
                Some(last) if last.counts == counts && answer.is_none() => {
                    last.text.push_str(&text);
                }
                _ => pieces.push(Piece { counts, text }),
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
        let masked = br#"{"source": "t", "remarks": ["2 rows were cut"], "samples": [{"tokens": [1, 4, 3, 1, 5],
            "texts": ["[CLS]", " [MASK]", " [MASK]", "[CLS]", " b"], "counts": [false, true, true, false, false],
            "answers": ["a", "c"], "starts": [0, 3], "target": "good"}]}"#;
        let preview = Preview::of_json(masked).unwrap();
        let sample = &preview.samples[0];
        let pieces = [
            piece(false, "[CLS]"),
            piece(true, " [MASK] = a"),
            piece(true, " [MASK] = c"),
            piece(false, "\n[CLS] b"),
        ];
        assert_eq!(sample.pieces(), pieces);
        assert_eq!((sample.target.as_deref(), preview.remarks.len()), (Some("good"), 1));
        let short = br#"{"source": "s", "samples": [{"tokens": [1], "texts": [], "counts": []}]}"#;
        assert!(Preview::of_json(short).is_err());
        assert!(Preview::of_json(b"nothing").unwrap_err().contains("did not show samples"));
    }
}
