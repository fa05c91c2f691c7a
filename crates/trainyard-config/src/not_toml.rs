//! Why a text is not TOML, in words for people: the parser's own speak of its grammar.

/// What is wrong at a byte of a text that the parser refuses with `message`, and the way out.
pub(crate) fn in_words(text: &str, error: &toml::de::Error) -> String {
    let span = error.span().unwrap_or(0..0);
    let start = text.floor_char_boundary(span.start);
    let end = text.ceil_char_boundary(span.end).max(start);
    if text.contains('\0') {
        return "it has NUL characters, as UTF-16 text and binary files do; save it as UTF-8 text"
            .to_owned();
    }
    let message = error.message();
    let about = |beginnings: &[&str]| beginnings.iter().any(|it| message.starts_with(it));
    if about(&["too few unicode", "missing escaped", "invalid value"]) {
        return ESCAPE.to_owned();
    }
    if about(&["string values must be quoted", "invalid float", "invalid boolean"]) {
        return not_a_value(text[start..end].trim());
    }
    let known = WORDS.iter().find(|(beginning, _)| message.starts_with(beginning));
    known.map_or("this cannot be read", |(_, words)| words).to_owned()
}

const ESCAPE: &str = "in double quotes a backslash begins an escape such as \\n; write a path in \
                      single quotes ('C:\\Users\\me\\input.txt') or with forward slashes \
                      (\"C:/Users/me/input.txt\")";

/// Beginnings of the parser's messages, and what they mean.
const WORDS: &[(&str, &str)] = &[
    ("duplicate key", TWICE),
    ("cannot extend value", TWICE),
    ("unclosed table", "the heading of a section ends in ']', as in [train]"),
    ("unclosed array table", "the heading of such a section ends in ']]', as in [[device]]"),
    ("unclosed array", "the list has no end; close it with ']'"),
    ("unclosed inline table", "the braces have no end; close them with '}'"),
    ("invalid basic string", QUOTES),
    ("invalid literal string", QUOTES),
    ("invalid multi-line", QUOTES),
    ("key with no value", "a line is NAME = VALUE, a [section], or a comment that begins with '#'"),
    ("invalid key-value pair", "a line is NAME = VALUE, a [section], or a comment; is it JSON?"),
    ("unquoted keys cannot be empty", "a name is missing here"),
    ("invalid unquoted key", "a name has letters, digits, '-' and '_', or stands in quotes"),
    ("keys cannot be multi-line", "a name stands in one pair of quotes"),
    ("extra `=`", "one '=' is enough"),
    ("extra assignment", "what stands in braces has commas between"),
    ("missing assignment", "inside of braces write NAME = VALUE, with commas between"),
    ("extra comma", "a comma is too much"),
    ("missing comma", "a comma is missing, or the bracket that closes the list or the braces"),
    (
        "unexpected key or value",
        "the value has ended before this; write one NAME = VALUE a line, a decimal point as '.', a \
         comment after '#', and a text that has quotes in it in the other kind of quotes",
    ),
    ("carriage return", "a line ends in CR alone; let lines end in LF or CRLF"),
    ("invalid type: integer", TOO_LARGE),
    ("integer number overflowed", TOO_LARGE),
    ("unexpected leading zero", "a number does not begin with 0"),
    ("redundant", "this is no number"),
    (
        "invalid",
        "this is no number and no date; a number has digits on both sides of a '.' and after an 'e', \
         and a text stands in quotes",
    ),
    ("`_` may only go", "'_' may stand only between the digits of a number"),
    ("radix must be", "such a number begins with 0x, 0o or 0b in small letters"),
    ("integers with a radix", "a number in this form has no sign"),
    ("cannot recurse", "brackets lie too deep in one another"),
    ("recursion limit", "brackets lie too deep in one another"),
];

const TWICE: &str = "this name is there already; keep one of the two (where a section may be there \
                     several times, each has double brackets: [[device]])";

const QUOTES: &str = "the quotes are not closed, or there is a control character between them; a \
                      text begins and ends with the same quote, on one line";

const TOO_LARGE: &str = "the number is too large, or has no digits";

/// What a person may have meant by something that is no value.
fn not_a_value(value: &str) -> String {
    if value.is_empty() {
        return "a value is missing after '='".to_owned();
    }
    let first_word = value.split([' ', '#']).next().unwrap_or_default().to_lowercase();
    if ["true", "false", "yes", "no", "on", "off"].contains(&&*first_word) {
        return "yes and no are written true and false".to_owned();
    }
    if ["none", "null", "nil"].contains(&&*first_word) {
        return "leave the line out: there is no value that means nothing".to_owned();
    }
    if value.starts_with(['“', '”', '„', '‘', '’', '«']) {
        return "these are typographic quotes; write straight ones: \"…\"".to_owned();
    }
    if value.contains("//") && value.starts_with(|first: char| first.is_ascii_digit()) {
        return "a comment begins with '#'".to_owned();
    }
    let short: String = value.chars().take(40).collect();
    let more = if short.len() < value.len() { "…" } else { "" };
    // Single quotes, so that backslashes are what they are.
    let quote = if value.contains(['\\', '"']) { '\'' } else { '"' };
    format!(
        "a text stands in quotes: {quote}{short}{more}{quote}; entries of a list have commas between"
    )
}
