//! `SentencePiece`'s vocabularies with scores as pairs that are merged: which two parts of a text become one
//! next is what the score of the one says, which is the order of a list of merges.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::parts::Parts;

/// A tokenizer of pieces with scores, the greater merged first. `merged` says of each piece whether it
/// is put together from others; a text begins with a space for it, if `add_space_prefix`.
pub(super) fn pieces(
    tokens: &[String],
    scores: &[f64],
    merged: impl Fn(usize) -> bool,
    unknown: Option<&str>,
    add_space_prefix: bool,
) -> Parts {
    let numbered = tokens.iter().zip(0_u32..);
    let vocabulary: BTreeMap<&str, u32> =
        numbered.map(|(token, id)| (token.as_str(), id)).collect();
    // Score, length of both parts, and the order in which they are found among equals.
    let mut merges = Vec::new();
    for (index, token) in tokens.iter().enumerate().filter(|(index, _)| merged(*index)) {
        let score = scores.get(index).copied().unwrap_or(0.0);
        let mut of_token = Vec::new();
        for (at, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(at);
            if let (Some(&first), Some(&second)) = (vocabulary.get(left), vocabulary.get(right)) {
                of_token.push((first, second, left, right));
            }
        }
        of_token.sort_unstable_by_key(|(first, second, ..)| (*first, *second));
        let lengths = |text: &str| text.chars().count();
        merges.extend(
            of_token
                .into_iter()
                .map(|(_, _, left, right)| (score, lengths(left), lengths(right), [left, right])),
        );
    }
    merges.sort_by(|one, other| {
        let by_score = other.0.total_cmp(&one.0);
        by_score.then_with(|| (other.1, other.2).cmp(&(one.1, one.2)))
    });
    let merges: Vec<[&str; 2]> = merges.into_iter().map(|(.., pair)| pair).collect();
    let spaces = json!({ "type": "Replace", "pattern": { "String": " " }, "content": "▁" });
    let prefix = json!({ "type": "Prepend", "prepend": "▁" });
    let mut decoders = vec![
        json!({ "type": "Replace", "pattern": { "String": "▁" }, "content": " " }),
        json!({ "type": "ByteFallback" }),
        json!({ "type": "Fuse" }),
    ];
    if add_space_prefix {
        decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    let normalizers = if add_space_prefix { vec![prefix, spaces] } else { vec![spaces] };
    let numbers = vocabulary.into_iter().map(|(token, id)| (token.to_owned(), Value::from(id)));
    Parts {
        normalizer: json!({ "type": "Sequence", "normalizers": normalizers }),
        decoder: json!({ "type": "Sequence", "decoders": decoders }),
        model: json!({
            "type": "BPE",
            "vocab": numbers.collect::<Map<_, _>>(),
            "merges": merges,
            "unk_token": unknown,
            "fuse_unk": true,
            "byte_fallback": true,
        }),
        ..Parts::default()
    }
}
