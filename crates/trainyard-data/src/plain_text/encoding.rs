//! Encodings of text files: those of the web, and UTF-32.

use encoding_rs::{DecoderResult, UTF_8, UTF_16BE, UTF_16LE};

/// Order of the bytes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

/// An encoding of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16(ByteOrder),
    Utf32(ByteOrder),
    /// One of those that the web knows, such as Windows-1252.
    Legacy(&'static encoding_rs::Encoding),
}

/// Whether `data.encoding` may be this.
pub(crate) fn is_encoding(label: &str) -> bool {
    Encoding::named(label).is_some()
}

impl Encoding {
    /// The encoding of a name, as people and the web write it.
    pub(crate) fn named(label: &str) -> Option<Self> {
        use ByteOrder::{Big, Little};
        match &*label.trim().to_ascii_lowercase() {
            "utf-16" | "utf16" | "utf-16le" | "utf16le" => Some(Self::Utf16(Little)),
            "utf-16be" | "utf16be" => Some(Self::Utf16(Big)),
            "utf-32" | "utf32" | "utf-32le" | "utf32le" => Some(Self::Utf32(Little)),
            "utf-32be" | "utf32be" => Some(Self::Utf32(Big)),
            label => {
                let of_web = encoding_rs::Encoding::for_label_no_replacement(label.as_bytes())?;
                Some(if of_web == UTF_8 { Self::Utf8 } else { Self::Legacy(of_web) })
            }
        }
    }

    /// Its name, which `data.encoding` takes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16(ByteOrder::Little) => "UTF-16LE",
            Self::Utf16(ByteOrder::Big) => "UTF-16BE",
            Self::Utf32(ByteOrder::Little) => "UTF-32LE",
            Self::Utf32(ByteOrder::Big) => "UTF-32BE",
            Self::Legacy(encoding) => encoding.name(),
        }
    }

    /// Its name for `iconv`, where that has another one.
    pub(crate) fn iconv_name(self) -> String {
        match self.name() {
            "Shift_JIS" => "CP932".to_owned(),
            "EUC-KR" => "CP949".to_owned(),
            "Big5" => "BIG5-HKSCS".to_owned(),
            "IBM866" => "CP866".to_owned(),
            "windows-874" => "CP874".to_owned(),
            "x-mac-cyrillic" => "MAC-CYRILLIC".to_owned(),
            "ISO-8859-8-I" => "ISO-8859-8".to_owned(),
            name => name.to_uppercase(),
        }
    }

    pub(crate) fn decoder(self) -> Decoder {
        let of_web = |encoding: &'static encoding_rs::Encoding| {
            Decoder::OfWeb(encoding.new_decoder_without_bom_handling())
        };
        match self {
            Self::Utf8 => of_web(UTF_8),
            Self::Utf16(ByteOrder::Little) => of_web(UTF_16LE),
            Self::Utf16(ByteOrder::Big) => of_web(UTF_16BE),
            Self::Utf32(order) => Decoder::Utf32(order, Vec::new()),
            Self::Legacy(encoding) => of_web(encoding),
        }
    }
}

/// Decodes a file piece by piece.
pub(crate) enum Decoder {
    OfWeb(encoding_rs::Decoder),
    /// With the bytes of a unit that a piece cut off.
    Utf32(ByteOrder, Vec<u8>),
}

impl Decoder {
    /// Adds the text of some bytes; `last` says that none follow.
    ///
    /// # Errors
    /// How many bytes before the end of `bytes` a sequence begins that is no character.
    pub(crate) fn decode(
        &mut self,
        mut bytes: &[u8],
        last: bool,
        text: &mut String,
    ) -> Result<(), usize> {
        match self {
            Self::OfWeb(decoder) => loop {
                text.reserve(bytes.len() + 16);
                let (result, read) =
                    decoder.decode_to_string_without_replacement(bytes, text, last);
                bytes = &bytes[read..];
                match result {
                    DecoderResult::InputEmpty => return Ok(()),
                    DecoderResult::OutputFull => {}
                    DecoderResult::Malformed(bad, after) => {
                        return Err(bytes.len() + usize::from(bad) + usize::from(after));
                    }
                }
            },
            Self::Utf32(order, cut) => {
                let joined = [cut.as_slice(), bytes].concat();
                let (units, rest) = joined.as_chunks::<4>();
                for (index, unit) in units.iter().enumerate() {
                    let code = match order {
                        ByteOrder::Little => u32::from_le_bytes(*unit),
                        ByteOrder::Big => u32::from_be_bytes(*unit),
                    };
                    text.push(char::from_u32(code).ok_or(joined.len() - 4 * index)?);
                }
                *cut = rest.to_vec();
                if last && !cut.is_empty() { Err(cut.len()) } else { Ok(()) }
            }
        }
    }
}

/// The text that some bytes begin, if they are in this encoding; the end may be cut off.
pub(crate) fn decoded(encoding: Encoding, bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    encoding.decoder().decode(bytes, false, &mut text).ok().map(|()| text)
}
