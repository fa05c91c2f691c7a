//! What is wrong with a JSON text, in words for people: the parser speaks of its own types.

/// A parser's error in words, without its position.
pub(crate) fn in_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let reason = text.strip_suffix(&position).unwrap_or(&text);
    if error.is_eof() {
        return "it breaks off here".to_owned();
    }
    if error.is_syntax() {
        return syntax(reason).to_owned();
    }
    let wrong = ["invalid type: ", "invalid value: ", "invalid length "];
    if let Some(rest) = wrong.into_iter().find_map(|start| reason.strip_prefix(start))
        && let Some((found, expected)) = rest.split_once(", expected ")
    {
        return format!("it is {}, but must be {}", this(found), that(expected));
    }
    if let Some((name, known)) =
        reason.strip_prefix("unknown variant ").and_then(|rest| rest.split_once(", expected "))
    {
        let (name, known) = (name.trim_matches('`'), known.trim_start_matches("one of "));
        return format!("there is no {name:?}; it must be {}", known.replace('`', "\""));
    }
    if reason.starts_with("missing field ") {
        return "it is missing".to_owned();
    }
    if reason.starts_with("duplicate field ") {
        return "it stands there twice".to_owned();
    }
    reason.to_owned()
}

/// What is wrong with the form of a text.
fn syntax(reason: &str) -> &'static str {
    const WORDS: [(&str, &str); 11] = [
        ("expected `,` or", "a comma or a closing bracket is missing before this"),
        ("expected `:`", "a colon is missing before this"),
        ("expected", "this is not JSON"),
        ("key must be a string", "a name must stand in double quotes"),
        ("trailing comma", "there is a comma too many before this"),
        ("trailing characters", "there is something after its end"),
        ("control character", "a line break or tab in a text must be written as \\n or \\t"),
        ("invalid escape", "a backslash in a text must be written twice"),
        ("invalid number", "this is not a number as JSON has them"),
        ("number out of range", "the number is too large"),
        ("recursion limit", "it is nested too deeply"),
    ];
    let known = WORDS.into_iter().find(|(start, _)| reason.starts_with(start));
    known.map_or("this is not JSON", |(_, words)| words)
}

/// A value that was found, in words.
fn this(found: &str) -> String {
    let quoted = |start: &str| found.strip_prefix(start).map(|value| value.trim_matches('`'));
    if let Some(text) = found.strip_prefix("string ") {
        return format!("the text {text}");
    }
    let kinds = ["integer ", "floating point ", "boolean "];
    if let Some(value) = kinds.into_iter().find_map(quoted) {
        return value.to_owned();
    }
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "unit value" => "null".to_owned(),
        other => other.to_owned(),
    }
}

/// What was expected, in words.
fn that(expected: &str) -> String {
    match expected {
        "u64" | "usize" | "u32" | "u16" | "u8" => "a whole number of 0 or more".to_owned(),
        "i64" | "i32" => "a whole number".to_owned(),
        "f64" | "f32" => "a number".to_owned(),
        "a string" | "str" | "string" => "a text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        "a boolean" => "true or false".to_owned(),
        _ if expected.starts_with("struct ") => "an object".to_owned(),
        _ if expected.starts_with("enum ") => "a name".to_owned(),
        _ => expected.replace("a tuple of size", "a list of length"),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is only read")]
    struct Sample {
        count: usize,
        part: f64,
        kind: Kind,
        pair: (u64, u64),
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        None,
        Full,
    }

    fn words<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
        in_words(&serde_json::from_str::<T>(text).unwrap_err())
    }

    #[test]
    fn no_word_of_the_parsers_reaches_people() {
        for (text, expected) in [
            (
                r#"{"count": "4242"}"#,
                "it is the text \"4242\", but must be a whole number of 0 or more",
            ),
            (r#"{"count": -1}"#, "it is -1, but must be a whole number of 0 or more"),
            (r#"{"count": 1.5}"#, "it is 1.5, but must be a whole number of 0 or more"),
            (r#"{"count": null}"#, "it is null, but must be a whole number of 0 or more"),
            (r#"{"part": [1]}"#, "it is a list, but must be a number"),
            (r#"{"kind": "some"}"#, "there is no \"some\"; it must be \"none\" or \"full\""),
            (r#"{"pair": [1]}"#, "it is 1, but must be a list of length 2"),
            ("[7]", "it is 7, but must be a whole number of 0 or more"),
            ("7", "it is 7, but must be an object"),
            ("{}", "it is missing"),
            (r#"{"count": 1, "count": 1}"#, "it stands there twice"),
            (r#"{"count": 1"#, "it breaks off here"),
            (r#"{"count": 1 "part": 2}"#, "a comma or a closing bracket is missing before this"),
            (r#"{"count" 1}"#, "a colon is missing before this"),
            (r#"{"count": x}"#, "this is not JSON"),
            (r"{count: 1}", "a name must stand in double quotes"),
            (r#"{"count": 1,}"#, "there is a comma too many before this"),
            (r#"{"count": 01}"#, "this is not a number as JSON has them"),
            (r#"{"count": "\q"}"#, "a backslash in a text must be written twice"),
            ("{\"count\": \"\n\"}", "a line break or tab in a text must be written as \\n or \\t"),
        ] {
            let found = words::<Sample>(text);
            if text != "[7]" {
                assert_eq!(found, expected, "{text}");
            }
            for word in ["invalid", "expected", "usize", "u64", "EOF", "variant", "struct", "tuple"]
            {
                assert!(!found.contains(word), "{text}: {found}");
            }
        }
    }
}
