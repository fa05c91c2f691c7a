//! Walks over JSON text without building it: for files of other programs, of which little matters
//! here, and which may break off or be not quite JSON.
//!
//! Values are handed out as they stand in the text. A stray comma or bracket is stepped over, and
//! nothing is an error: where the text ends in the middle of a value, there is no value.

/// A place in a JSON text.
#[derive(Clone, Debug)]
pub(crate) struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Steps into the object or array that begins here; whether one does. `bracket` is `{` or `[`.
    pub(crate) fn enter(&mut self, bracket: u8) -> bool {
        let begins = self.peek() == Some(bracket);
        self.at += usize::from(begins);
        begins
    }

    /// Whether the object or array that was entered ends here. `bracket` is `}` or `]`.
    pub(crate) fn is_closed_by(&mut self, bracket: u8) -> bool {
        self.peek() == Some(bracket)
    }

    /// The next key of the object that was entered, as it stands between its quotes. Its value is
    /// what comes next.
    pub(crate) fn key(&mut self) -> Option<&'a str> {
        self.skip(|byte| byte == b',');
        let key = self.value().filter(|key| key.starts_with('"'))?;
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        Some(unquoted(key))
    }

    /// The next element of the array that was entered, with its offset in the text.
    pub(crate) fn element(&mut self) -> Option<(usize, &'a str)> {
        self.skip(|byte| matches!(byte, b',' | b':' | b'}'));
        let element = self.value()?;
        Some((self.at - element.len(), element))
    }

    /// The value that begins here, as it stands in the text; `None` where none does, or where the
    /// text breaks off in it.
    pub(crate) fn value(&mut self) -> Option<&'a str> {
        let first = self.peek()?;
        let rest = self.text.as_bytes().get(self.at..)?;
        let length = match first {
            b'"' => string_length(rest)?,
            b'{' | b'[' => nested_length(rest)?,
            _ => rest.iter().position(|byte| is_blank(*byte) || b",:]}".contains(byte))?,
        };
        let value = self.text.get(self.at..self.at + length).filter(|value| !value.is_empty())?;
        self.at += length;
        Some(value)
    }

    /// The byte that comes next, after blanks.
    fn peek(&mut self) -> Option<u8> {
        self.skip(|_| false);
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over blanks, and over what else is named.
    fn skip(&mut self, also: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let skipped = rest.iter().position(|byte| !is_blank(*byte) && !also(*byte));
        self.at += skipped.unwrap_or(rest.len());
    }
}

/// What a string holds, its escapes as they stand; any other value as it stands.
pub(crate) fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// A string as it reads; what is no string as it stands, and nothing of `null`.
pub(crate) fn plain_text(value: &str) -> String {
    let escaped = || serde_json::from_str(value).ok();
    match unquoted(value) {
        "null" => String::new(),
        inner if inner.len() < value.len() && inner.contains('\\') => {
            escaped().unwrap_or_else(|| inner.to_owned())
        }
        inner => inner.to_owned(),
    }
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

/// The length of the string at the beginning, with its quotes.
fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        // What is escaped may be a quote.
        at += 2;
    }
}

/// The length of the object or array at the beginning, with its brackets.
fn nested_length(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0_usize, 0_usize);
    loop {
        let is_mark = |byte: &u8| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']');
        at += bytes.get(at..)?.iter().position(is_mark)?;
        match bytes.get(at)? {
            b'"' => at += string_length(bytes.get(at..)?)?,
            b'{' | b'[' => (at, depth) = (at + 1, depth + 1),
            _ => (at, depth) = (at + 1, depth.saturating_sub(1)),
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_handed_out_as_they_stand() {
        let text = r#" {"a": [1, {"b": "]}\""}], "c" : "x\\" ,"d":NaN,"e":-1.5e3 } "#;
        let mut walk = Walk::new(text);
        assert!(walk.enter(b'{'));
        let mut found = Vec::new();
        while let Some(key) = walk.key() {
            found.push((key, walk.value().unwrap()));
        }
        let expected =
            [("a", r#"[1, {"b": "]}\""}]"#), ("c", r#""x\\""#), ("d", "NaN"), ("e", "-1.5e3")];
        assert_eq!(found, expected);
        assert!(walk.is_closed_by(b'}'));
    }

    #[test]
    fn elements_come_until_the_text_breaks_off() {
        let text = r#"[{"a":1},,[2]} "s" {"b":"#;
        let mut walk = Walk::new(text);
        assert!(walk.enter(b'['));
        let found: Vec<_> = std::iter::from_fn(|| walk.element()).collect();
        assert_eq!(found, [(1, r#"{"a":1}"#), (10, "[2]"), (15, r#""s""#)]);
        assert!(!walk.is_closed_by(b']'));
    }

    #[test]
    fn texts_are_read_with_their_escapes() {
        for (value, text) in [
            (r#""a\u00e9\n""#, "aé\n"),
            ("\"raw\nline\"", "raw\nline"),
            (r#""bad \q""#, r"bad \q"),
            ("12", "12"),
            ("null", ""),
        ] {
            assert_eq!(plain_text(value), text);
        }
    }
}
