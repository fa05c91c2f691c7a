//! Comma-separated values as RFC 4180 has them, with bare line feeds.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};

/// One field. It is quoted where it must be, and where spaces at its ends could get lost.
pub(super) fn field(text: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, ',' | '"' | '\n' | '\r');
    if text.contains(special) || text.trim() != text {
        return Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")));
    }
    Cow::Borrowed(text)
}

/// One line.
pub(super) fn row(out: &mut dyn Write, fields: &[&dyn Display]) -> io::Result<()> {
    for (index, value) in fields.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        out.write_all(field(&value.to_string()).as_bytes())?;
    }
    out.write_all(b"\n")
}

/// Reads a table back, for tests.
#[cfg(test)]
pub(super) fn parse(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut fields, mut value) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut chars) = (false, text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                value.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut value)),
            '\n' if !quoted => {
                fields.push(std::mem::take(&mut value));
                rows.push(std::mem::take(&mut fields));
            }
            c => value.push(c),
        }
    }
    assert!(!quoted && value.is_empty() && fields.is_empty(), "the last line ends early: {text}");
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(fields: &[String]) -> String {
        let fields: Vec<&dyn Display> = fields.iter().map(|field| field as &dyn Display).collect();
        let mut out = Vec::new();
        row(&mut out, &fields).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quotes_what_must_be_quoted_and_nothing_else() {
        assert_eq!(field("block 2"), "block 2");
        assert_eq!(field("a,b"), "\"a,b\"");
        assert_eq!(field("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(field("two\nlines"), "\"two\nlines\"");
        assert_eq!(field("cr\r"), "\"cr\r\"");
        assert_eq!(field(" edge"), "\" edge\"");
        assert_eq!(field("größe 層 🚂"), "größe 層 🚂");
        assert_eq!(field(""), "");
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(
            rows in prop::collection::vec(prop::collection::vec("[a,\"\r\n é\u{0}-\u{10FFFF}]{0,6}", 1..5), 1..5),
        ) {
            let text: String = rows.iter().map(|row| written(row)).collect();
            prop_assert_eq!(parse(&text), rows);
        }
    }
}
