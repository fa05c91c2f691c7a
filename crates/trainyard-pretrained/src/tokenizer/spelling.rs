//! How the texts of tokens in a vocabulary stand for bytes: a character may be spread over several of them.

use tokenizers::DecoderWrapper;

/// What the text of a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Itself.
    Text,
    /// Itself, but that `<0xE2>` is a byte.
    Fallback,
    /// A byte for each letter: GPT-2's way to write all of them visibly.
    Bytes,
}

impl Spelling {
    /// That of a tokenizer, by what puts its tokens together.
    pub(super) fn of(decoder: Option<&DecoderWrapper>) -> Self {
        match decoder {
            Some(DecoderWrapper::ByteLevel(_)) => Self::Bytes,
            Some(DecoderWrapper::ByteFallback(_)) => Self::Fallback,
            Some(DecoderWrapper::Sequence(all)) => {
                let mut spellings = all.get_decoders().iter().map(|it| Self::of(Some(it)));
                spellings.find(|spelling| *spelling != Self::Text).unwrap_or(Self::Text)
            }
            _ => Self::Text,
        }
    }

    /// The bytes of a token's text.
    pub(super) fn bytes(self, token: &str) -> Vec<u8> {
        let own = || token.as_bytes().to_vec();
        match self {
            Self::Text => own(),
            Self::Fallback => {
                let digits = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
                let byte = digits.filter(|digits| digits.len() == 2);
                let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                byte.map_or_else(own, |byte| vec![byte])
            }
            // What has another letter is no such text.
            Self::Bytes => token.chars().map(byte_of).collect::<Option<_>>().unwrap_or_else(own),
        }
    }
}

/// The byte that a letter stands for: those that can be seen are themselves, and the others are moved behind
/// all bytes, in their order (`bytes_to_unicode` of GPT-2's `encoder.py`).
fn byte_of(letter: char) -> Option<u8> {
    let is_seen = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    match u32::from(letter) {
        own @ 0..=0xFF => u8::try_from(own).ok().filter(is_seen),
        moved => (0..=u8::MAX).filter(|byte| !is_seen(byte)).nth(moved as usize - 0x100),
    }
}

/// Whether a text in bytes ends inside a character.
pub(super) fn ends_inside(mut bytes: &[u8]) -> bool {
    loop {
        let Err(error) = std::str::from_utf8(bytes) else { return false };
        // Without a length of what is wrong, more may come.
        let Some(wrong) = error.error_len() else { return true };
        bytes = bytes.get(error.valid_up_to() + wrong..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_the_bytes_of_gpt_2() {
        // "é" and a space, as its vocabulary has them.
        assert_eq!(Spelling::Bytes.bytes("ĠÃ©"), " é".as_bytes());
        assert_eq!(Spelling::Bytes.bytes("Ń"), [0xAD]);
        assert_eq!(Spelling::Bytes.bytes("<|im_end|>字"), "<|im_end|>字".as_bytes());
        let all: Vec<u8> = (0x21..0x144).filter_map(char::from_u32).filter_map(byte_of).collect();
        assert_eq!(all.len(), 256);
        assert_eq!(Spelling::Fallback.bytes("<0xE2>"), [0xE2]);
        assert_eq!(Spelling::Fallback.bytes("<0xE2"), b"<0xE2");
        assert_eq!(Spelling::Text.bytes("<0xE2>"), b"<0xE2>");
    }

    #[test]
    fn a_character_is_whole_or_not() {
        let text = "a字\u{fffd}😀".as_bytes();
        for end in 0..=text.len() {
            let is_whole = std::str::from_utf8(&text[..end]).is_ok();
            assert_eq!(ends_inside(&text[..end]), !is_whole, "{end}");
        }
        assert!(!ends_inside(&[0xFF]) && !ends_inside(&[0xE5, b'a']) && ends_inside(&[0xFF, 0xE5]));
    }
}
