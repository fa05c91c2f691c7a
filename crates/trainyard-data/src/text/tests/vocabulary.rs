//! Texts with the vocabulary of another: known characters, new ones, and those that are refused.

use super::*;
use crate::kind::section;

#[test]
fn a_text_can_have_the_vocabulary_of_another() {
    let text = in_memory("banana").with_vocabulary("xnab\u{e9}na").unwrap();
    assert_eq!(text.vocabulary(), ['x', 'n', 'a', 'b', 'é']);
    let mut tokens = Vec::new();
    text.window(0, 6, &mut tokens).unwrap();
    assert_eq!(tokens, [3, 2, 1, 2, 1, 2]);
    let options = TextOptions {
        builtin: Some("yard".to_owned()),
        vocabulary: Some((' '..='\u{7f}').chain(['\n']).collect()),
        ..TextOptions::default()
    };
    assert_eq!(TextSource::open(&options, 0.1).unwrap().info().vocabulary.len(), 97);
}

#[test]
fn characters_outside_of_a_vocabulary_are_named_with_number_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["a.txt", "b.txt"].map(|name| folder.path().join(name));
    fs::write(&files[0], "\u{feff}one\n").unwrap();
    fs::write(&files[1], "two\nzwölf für Über\nÄ").unwrap();
    let text = || CharText::open(&files).unwrap();
    let error = text().with_vocabulary("\n onetwfrzlb").unwrap_err();
    let DataError::OutsideVocabulary { unknown, .. } = &error else { panic!("{error}") };
    let file = files[1].display().to_string();
    let place =
        |character, count, line| UnknownCharacter { character, count, file: file.clone(), line };
    assert_eq!(
        unknown[..],
        [place('Ä', 1, 3), place('Ü', 1, 2), place('ö', 1, 2), place('ü', 1, 2)]
    );
    let message = error.to_string();
    assert!(message.contains("b.txt and") || message.contains("a.txt and 1 more has"), "{message}");
    assert!(message.contains("'Ä' (once, in ") && message.contains("b.txt, line 3)"), "{message}");
    assert!(message.contains("with --grow-vocabulary"), "{message}");
    let many = in_memory("abcdefgaaa").with_vocabulary("z").unwrap_err().to_string();
    assert!(many.contains("'a' (4 times, first in a test, line 1), 'b'"), "{many}");
    assert!(many.contains(" and 2 others; take them out"), "{many}");
}

#[test]
fn a_grown_vocabulary_keeps_the_tokens_of_the_known_characters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.txt");
    fs::write(&path, "zwölf bär\n".repeat(20)).unwrap();
    let data = |more: Value| {
        let mut options = json!({ "text": path, "context": 4 });
        for (key, value) in more.as_object().unwrap() {
            options[key] = value.clone();
        }
        section("text", &options)
    };
    let known = ["b", "a", "\n", "x"].map(str::to_owned);
    let grown = grown_vocabulary(&data(json!({})), &known).unwrap();
    assert_eq!(grown.concat(), "ba\nx flrwzäö");
    // Opened with it, the text has just these tokens.
    let source = (SOURCE.open)(&data(json!({ "vocabulary": grown.concat() }))).unwrap();
    assert_eq!(source.info().vocabulary, grown);
    // A text without new characters leaves it as it is.
    assert_eq!(grown_vocabulary(&data(json!({})), &grown).unwrap(), grown);
    let error = grown_vocabulary(&section("rows", &json!({ "builtin": "circle" })), &known);
    assert!(error.unwrap_err().to_string().contains("leave --grow-vocabulary out"));
    assert!(grown_vocabulary(&data(json!({})), &[]).is_err());
}

proptest! {
    #[test]
    fn tokens_are_places(known in "\\PC{0,30}", text in "\\PC{1,30}") {
        let grown = in_memory(&text).with_grown_vocabulary(&known).unwrap();
        let mut tokens = Vec::new();
        grown.window(0, text.chars().count(), &mut tokens).unwrap();
        prop_assert_eq!(grown.decode(&tokens), &text[..]);
        let mut expected: Vec<char> = Vec::new();
        for character in known.chars() {
            if !expected.contains(&character) {
                expected.push(character);
            }
        }
        prop_assert_eq!(&grown.vocabulary()[..expected.len()], &expected[..]);
        let new = &grown.vocabulary()[expected.len()..];
        prop_assert!(new.is_sorted() && new.iter().all(|it| text.contains(*it)));
        let fits = text.chars().all(|it| known.contains(it));
        prop_assert_eq!(in_memory(&text).with_vocabulary(&known).is_ok(), fits);
        prop_assert_eq!(new.is_empty(), fits);
    }
}
