//! Prompts: in the form of the text, and unknown characters with what may be meant.

use super::super::prompt::{
    encode, first_token, in_known_letters, prompt_from_file, prompt_in_form,
};
use super::*;
use crate::kind::section;

/// What a message says of a prompt, for a model that knows some characters.
fn refused(known: &str, prompt: &str) -> String {
    let token = |character: char| known.chars().position(|it| it == character);
    encode(prompt, "the text it was trained on", token).unwrap_err().to_string()
}

#[test]
fn letters_are_taken_in_the_form_that_is_known() {
    let vocabulary = |known: &str| known.chars().map(String::from).collect::<Vec<_>>();
    for (known, prompt, taken) in [
        ("e\u{301}", "é", "e\u{301}"),
        ("é", "e\u{301}", "é"),
        ("ab\n", "a\r\nb", "a\nb"),
        ("ab\r\n", "a\r\nb", "a\r\nb"),
        ("ab", "é", "é"),
    ] {
        assert_eq!(in_known_letters(prompt, &vocabulary(known)), taken, "{known:?} {prompt:?}");
    }
}

#[test]
fn unknown_characters_are_named_with_what_may_be_meant() {
    assert_eq!(
        refused("the zug", "the Zug"),
        "the text it was trained on has no 'Z' (U+005A, number 5; perhaps \"z\" is meant), so the \
         model has no token for it; leave it out"
    );
    for (known, prompt, meant) in [
        ("don't", "don’t", "(U+2019, number 4; perhaps \"'\" is meant)"),
        ("don’t", "don't", "(U+0027, number 4; perhaps \"’\" is meant)"),
        ("a\"", "“a”", "(U+201C, number 1; perhaps \"\\\"\" is meant)"),
        ("a b", "a\u{a0}b", "(U+00A0, number 2; perhaps \" \" is meant)"),
        ("a-", "a—", "perhaps \"-\" is meant"),
        ("a.", "a…", "perhaps \"...\" is meant"),
        (
            "é",
            "e\u{301}",
            "(U+0065, number 1), '\\u{301}' (U+0301, number 2; perhaps \"é\" is meant)",
        ),
        ("e\u{301}", "é", "perhaps \"e\\u{301}\" is meant"),
        ("e", "é", "perhaps \"e\" is meant"),
        ("A", "a", "perhaps \"A\" is meant"),
        ("fi", "ﬁ", "perhaps \"fi\" is meant"),
        ("\r", "\n", "perhaps \"\\r\" is meant"),
        ("a", "漢", "'漢' (U+6F22, number 1)"),
    ] {
        let message = refused(known, prompt);
        assert!(message.contains(meant), "{prompt:?} gave {message}");
    }
    // Each once, and not too many.
    let many = refused("x", "aabcdefgh");
    assert!(many.contains("'a' (U+0061, number 1), 'b' (U+0062, number 3)"), "{many}");
    assert!(many.contains(" and 3 others, so the model"), "{many}");
}

#[test]
fn prompts_are_in_the_form_of_the_text() {
    let form = json!({ "text": "a", "newlines": "unix", "normalize": "nfc" });
    let form = section("text", &form);
    assert_eq!(prompt_in_form("\u{feff}e\u{301}\r\nb", &form).unwrap(), "é\nb");
    let kept = section("text", &json!({ "text": "a" }));
    assert_eq!(prompt_in_form("\u{feff}e\u{301}\r\nb", &kept).unwrap(), "e\u{301}\r\nb");
    let other = section("own", &json!({ "text": 3 }));
    assert_eq!(prompt_in_form("a\r", &other).unwrap(), "a\r");
    let (_folder, path) = in_file("\u{feff}e\u{301}\r\nTo be\r\n".as_bytes());
    assert_eq!(prompt_from_file(&path, &form).unwrap(), "é\nTo be");
    fs::write(&path, [0xff, 0xfe, b'a', 0, b'\n', 0]).unwrap();
    assert_eq!(prompt_from_file(&path, &kept).unwrap(), "a");
    fs::write(&path, b"caf\xe9").unwrap();
    assert!(prompt_from_file(&path, &kept).unwrap_err().to_string().contains("iconv"));
    fs::File::create(&path).unwrap().set_len(17 << 20).unwrap();
    assert!(prompt_from_file(&path, &kept).unwrap_err().to_string().contains("16 MiB"));
}

#[test]
fn the_first_token_is_out_of_the_vocabulary() {
    let first = |known: &str| {
        let vocabulary: Vec<String> = known.chars().map(String::from).collect();
        vocabulary.get(first_token(&vocabulary)).cloned().unwrap_or_default()
    };
    assert_eq!(first("\0\n\r ab"), "\n");
    assert_eq!(first("\0\r ab"), "\r");
    assert_eq!(first("\0 ab"), " ");
    assert_eq!(first("\0\u{a0}ab"), "a");
    assert_eq!(first("\0"), "\0");
    assert_eq!(first(""), "");
}
